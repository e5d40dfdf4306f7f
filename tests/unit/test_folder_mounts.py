"""Mounts: which file systems belong to a folder, and what is said when one has gone or has come over it."""

from pathlib import Path

import pytest

from mosaicd.media import mounts
from mosaicd.media.mounts import mounted_now, mounts_of

INBOX = Path("/nowhere/usb/inbox")
MOUNTED = frozenset({"/", "/nowhere/usb", "/nowhere/us", "/nowhere/usb/inbox/family", "/nowhere/usb/outbox"})


def complaint(*, without: str = "", beside: str = "") -> str | None:
    """What is said of the inbox when these have gone and come."""
    now = frozenset((MOUNTED - {without}) | ({beside} - {""}))
    return mounts_of(INBOX, MOUNTED).complaint(now)


def test_folder_lies_on_the_nearest_file_system_above_it() -> None:
    assert mounts_of(INBOX, MOUNTED).own == "/nowhere/usb"
    assert mounts_of(Path("/nowhere/usbs"), MOUNTED).own == "/"
    assert mounts_of(Path("/nowhere/usb/outbox"), MOUNTED).own == "/nowhere/usb/outbox"


def test_file_system_that_has_gone_is_named() -> None:
    assert complaint(without="/nowhere/usb") == "the file system at /nowhere/usb is not mounted any more"


def test_file_system_within_the_folder_belongs_to_it() -> None:
    assert complaint(without="/nowhere/usb/inbox/family") == (
        "the file system at /nowhere/usb/inbox/family is not mounted any more"
    )


def test_file_system_mounted_over_the_folder_is_not_taken_for_it() -> None:
    assert complaint(beside="/nowhere/usb/inbox") == (
        "another file system has been mounted at /nowhere/usb/inbox; restart mosaicd to use it"
    )


@pytest.mark.parametrize("change", [{"without": "/nowhere/usb/outbox"}, {"beside": "/nowhere/usb/inbox/zoo"}])
def test_what_is_mounted_elsewhere_or_comes_into_the_folder_is_no_matter(change: dict[str, str]) -> None:
    assert complaint(**change) is None


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of what is mounted, in place of the system's."""
    table = tmp_path / "mountinfo"
    table.write_bytes(
        b"36 35 98:0 / / rw,noatime master:1 - ext4 /dev/root rw\n"
        b"37 36 98:1 /mnt /our\\040films\\134 rw shared:2 - exfat /dev/sdb1 rw\n"
        b"38 36 98:2 / /caf\xe9 rw - nfs4 server:/x rw\n"
    )
    monkeypatch.setattr(mounts, "_TABLE", table)
    return table


@pytest.mark.usefixtures("table")
def test_table_of_the_system_is_read_whatever_the_places_are_called() -> None:
    assert mounted_now() == {"/", "/our films\\", "/caf\udce9"}


def test_system_that_does_not_tell_has_one_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounts, "_TABLE", tmp_path / "nothing")
    assert mounts_of(tmp_path, mounted_now()).complaint(mounted_now()) is None
