"""The page as a file: complete, closed to the world, and unmoved by odd names."""

import base64
import gzip
import hashlib
import json
import re
from typing import Any

from mosaicd.page.document import PageContents, mosaic_page
from mosaicd.page.packing import MasterPack
from mosaicd.page.words import report_in_words

REPORT: dict[str, Any] = {
    "photo": "cat.jpg",
    "rows": 2,
    "columns": 3,
    "tiles_in_library": 20_000,
    "distinct_tiles": 5,
    "most_used_tile_count": 2,
    "touching_share": 0.0,
    "color_error_1px": 3.46,
    "color_error_5px": 5.2,
    "ssim_5px": 0.62,
    "mean_shift": 6.25,
    "mean_gain": 0.9,
    "relaxed_cells": {"shot_distance": 0, "uses": 0, "distance": 0},
    "settings": {"color_correction": 0.5},
    "placement": {"sources": {"1": "film.mp4"}, "tiles": [[1, 1, 0.0, 0]], "cells": [0] * 6},
}
PACK = MasterPack(header=b"header", offsets=[0, 4], data=b"data")


def page(**changes: Any) -> str:
    masters = changes.pop("masters", PACK)
    contents = PageContents(image=b"image", photo=b"photo", report=REPORT | changes, masters=masters)
    return mosaic_page(contents).decode()


def block(text: str, name: str) -> bytes:
    found = re.search(rf'<script type="text/plain" id="{name}-data">([^<]*)</script>', text)
    assert found is not None
    return base64.b64decode(found[1], validate=True)


def test_page_holds_all_that_it_shows() -> None:
    text = page()
    assert [block(text, name) for name in ("image", "photo", "header", "masters")] == [
        b"image",
        b"photo",
        b"header",
        b"data",
    ]
    assert json.loads(gzip.decompress(block(text, "facts"))) == {"report": REPORT, "offsets": [0, 4]}


def test_page_without_masters_says_so() -> None:
    text = page(masters=None)
    assert json.loads(gzip.decompress(block(text, "facts")))["offsets"] is None
    assert block(text, "masters") == b""


def test_policy_lets_only_the_pages_own_style_and_program_work() -> None:
    text = page()
    found = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert found is not None
    policy = found[1]
    assert policy.startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        blocks = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        hashes = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in blocks]
        assert f"{tag}-src " + " ".join(f"'sha256-{each}'" for each in hashes) in policy
        assert len(blocks) == 2


def test_page_refers_to_nothing_outside() -> None:
    text = page()
    assert re.findall(r"""(?:src|href|srcset|action)\s*=\s*["']""", text.partition("<script>")[0]) == []
    assert "sourceMappingURL" not in text
    assert "url(" not in "".join(re.findall(r"<style>(.*?)</style>", text, re.DOTALL))


def test_same_contents_give_the_same_page() -> None:
    assert page() == page()


def test_names_are_shown_and_never_obeyed() -> None:
    text = page(photo="</title><script>alert(1)</script>$program.jpg")
    assert "<script>alert" not in text
    assert "&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt;$program.jpg" in text


def test_licence_of_the_viewer_is_in_the_page() -> None:
    assert "BSD 2-Clause License" in page()


# ---- Words


def words(**changes: Any) -> str:
    return " ".join(report_in_words(REPORT | changes))


def test_report_is_told_in_words() -> None:
    assert words() == (
        "3 x 2 = 6 tiles, 5 of them different, from a library of 20,000. The tile used most appears twice. "
        "Seen from afar, its colours differ from the photo's by 3.5 (CIEDE2000), a little. "
        "Its structure is 62% like the photo's (SSIM). No tile touches its like. "
        "Tiles were toned towards the photo: their colour moved by 6.2 on average, their contrast to 90%."
    )


def test_words_follow_the_figures() -> None:
    assert "hardly anybody would notice" in words(color_error_1px=2.0)
    assert "lacks colours of this photo" in words(color_error_1px=15.8)
    assert "40% of the tiles touch their like" in words(touching_share=0.4)
    assert "appears 14 times" in words(most_used_tile_count=14)
    assert "appears once" in words(most_used_tile_count=1)
    assert "toned" not in words(settings={"color_correction": 0})
    relaxed = words(relaxed_cells={"shot_distance": 1000, "uses": 0, "distance": 2})
    assert relaxed.endswith("In 1,002 places the library had no tile that kept to every rule.")
