"""What names say: which files are not for us, and what a place in the inbox means."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaicd.intake.names import (
    Place,
    Role,
    is_appearance_file,
    is_conflict_copy,
    is_ignored,
    place_of,
)
from mosaicd.plain_text import printable

MOSAIC, TILES = Role.MOSAIC, Role.TILES
names = st.binary(min_size=1, max_size=40).filter(lambda name: not {0, 0x2F} & set(name)).map(os.fsdecode)


@pytest.mark.parametrize(
    "name",
    [
        ".hidden.jpg",
        "~lock.jpg",
        "cat.jpg.tmp",
        "cat.TMP",
        "cat.jpg.part",
        "cat.jpg.partial",
        "cat.jpg.filepart",
        "film.mp4.8d8493d0.partial",
        "film.mp4.crdownload",
        "film.mp4.!sync",
        "film.mp4.!Sync",
        "film.mp4.bts",
        "cat.jpg~",
        ".syncthing.cat.jpg.tmp",
        "~syncthing~cat.jpg.tmp",
        ".stfolder",
        ".stversions",
        ".stignore",
        ".cat.jpg.~1a2b3c",
        ".dropbox",
        ".dropbox.cache",
        ".cat.jpg.Xy12Zw",
        ".rsync-partial",
        ".cat.jpg.icloud",
        ".DS_Store",
        "._cat.jpg",
        "Thumbs.db",
        "desktop.ini",
        "@eaDir",
        "__MACOSX",
    ],
)
def test_file_of_a_sync_tool_a_browser_or_a_system_is_not_for_us(name: str) -> None:
    assert is_ignored(name)


@pytest.mark.parametrize(
    "name",
    [
        "cat.jpg",
        "cat",
        "cat.tmp.jpg",
        "part.jpg",
        "our holiday.mp4",
        "\N{CAT FACE}.jpg",
        "two\nlines.jpg",
        "caf\udce9.jpg",
        "n" * 255,
        "thumbs.db.jpg",
        "cat.sync-conflict-20260101-120000-ABCDEFG.jpg",
    ],
)
def test_name_of_a_person_is_for_us(name: str) -> None:
    assert not is_ignored(name)


@pytest.mark.parametrize(
    "name",
    [
        "cat.sync-conflict-20260101-120000-ABCDEFG.jpg",
        "cat_conflict-20260101-120000.jpg",
        "cat (Ann's conflicted copy 2026-01-01).jpg",
        "cat (conflicted copy 2026-01-01 120000).jpg",
        "cat (Conflicted Copy).jpg",
    ],
)
def test_conflict_copy_is_a_file_for_us_and_is_known_as_such(name: str) -> None:
    assert is_conflict_copy(name)
    assert not is_ignored(name)


def test_ordinary_file_is_no_conflict_copy() -> None:
    assert not is_conflict_copy("conflict.jpg")


@pytest.mark.parametrize(
    ("path", "library", "folder", "role"),
    [
        ("cat.jpg", "default", "", MOSAIC),
        ("tiles/face.jpg", "default", "", TILES),
        ("tiles/more/face.jpg", "default", "", TILES),
        ("family/cat.jpg", "family", "family", MOSAIC),
        ("family/2026/summer/cat.jpg", "family", "family", MOSAIC),
        ("family/tiles/face.jpg", "family", "family", TILES),
        ("family/tiles/deep/face.jpg", "family", "family", TILES),
        ("family/2026/tiles/face.jpg", "family", "family", MOSAIC),
        ("tiles", "default", "", MOSAIC),
        ("Tiles/face.jpg", "Tiles", "Tiles", MOSAIC),
        ("default/cat.jpg", "default", "default", MOSAIC),
        ("our family/cat.jpg", "our family", "our family", MOSAIC),
        ("\N{CAT FACE}/cat.jpg", "\N{CAT FACE}", "\N{CAT FACE}", MOSAIC),
        ("two\nlines/cat.jpg", "two\\x0alines", "two\nlines", MOSAIC),
        ("caf\udce9/cat.jpg", "caf\\xe9", "caf\udce9", MOSAIC),
    ],
)
def test_place_says_library_and_role(path: str, library: str, folder: str, role: Role) -> None:
    assert place_of(path) == Place(library=library, folder=folder, photo_role=role)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("mosaic.toml", True),
        ("family/mosaic.toml", True),
        ("tiles/mosaic.toml", False),
        ("family/tiles/mosaic.toml", False),
        ("family/2026/mosaic.toml", False),
        ("family/other.toml", False),
    ],
)
def test_appearance_file_stands_in_a_library_folder(path: str, expected: bool) -> None:  # noqa: FBT001
    assert is_appearance_file(path) is expected


@given(names, names)
def test_different_folders_are_different_libraries(first: str, second: str) -> None:
    is_one = place_of(f"{first}/cat.jpg").library == place_of(f"{second}/cat.jpg").library
    plain = {first, second} - {".", ".."}
    if len(plain) == 2 and not plain & {"tiles", "default"}:
        assert not is_one


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a\nb", "a\\x0ab"),
        ("\x85", "\udc85"),
        ("\u2028", "\x20" + "28"),
        ("\\", "\\\\"),
        ("\udcff", "\\xff"),
    ],
)
def test_names_that_look_alike_are_shown_differently(first: str, second: str) -> None:
    assert printable(first) != printable(second)


@pytest.mark.parametrize(
    "name", ["cat.jpg", "our family", "caf\N{LATIN SMALL LETTER E WITH ACUTE}", "\U0001f469\u200d\U0001f467"]
)
def test_name_that_can_be_read_is_shown_as_it_is(name: str) -> None:
    assert printable(name) == name


@given(names)
def test_shown_name_is_printable_text(name: str) -> None:
    shown = printable(name)
    shown.encode()
    assert shown.replace("\u200d", "").isprintable()
