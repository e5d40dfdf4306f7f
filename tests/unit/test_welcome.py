"""The note in a new inbox."""

from pathlib import Path

from mosaicd.intake.names import is_ignored
from mosaicd.intake.welcome import WELCOME_FILE, leave_welcome


def test_note_tells_of_the_folders(tmp_path: Path) -> None:
    leave_welcome(tmp_path)
    text = (tmp_path / WELCOME_FILE).read_text()
    assert all(word in text for word in ("outbox", "archive", "rejected", "tiles/", "mosaic.toml"))
    assert max(len(line) for line in text.splitlines()) <= 120


def test_inbox_that_cannot_be_written_has_none(tmp_path: Path) -> None:
    leave_welcome(tmp_path / "elsewhere")
    assert list(tmp_path.iterdir()) == []


def test_note_is_never_taken_for_input() -> None:
    assert is_ignored(WELCOME_FILE)
