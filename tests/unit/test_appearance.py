"""What a library's ``mosaic.toml`` may say, and how it is told what is wrong with it."""

import os
from pathlib import Path

import pytest

from mosaicd.media.formats import OutputFormat
from mosaicd.pipelines.appearance import Appearance, appearance_over

BASE = Appearance(cells_on_long_side=40, output_format=OutputFormat.PNG)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mosaic.toml"


def test_file_goes_over_the_base_and_leaves_the_rest(file: Path) -> None:
    file.write_text("tile_edge_pixels = 20\n")
    assert appearance_over(BASE, file) == BASE.model_copy(update={"tile_edge_pixels": 20})


def test_no_file_changes_nothing(file: Path) -> None:
    assert appearance_over(BASE, file) is BASE


def test_empty_file_changes_nothing(file: Path) -> None:
    file.touch()
    assert appearance_over(BASE, file) == BASE


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("tile_edge = 20", "there is no setting tile_edge"),
        ("minimum_tiles = 20", "there is no setting minimum_tiles"),
        (
            "cells_on_long_side = 1_000_000",
            "cells_on_long_side should be less than or equal to 1000, not 1000000",
        ),
        ('cells_on_long_side = "many"', "cells_on_long_side should be a valid integer, not 'many'"),
        ("color_correction = nan", "color_correction should be a finite number, not nan"),
        ('output_format = "gif"', "output_format should be 'jpeg', 'png' or 'webp', not 'gif'"),
        ("cells_on_long_side =", "it is not TOML: Invalid value"),
        ("a = " + "[" * 50_000, "it is not TOML: too many brackets in one another"),
        ("cells_on_long_side = " + "9" * 5000, "it is not TOML: a number has more than 4,300 digits"),
        (
            "cells_on_long_side = 0x" + "f" * 5000,
            "cells_on_long_side should be less than or equal to 1000, not that",
        ),
        (
            f"engine = '{'x' * 5000}'",
            "engine should be 'perceptual', 'codebox' or 'mean-color-ssim', not 'xxx",
        ),
        ("mirror = 1979-05-27", "mirror should be a valid boolean, not 1979-05-27"),
        ("x" * 5000 + " = 1", "there is no setting " + "x" * 100 + "..."),
        ("#" * 64_001, "it is larger than 64000 bytes"),
    ],
)
def test_mistake_is_said_in_one_line(file: Path, text: str, why: str) -> None:
    file.write_text(text)
    with pytest.raises(ValueError, match=r"^[^\n]+$") as caught:
        appearance_over(BASE, file)
    assert str(caught.value).startswith(why)
    assert len(str(caught.value)) < 200


def test_bytes_that_are_no_text_are_said_to_be_no_toml(file: Path) -> None:
    file.write_bytes(b"mirror = true\n# caf\xe9\n")
    with pytest.raises(ValueError, match=r"^it is not TOML: line 2 is not in UTF-8$"):
        appearance_over(BASE, file)


def test_pipe_of_that_name_does_not_hang_the_reader(file: Path) -> None:
    os.mkfifo(file)
    with pytest.raises(ValueError, match="it is not a regular file"):
        appearance_over(BASE, file)


def test_link_of_that_name_is_not_followed(file: Path) -> None:
    file.symlink_to("/etc/hostname")
    with pytest.raises(ValueError, match="it is not a regular file"):
        appearance_over(BASE, file)


def test_what_takes_its_place_at_the_last_moment_is_neither_followed_nor_waited_for(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.touch()
    facts = file.lstat()
    monkeypatch.setattr(Path, "lstat", lambda _: facts)
    file.unlink()
    file.symlink_to("/etc/passwd")
    with pytest.raises(ValueError, match="it cannot be read: Too many levels of symbolic links"):
        appearance_over(BASE, file)
    file.unlink()
    os.mkfifo(file)
    assert appearance_over(BASE, file) == BASE


def test_folder_of_that_name_is_said_to_be_no_file(file: Path) -> None:
    file.mkdir()
    with pytest.raises(ValueError, match="it is not a regular file"):
        appearance_over(BASE, file)


def test_path_through_a_file_is_said_to_be_unreadable(file: Path) -> None:
    file.touch()
    with pytest.raises(ValueError, match="it cannot be read: Not a directory"):
        appearance_over(BASE, file / "mosaic.toml")
