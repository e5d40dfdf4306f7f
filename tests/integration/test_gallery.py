"""The gallery: what stands in the outbox, newest first, with links that lead there."""

import base64
import io
import re
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from mosaicd.media.formats import OutputFormat
from mosaicd.media.outbox import image_path, page_path
from mosaicd.page.gallery import Entry, gallery_page
from mosaicd.pipelines.gallery import thumbnail_of, update_gallery
from mosaicd.store.database import Database
from mosaicd.store.libraries import library_named
from mosaicd.store.models import Mosaic
from mosaicd.store.mosaics import record_mosaic, stem_key
from tests.libraries import photo
from tests.stores import add_source, new_database, placement

ODD = 'a "b" <i>&#38; 100%? ü#.png'


class House:
    """A store and an outbox, where mosaics appear."""

    def __init__(self, folder: Path) -> None:
        self.database: Database = new_database(folder / "store.sqlite3")
        self.outbox, self.staging = folder / "outbox", folder / "staging"
        with self.database.write() as session:
            add_source(session)

    def publish(self, name: str, *, library: str = "default", page: bool = True) -> Mosaic:
        """Let a mosaic of this photo appear in the outbox and in its gallery."""
        folder = "" if library == "default" else library
        stem = str(Path(folder) / Path(name).stem)
        with self.database.write() as session:
            mosaic = Mosaic(
                job_id=None,
                library_id=library_named(session, library, now=0.0).id,
                photo_sha256=bytes(32),
                photo_name=str(Path(folder) / name),
                stem=stem,
                stem_key=stem_key(stem),
                settings={"output_format": "jpeg"},
                tiles_in_library=3,
                rows=3,
                columns=4,
                created_at=1e9,
                figures={},
                published_at=1e9,
            )
            record_mosaic(session, mosaic, placement(1, 2, 3))
        places = [image_path(stem, OutputFormat.JPEG), *([page_path(stem)] if page else [])]
        for place in places:
            (self.outbox / place).parent.mkdir(parents=True, exist_ok=True)
            (self.outbox / place).touch()
        self.show(mosaic, folder, library)
        return mosaic

    def show(self, mosaic: Mosaic, folder: str = "", library: str = "default") -> None:
        update_gallery(
            self.database,
            mosaic,
            thumbnail_of(photo("chelsea.png")),
            folder=folder,
            library=library,
            outbox=self.outbox,
            staging=self.staging,
        )

    def links(self, folder: str = "") -> list[str]:
        """Where a gallery's pictures lead, in their order."""
        text = (self.outbox / folder / "index.html").read_text()
        return [unquote(link) for link in re.findall(r'<article><a href="([^"]*)"', text)]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_newest_mosaic_comes_first_and_leads_to_its_page(house: House) -> None:
    house.publish("cat.jpg")
    house.publish("dog.jpg", page=False)
    assert house.links() == ["dog.mosaic.jpg", "cat.mosaic.html"]


def test_mosaic_that_was_taken_away_is_not_shown_any_more(house: House) -> None:
    house.publish("cat.jpg")
    (house.outbox / "cat.mosaic.html").unlink()
    (house.outbox / "cat.mosaic.jpg").unlink()
    house.publish("dog.jpg")
    assert house.links() == ["dog.mosaic.html"]


def test_same_mosaic_again_is_shown_once(house: House) -> None:
    mosaic = house.publish("cat.jpg")
    house.show(mosaic)
    assert house.links() == ["cat.mosaic.html"]


def test_galleries_of_libraries_lead_to_each_other(house: House) -> None:
    house.publish("cat.jpg")
    house.publish("dog.jpg", library="family")
    house.publish("bird.jpg")
    assert house.links("family") == ["dog.mosaic.html"]
    for folder, other in (("", "family/index.html"), ("family", "../index.html")):
        assert f'<a href="{other}">' in (house.outbox / folder / "index.html").read_text()


def test_name_is_shown_as_it_is_and_its_link_leads_there(house: House) -> None:
    house.publish(ODD)
    (link,) = house.links()
    assert (house.outbox / link).is_file()
    text = (house.outbox / "index.html").read_text()
    assert "<i>" not in text
    assert "<h2>a &quot;b&quot; &lt;i&gt;" in text


def test_index_that_somebody_else_made_is_left_alone(house: House) -> None:
    house.outbox.mkdir()
    (house.outbox / "index.html").write_text("mine")
    house.publish("cat.jpg")
    assert (house.outbox / "index.html").read_text() == "mine"


def test_gallery_holds_its_pictures_and_asks_for_nothing_else(house: House) -> None:
    house.publish("cat.jpg")
    text = (house.outbox / "index.html").read_text()
    (picture,) = re.findall(r'src="data:image/jpeg;base64,([^"]*)"', text)
    assert len(picture) < 50_000
    shown = Image.open(io.BytesIO(base64.b64decode(picture)))
    assert max(shown.size) == 360
    assert "default-src 'none'; style-src 'sha256-" in text
    assert "img-src data:;" in text
    assert "<script" not in text


def test_gallery_without_others_leads_nowhere_else() -> None:
    entry = Entry(name="cat.jpg", words="today", link="cat.mosaic.html", thumbnail=b"x")
    text = gallery_page("Mosaics of family", [entry, entry], others=[]).decode()
    assert "<nav>" not in text
    assert text.count("<article>") == 2


def test_thumbnail_of_a_large_mosaic_is_small() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (900, 1200, 3)).astype(np.uint8)
    assert len(thumbnail_of(noise)) <= 30_000
