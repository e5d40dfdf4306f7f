"""Files that bring the daemon down: put aside in the end, so that the others are done."""

import contextlib
import sqlite3
from pathlib import Path

from tests.faults.workplace import drop_photo, furnished, mosaics


def test_photo_that_takes_the_daemon_down_each_time_is_put_aside_in_the_end(tmp_path: Path) -> None:
    daemon = furnished(tmp_path)
    drop_photo(daemon, "bomb.png")
    daemon.start()
    daemon.wait_for("job_started")
    daemon.kill()
    with contextlib.closing(sqlite3.connect(daemon.database)) as connection, connection:
        connection.execute("UPDATE job SET interruptions = 3")  # three more kills, to make the test short
    daemon.start()
    daemon.wait_for("job_started", count=2)
    daemon.kill()
    drop_photo(daemon, "cat.png")
    assert daemon.run_until_idle() == 3
    reason = (daemon.rejected / "bomb.png.reason.txt").read_text()
    assert reason.startswith("the daemon was killed 5 times in a row while this file was worked on")
    assert mosaics(daemon) == [("cat", True)]
