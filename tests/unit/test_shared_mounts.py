"""Whether the kernel hears of all that happens in a folder: not on what others write to past it."""

from pathlib import Path

import pytest

from mosaicd.media.mounts import shared_file_system

MOUNTS = r"""22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/root rw
31 22 0:28 / /srv rw,relatime shared:9 - nfs4 server:/srv rw,vers=4.2
32 31 0:29 / /srv/local rw,relatime shared:10 - xfs /dev/sdb1 rw
33 22 0:30 / /home/our\040family/phone rw,nosuid master:3 shared:4 - fuse.sshfs phone: rw
34 22 0:31 / /twice rw - ext4 /dev/sdc1 rw
35 34 0:32 / /twice rw - cifs //server/twice rw
"""


@pytest.fixture(autouse=True)
def _mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(MOUNTS)
    monkeypatch.setattr("mosaicd.media.mounts._TABLE", table)


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/home/ann/Mosaics/inbox", None),
        ("/srv", "nfs4"),
        ("/srv/mosaicd/inbox", "nfs4"),
        ("/srvother/inbox", None),
        ("/srv/local/inbox", None),
        ("/home/our family/phone/DCIM", "fuse.sshfs"),
        ("/home/our family", None),
        ("/twice/inbox", "cifs"),
    ],
)
def test_folder_is_shared_if_its_own_mount_is(folder: str, kind: str | None) -> None:
    assert shared_file_system(Path(folder)) == kind


def test_link_counts_as_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "inbox").symlink_to("/srv/mosaicd/inbox")
    assert shared_file_system(tmp_path / "inbox") == "nfs4"
