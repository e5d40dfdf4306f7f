"""Retention: what is deleted, when, and above all what is not."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs

from mosaicd.deep_check import deep_findings
from mosaicd.jobs.originals import archive
from mosaicd.jobs.queue import JobQueue
from mosaicd.media.files import Signature, signature
from mosaicd.retention import Retention
from mosaicd.settings import Settings
from mosaicd.settings_reading import load_settings
from mosaicd.store.database import Database
from mosaicd.store.history import History
from mosaicd.store.libraries import find_library, library_named
from mosaicd.store.models import Job, JobKind, JobState, Mosaic, MosaicPlacement, Source, TileUse
from mosaicd.store.mosaics import record_mosaic, reset_penalties, stem_key, undo_charges
from tests.daemon_process import DaemonProcess
from tests.faults.workplace import drop_photo, furnished
from tests.steps import result_of
from tests.stores import add_source, new_database, placement

DAY = 86_400.0
NOW = 20_000 * DAY
EACH = {"archive_retention_days": 30, "mosaic_history_retention_days": 90}


class Place:
    """A root and its database, and clocks that stand still."""

    def __init__(self, folder: Path, **values: Any) -> None:
        self.database_path = folder / "state" / "store.sqlite3"
        self.settings: Settings = load_settings(
            {"root": folder / "root", "database": self.database_path, **(EACH | values)}
        )
        self.folders = self.settings.folders
        self.database = new_database(self.database_path)
        self.queue = JobQueue(self.database)
        self.uptime = 0.0
        self.clock_error = 0.0
        self.retention = Retention(
            self.settings,
            self.database,
            wall_clock=lambda: NOW + self.clock_error,
            quiet_clock=lambda: self.uptime,
        )
        with self.database.write() as session:
            self.library_id = add_source(session, name="tiles.mp4", tiles=12).library_id

    def drop(self, path: str, *, days_ago: float = 31, state: JobState = JobState.DONE) -> Path:
        """Have a file dropped and archived, its job having ended so long ago; where it is now."""
        original = self.folders.inbox / path
        original.parent.mkdir(parents=True, exist_ok=True)
        original.write_bytes(os.fsencode(path))
        looks = signature(original)
        assert looks is not None
        queue = self.queue
        ticket = queue.admit(
            library="default", kind=JobKind.SPLICE, path=path, signature=looks, first_seen_at=1.0, now=2.0
        )
        claimed = queue.claim(ticket, now=3.0)
        assert claimed is not None
        with self.database.write() as session:
            sha256 = add_source(session, name=path, tiles=1).sha256
        queue.note_content(ticket.job_id, sha256)
        place = result_of(archive(claimed, queue, self.folders))
        assert place is not None
        if state is not JobState.RUNNING:
            queue.end(ticket.job_id, state, now=NOW - days_ago * DAY)
        return place

    def source(self, path: str, **values: Any) -> None:
        """Change what is known of the source that a dropped file was."""
        with self.database.write() as session:
            session.execute(update(Source).where(Source.name == path).values(**values))

    def mosaic(self, stem: str, *tiles: int, days_ago: float = 91, is_published: bool = True) -> int:
        """Record a mosaic of so long ago."""
        made = NOW - days_ago * DAY
        job_id = None
        if not is_published:
            looks = Signature(size=1, mtime_ns=2, inode=3)
            job_id = self.queue.admit(
                library="default",
                kind=JobKind.MOSAIC,
                path=f"{stem}.jpg",
                signature=looks,
                first_seen_at=1.0,
                now=2.0,
            ).job_id
        with self.database.write() as session:
            mosaic = Mosaic(
                job_id=job_id,
                library_id=self.library_id,
                photo_sha256=bytes(32),
                photo_name=f"{stem}.jpg",
                stem=stem,
                stem_key=stem_key(stem),
                settings={},
                tiles_in_library=12,
                rows=3,
                columns=4,
                created_at=made,
                published_at=made + 1 if is_published else None,
                figures={},
            )
            record_mosaic(session, mosaic, placement(*tiles))
            return mosaic.id

    def do_round(self) -> list[dict[str, Any]]:
        """Do all that is due; what was logged."""
        with capture_logs() as logs:
            steps = 0
            while self.retention.is_due:
                self.retention.step()
                steps += 1
                assert steps < 1000
        return [dict(line) for line in logs]

    def placements(self) -> set[int]:
        with self.database.read() as session:
            return set(session.scalars(select(MosaicPlacement.mosaic_id)))

    def uses(self) -> set[int]:
        with self.database.read() as session:
            return set(session.scalars(select(TileUse.mosaic_id)))

    def history(self) -> list[float]:
        """In how many mosaics each tile appears, faded."""
        with self.database.read() as session:
            tiles = np.arange(1, 13)
            history = History(self.library_id, half_life_days=30)
            found = history.appearances(session, tiles, now=NOW)
        return [float(each) for each in found]

    def problems(self) -> list[str]:
        """What a deep check finds wrong, but that the tiles here have no pixels."""
        found = deep_findings(self.settings, lambda *_: None)
        return [each.text for each in found if each.is_problem and not each.text.startswith("masters:")]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.database.close()


# ---- Originals


def test_old_originals_are_deleted_and_each_is_logged(place: Place) -> None:
    old = [place.drop(f"family/{number}.mp4") for number in range(12)]
    young = place.drop("young.mp4", days_ago=29)
    logs = place.do_round()
    assert [line["file"] for line in logs] == [str(path) for path in old]
    assert {(line["event"], line["log_level"]) for line in logs} == {("original_deleted", "info")}
    assert not any(path.exists() for path in old)
    assert young.exists()
    assert place.problems() == []
    with place.database.read() as session:
        gone = session.scalars(select(Job.original_gone_at).where(Job.original_gone_at.is_not(None))).all()
    assert gone == [NOW] * 12


def test_by_default_nothing_is_ever_deleted(tmp_path: Path) -> None:
    place = Place(tmp_path, archive_retention_days=0, mosaic_history_retention_days=0)
    old = place.drop("film.mp4", days_ago=9000)
    place.mosaic("cat", 1, days_ago=9000)
    assert place.do_round() == []
    assert old.exists()
    assert (place.placements(), place.uses()) == ({1}, {1})
    place.database.close()


def test_round_comes_once_a_day(place: Place) -> None:
    place.do_round()
    old = place.drop("film.mp4")
    place.uptime = DAY - 1
    assert place.do_round() == []
    assert old.exists()
    place.uptime = DAY
    assert len(place.do_round()) == 1


def test_clock_that_is_set_forward_deletes_nothing_for_a_day(place: Place) -> None:
    young = place.drop("film.mp4", days_ago=1)
    place.clock_error = 3650 * DAY
    assert [event["event"] for event in place.do_round()] == ["retention_postponed"]
    place.clock_error = 0
    place.uptime = DAY
    assert place.do_round() == []
    assert young.exists()
    place.clock_error = 3650 * DAY
    place.uptime = 2 * DAY
    place.do_round()
    place.uptime = 3 * DAY  # nobody has set it back: so it is right
    assert [event["event"] for event in place.do_round()] == ["original_deleted"]


def test_what_mosaicd_did_not_put_there_stays(place: Place) -> None:
    place.drop("film.mp4")
    others = [place.folders.archive / "holiday.mp4", place.folders.archive / "family" / "film.mp4"]
    for other in others:
        other.parent.mkdir(exist_ok=True)
        other.write_bytes(b"film.mp4")
        os.utime(other, (1, 1))
    assert len(place.do_round()) == 1
    assert all(other.exists() for other in others)


def test_what_took_an_originals_place_stays(place: Place) -> None:
    changed = place.drop("changed.mp4")
    changed.write_bytes(b"cut anew")
    replaced = place.drop("replaced.mp4")
    looks = replaced.stat()
    (place.folders.archive / "mine.mp4").write_bytes(b"replaced.mp4")
    os.utime(place.folders.archive / "mine.mp4", ns=(looks.st_mtime_ns, looks.st_mtime_ns))
    replaced.unlink()
    replaced.symlink_to("mine.mp4")
    assert place.do_round() == []
    assert changed.exists()
    assert replaced.exists()


def test_what_a_newer_job_put_in_the_same_place_stays(place: Place) -> None:
    first = place.drop("film.mp4", days_ago=300)
    shutil.move(first, place.folders.inbox / "film.mp4")
    looks = signature(place.folders.inbox / "film.mp4")
    assert looks is not None
    again = place.queue.admit(
        library="default",
        kind=JobKind.SPLICE,
        path="film.mp4",
        signature=looks,
        first_seen_at=1.0,
        now=2.0,
    )
    claimed = place.queue.claim(again, now=3.0)
    assert claimed is not None
    assert result_of(archive(claimed, place.queue, place.folders)) == first
    assert place.do_round() == []
    place.queue.end(again.job_id, JobState.DONE, now=NOW - DAY)
    place.uptime = DAY
    assert place.do_round() == []
    assert first.exists()


@pytest.mark.parametrize("state", [JobState.RUNNING, JobState.REJECTED, JobState.WITHDRAWN])
def test_only_what_is_done_is_deleted(place: Place, state: JobState) -> None:
    kept = place.drop("film.mp4", state=state)
    assert place.do_round() == []
    assert kept.exists()


@pytest.mark.parametrize("missing", [{"completed_at": None}, {"shortfall": "it ends after 8 of 9 seconds"}])
def test_film_of_which_more_may_be_read_one_day_stays(place: Place, missing: dict[str, Any]) -> None:
    film = place.drop("film.mp4")
    place.source("film.mp4", **missing)
    assert place.do_round() == []
    assert film.exists()


def test_what_its_owner_has_taken_away_is_looked_for_once(place: Place) -> None:
    place.drop("film.mp4").unlink()
    place.drop("other.mp4", days_ago=1)
    assert place.do_round() == []
    with place.database.read() as session:
        assert session.get_one(Job, 1).original_gone_at == NOW


def test_archive_that_is_not_mounted_is_not_taken_for_an_empty_one(place: Place) -> None:
    film = place.drop("film.mp4")
    archive_folder, aside = place.folders.archive, place.folders.archive.with_name("aside")
    archive_folder.rename(aside)
    assert place.do_round() == []
    archive_folder.mkdir()
    place.uptime = DAY
    assert place.do_round() == []
    archive_folder.rmdir()
    aside.rename(archive_folder)
    place.uptime = 2 * DAY
    assert [line["file"] for line in place.do_round()] == [str(film)]


def test_what_cannot_be_deleted_is_said_once_a_round(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    films = [place.drop(f"{number}.mp4") for number in range(9)]

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("mosaicd.media.deletion.os.unlink", refuse)
    (line,) = place.do_round()
    assert (line["event"], line["log_level"]) == ("original_kept", "warning")
    assert (line["file"], line["why"]) == (str(films[0]), "Permission denied")
    monkeypatch.undo()
    place.uptime = DAY
    assert len(place.do_round()) == 9


def test_killed_after_deleting_and_before_noting_it_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.drop("film.mp4")
    place.drop("young.mp4", days_ago=1)

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mosaicd.retention.note_originals_gone", die)
    with pytest.raises(KeyboardInterrupt):
        place.do_round()
    monkeypatch.undo()
    place.uptime = DAY
    assert place.do_round() == []
    assert place.problems() == []
    with place.database.read() as session:
        assert session.get_one(Job, 1).original_gone_at == NOW


# ---- History


def test_old_placements_are_dropped_and_names_stay_taken(place: Place) -> None:
    old = [place.mosaic(f"cat {number}", 1, 2) for number in range(7)]
    young = place.mosaic("dog", 3, days_ago=89)
    before = place.history()
    (line,) = place.do_round()
    assert (line["event"], line["placements"], line["uses"]) == ("history_deleted", 7, 0)
    assert place.placements() == {young}
    assert place.uses() == {*old, young}
    assert place.history() == before
    with place.database.read() as session:
        assert {each.stem for each in session.scalars(select(Mosaic))} == {
            *(f"cat {number}" for number in range(7)),
            "dog",
        }
    assert place.problems() == []
    place.uptime = DAY
    assert place.do_round() == []


def test_uses_are_dropped_only_once_they_count_for_nothing(place: Place) -> None:
    faded = place.mosaic("faded", 1, days_ago=601)
    fading = place.mosaic("fading", 2, days_ago=599)
    before = place.history()
    assert before[1] > 0.0
    (line,) = place.do_round()
    assert (line["placements"], line["uses"]) == (2, 1)
    assert place.uses() == {fading}
    assert place.history() == before
    assert place.problems() == []
    assert faded != fading


def test_uses_that_were_forgotten_on_demand_are_dropped_when_their_time_is_up(place: Place) -> None:
    place.mosaic("old", 1, days_ago=91)
    young = place.mosaic("young", 2, days_ago=89)
    after = place.mosaic("after", 3, days_ago=87)
    with place.database.write() as session:
        library = find_library(session, "default")
        assert library is not None
        reset_penalties(library, now=NOW - 88 * DAY)
    (line,) = place.do_round()
    assert (line["placements"], line["uses"]) == (1, 1)
    assert place.uses() == {young, after}
    assert place.problems() == []


def test_half_life_is_each_librarys_own(tmp_path: Path) -> None:
    place = Place(tmp_path, library={"family": {"penalty_half_life_days": 5}})
    with place.database.write() as session:
        family = library_named(session, "family", now=1.0).id
    of_default, of_family = place.mosaic("cat", 1, days_ago=101), place.mosaic("dog", 2, days_ago=101)
    with place.database.write() as session:
        for table in (Mosaic, TileUse):
            key = Mosaic.id if table is Mosaic else TileUse.mosaic_id
            session.execute(update(table).where(key == of_family).values(library_id=family))
    place.do_round()
    assert place.uses() == {of_default}
    place.database.close()


def test_mosaic_that_is_still_to_be_published_keeps_its_placement(place: Place) -> None:
    pending = place.mosaic("cat", 1, days_ago=9000, is_published=False)
    assert place.do_round() == []
    assert (place.placements(), place.uses()) == ({pending}, {pending})


def test_charges_that_were_taken_back_are_no_matter(place: Place) -> None:
    undone = place.mosaic("cat", 1, days_ago=9000)
    with place.database.write() as session:
        undo_charges(session, session.get_one(Mosaic, undone), now=5.0)
    (line,) = place.do_round()
    assert (line["placements"], line["uses"]) == (1, 0)
    assert place.problems() == []


# ---- In the daemon


@pytest.fixture
def daemon(tmp_path: Path) -> DaemonProcess:
    """A daemon that has made a mosaic of a photo, and become a year older."""
    daemon = furnished(tmp_path, archive_retention_days=30, mosaic_history_retention_days=30)
    drop_photo(daemon, "cat.png")
    assert daemon.run_until_idle() == 0
    return daemon


def grow_older(daemon: DaemonProcess) -> None:
    database = Database(daemon.database)
    with database.write() as session:
        session.execute(update(Job).values(ended_at=Job.ended_at - 365 * DAY))
        session.execute(update(Mosaic).values(created_at=Mosaic.created_at - 365 * DAY))
    database.close()


def test_daemon_deletes_what_is_old_and_knows_a_copy_of_it_again(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    original = daemon.archive / "cat.png"
    shutil.copy2(original, tmp_path / "cat.png")
    assert original.exists()
    grow_older(daemon)
    assert daemon.run_until_idle() == 0
    assert not original.exists()
    assert [line["file"] for line in daemon.events("original_deleted")] == [str(original)]
    assert [line["placements"] for line in daemon.events("history_deleted")] == [1]
    (tmp_path / "cat.png").rename(daemon.inbox / "cat.png")
    assert daemon.run_until_idle() == 0
    assert [line["file"] for line in daemon.events("file_redelivered")] == ["cat.png"]
    assert len(daemon.events("mosaic_published")) == 1
