"""The outbox: names for mosaics, and files that appear whole, the image last."""

import io
import json
import os
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from mosaicd.imaging import PixelArray
from mosaicd.media.files import NAME_BYTES_LIMIT, signature
from mosaicd.media.formats import OutputFormat
from mosaicd.media.outbox import image_path, is_stem_taken, page_path, publish, report_path, stems

photo_names = (
    st.binary(min_size=1, max_size=NAME_BYTES_LIMIT)
    .filter(lambda name: not {0, 0x2F} & set(name) and not name.startswith(b"."))
    .map(os.fsdecode)
)


def first_stem(photo: str) -> str:
    return next(stems(photo))


@pytest.fixture
def mosaic() -> PixelArray:
    rows, columns = np.mgrid[0:40, 0:60]
    return np.stack([rows * 6, columns * 4, rows + columns], axis=2).astype(np.uint8)


def publish_in(folder: Path, mosaic: PixelArray, stem: str, output_format: OutputFormat) -> Path:
    publish(
        mosaic,
        {"rows": 2},
        b"<!doctype html>",
        outbox=folder / "outbox",
        staging=folder / "staging",
        stem=stem,
        output_format=output_format,
        output_quality=90,
    )
    return folder / "outbox" / image_path(stem, output_format)


# ---- Names


def test_stem_is_the_name_of_the_photo_in_its_folder() -> None:
    assert first_stem("cat.jpg") == "cat"
    assert first_stem("family/2026/our cat.HEIC") == "family/2026/our cat"
    assert first_stem("cat") == "cat"


def test_same_name_again_gets_a_number() -> None:
    assert list(islice(stems("family/cat.jpg"), 3)) == ["family/cat", "family/cat (2)", "family/cat (3)"]


def test_photos_that_differ_in_their_suffix_alone_want_the_same_stem() -> None:
    assert first_stem("cat.jpg") == first_stem("cat.heic")


@given(photo_names)
def test_every_companion_of_a_mosaic_fits_into_a_name(photo: str) -> None:
    for stem in islice(stems(photo), 12):
        for path in (report_path(stem), page_path(stem), *(image_path(stem, each) for each in OutputFormat)):
            assert len(os.fsencode(path)) + len(".reason.txt") <= NAME_BYTES_LIMIT


@given(photo_names, photo_names)
def test_photos_of_different_names_want_different_stems(first: str, second: str) -> None:
    assume(Path(first).stem != Path(second).stem)
    assert first_stem(first) != first_stem(second)


@pytest.mark.parametrize("suffix", ["jpg", "webp", "png", "json", "html"])
def test_stem_is_taken_by_any_of_its_files(tmp_path: Path, suffix: str) -> None:
    assert not is_stem_taken(tmp_path, "cat")
    (tmp_path / f"cat.mosaic.{suffix}").touch()
    assert is_stem_taken(tmp_path, "cat")
    assert not is_stem_taken(tmp_path, "ca")


def test_stem_is_taken_by_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "cat.mosaic.jpg").symlink_to("nowhere")
    assert is_stem_taken(tmp_path, "cat")


# ---- Publishing


@pytest.mark.parametrize("output_format", OutputFormat)
def test_image_page_and_report_appear_in_the_folder_of_the_photo(
    tmp_path: Path, mosaic: PixelArray, output_format: OutputFormat
) -> None:
    path = publish_in(tmp_path, mosaic, "family/cat", output_format)
    with Image.open(path) as image:
        assert (image.format, image.mode, image.size) == (output_format.name, "RGB", (60, 40))
        difference = np.abs(np.asarray(image, np.int16) - mosaic).mean()
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    assert difference < (0.1 if output_format is OutputFormat.PNG else 3)
    assert "sRGB" in ImageCms.getProfileDescription(profile)
    assert json.loads((tmp_path / "outbox/family/cat.mosaic.json").read_text()) == {"rows": 2}
    assert (tmp_path / "outbox/family/cat.mosaic.html").read_bytes() == b"<!doctype html>"
    assert list((tmp_path / "staging").iterdir()) == []


def test_image_appears_last(tmp_path: Path, mosaic: PixelArray, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        message = "no space left"
        raise OSError(message)

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="no space left"):
        publish_in(tmp_path, mosaic, "cat", OutputFormat.JPEG)
    appeared = {path.suffix for path in (tmp_path / "outbox").iterdir()}
    assert appeared == {".html", ".json"}


def test_published_again_it_replaces_itself(tmp_path: Path, mosaic: PixelArray) -> None:
    first = signature(publish_in(tmp_path, mosaic, "cat", OutputFormat.PNG))
    path = publish_in(tmp_path, mosaic[::-1].copy(), "cat", OutputFormat.PNG)
    assert signature(path) != first
    assert len(list(path.parent.iterdir())) == 3


def test_photo_with_a_name_of_255_bytes_can_be_published(tmp_path: Path, mosaic: PixelArray) -> None:
    stem = first_stem("n" * 251 + ".jpg")
    assert publish_in(tmp_path, mosaic, stem, OutputFormat.JPEG).exists()
