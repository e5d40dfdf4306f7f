"""``mosaicd check --deep``: what it finds in databases damaged on purpose, and that it changes nothing."""

import hashlib
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import update

from mosaicd.deep_check import deep_findings
from mosaicd.imaging import PixelArray
from mosaicd.jobs.queue import JobQueue
from mosaicd.media.files import Signature
from mosaicd.media.masters import decode_master, encode_master
from mosaicd.settings import Settings
from mosaicd.settings_reading import load_settings
from mosaicd.store.database import Database
from mosaicd.store.models import Job, JobKind, JobState, Library, Master, Mosaic, MosaicPlacement, Source
from mosaicd.store.mosaics import record_mosaic, stem_key, undo_charges
from mosaicd.store.retention import drop_placements, drop_uses
from tests.libraries import fill_library
from tests.stores import new_database, placement

SOUND = [
    "ok      pages: SQLite finds the file sound",
    "ok      schema: each table and index is there",
    "ok      references: each row's are there",
    "ok      tiles: each has its master and descriptor",
    "ok      masters: each can be decoded, and looks like its descriptor",
    "ok      mosaics: each has its tiles, and its uses add up",
    "ok      jobs: each that is done has made what it was to",
]
_WRITER = """
import itertools, sys
from pathlib import Path
from mosaicd.store.database import Database
from tests.libraries import fill_library

database = Database(Path(sys.argv[1]))
for number in itertools.count(100):
    fill_library(database, name="family", tiles=3, seed=number)
    print(number, flush=True)
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"root": tmp_path / "root", "database": tmp_path / "state" / "store.sqlite3"})


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """Two films of 30 tiles each in two libraries, and a mosaic of each library."""
    database = new_database(settings.database_path)
    for number, library in enumerate(("default", "family")):
        library_id = fill_library(database, name=library, tiles=30, seed=number + 1)
        with database.write() as session:
            mosaic = Mosaic(
                job_id=None,
                library_id=library_id,
                photo_sha256=hashlib.sha256(library.encode()).digest(),
                photo_name="cat.jpg",
                stem=f"{library}/cat",
                stem_key=stem_key(f"{library}/cat"),
                settings={},
                tiles_in_library=30,
                rows=3,
                columns=4,
                created_at=1000.0,
                published_at=1001.0,
                figures={},
            )
            record_mosaic(session, mosaic, placement(30 * number + 1, 30 * number + 2, 30 * number + 3))
    yield database
    database.close()


def found(settings: Settings) -> list[str]:
    return [f"{finding.mark:8}{finding.text}" for finding in deep_findings(settings, lambda *_: None)]


def problems(settings: Settings) -> list[str]:
    return [line.removeprefix("PROBLEM ") for line in found(settings) if not line.startswith("ok ")]


def damage(database: Database, *statements: str, foreign_keys: str = "OFF") -> None:
    """Change the file behind the program's back."""
    with closing(sqlite3.connect(database.path)) as connection, connection:
        connection.execute(f"PRAGMA foreign_keys = {foreign_keys}")
        for statement in statements:
            connection.execute(statement)


def replace_master(database: Database, tile: int, jpeg: bytes) -> None:
    with database.write() as session:
        session.execute(update(Master).where(Master.tile_id == tile).values(jpeg=jpeg))


def master(database: Database, tile: int) -> bytes:
    with database.read() as session:
        return session.get_one(Master, tile).jpeg


def test_sound_database_is_found_sound_and_stays_as_it_is(settings: Settings, database: Database) -> None:
    damage(database, "PRAGMA wal_checkpoint(TRUNCATE)")
    before = database.path.read_bytes()
    assert found(settings) == SOUND
    assert database.path.read_bytes() == before


def test_progress_is_told_until_all_is_done(settings: Settings, database: Database) -> None:
    fill_library(database, name="default", tiles=500, seed=7)
    told: list[tuple[int, int]] = []
    list(deep_findings(settings, lambda done, total: told.append((done, total))))
    assert told == [(500, 560), (560, 560)]


def test_database_that_another_process_writes_is_found_sound(settings: Settings, database: Database) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(database.path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        for _ in range(5):
            assert found(settings) == SOUND
        writer.stdout.readline()
        writer.kill()


def test_there_is_nothing_to_find_where_no_database_can_be_used(settings: Settings) -> None:
    assert found(settings) == []
    settings.database_path.parent.mkdir()
    settings.database_path.write_bytes(b"no database at all" * 500)
    assert found(settings) == []


# ---- Pages and references


def test_overwritten_page_is_found(settings: Settings, database: Database) -> None:
    damage(database, "PRAGMA wal_checkpoint(TRUNCATE)")
    with closing(sqlite3.connect(database.path)) as connection:
        statement = "SELECT rootpage FROM sqlite_schema WHERE name = 'tile_by_library'"
        (page,) = connection.execute(statement).fetchone()
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
    database.close()
    with database.path.open("r+b") as file:
        file.seek((page - 1) * page_size)
        file.write(b"\xa5" * page_size)
    first = problems(settings)[0]
    assert first.startswith("pages: the database ")
    assert first.endswith(" cannot be used: database disk image is malformed")


def test_page_that_belongs_to_nothing_is_found(settings: Settings, database: Database) -> None:
    damage(
        database,
        "PRAGMA writable_schema = ON",
        "DELETE FROM sqlite_schema WHERE name = 'tile_by_library'",
    )
    pages, schema = problems(settings)
    assert pages.startswith("pages: ")
    assert pages.endswith(" is never used")
    assert schema == "schema: the index tile_by_library is not there"


def test_rule_that_is_not_kept_any_more_is_found(settings: Settings, database: Database) -> None:
    damage(database, "DROP INDEX one_active_job_a_path", "DROP TABLE mosaic_placement")
    assert problems(settings)[:2] == [
        "schema: the index one_active_job_a_path is not there",
        "schema: the table mosaic_placement is not there",
    ]


def test_orphans_are_found(settings: Settings, database: Database) -> None:
    damage(
        database,
        "INSERT INTO master SELECT 900, jpeg FROM master WHERE tile_id = 1",
        "INSERT INTO master SELECT 901, jpeg FROM master WHERE tile_id = 1",
        "INSERT INTO descriptor SELECT 900, scheme, subcells FROM descriptor WHERE tile_id = 1",
    )
    assert problems(settings) == [
        "references: in table descriptor, 1 row refers to a row of table tile that is not there",
        "references: in table master, 2 rows refer to a row of table tile that is not there",
    ]


# ---- Tiles


def test_tiles_without_pixels_or_descriptor_are_found(settings: Settings, database: Database) -> None:
    damage(database, "DELETE FROM master WHERE tile_id = 5", "DELETE FROM descriptor WHERE tile_id IN (6, 7)")
    assert problems(settings) == [
        "tiles: tile 5 has no master",
        "tiles: tile 6 has no descriptor",
        "tiles: tile 7 has no descriptor",
    ]


def test_descriptor_of_a_wrong_size_is_found(settings: Settings, database: Database) -> None:
    damage(database, "UPDATE descriptor SET subcells = x'00ff' WHERE tile_id = 9")
    assert problems(settings) == ["tiles: the descriptor of tile 9 has 2 bytes instead of 75"]


def test_descriptor_of_an_earlier_scheme_is_no_problem(settings: Settings, database: Database) -> None:
    damage(database, "UPDATE descriptor SET scheme = 0, subcells = x'00ff' WHERE tile_id = 9")
    assert found(settings) == SOUND


def test_lost_tiles_are_found(settings: Settings, database: Database) -> None:
    damage(database, "DELETE FROM master WHERE tile_id = 20", "DELETE FROM descriptor WHERE tile_id = 20")
    damage(database, "DELETE FROM tile WHERE id = 20")
    assert problems(settings) == ["tiles: source 1 has given 30 tiles, and 29 are there"]


def test_tile_in_another_library_than_its_source_is_found(settings: Settings, database: Database) -> None:
    damage(database, "UPDATE tile SET library_id = 2 WHERE id = 20")
    assert problems(settings) == ["tiles: source 1 has tiles in a library that is not its own"]


def test_tiles_that_are_used_though_their_source_is_not_are_found(
    settings: Settings, database: Database
) -> None:
    damage(database, "UPDATE source SET removed_at = 2000.0 WHERE id = 2")
    damage(database, "UPDATE tile SET removed_at = 2000.0 WHERE source_id = 2 AND id > 40")
    assert problems(settings) == ["tiles: source 2 is out of use, and 10 of its tiles are in use"]


# ---- Masters


def cut(jpeg: bytes) -> bytes:
    return jpeg[: len(jpeg) // 2]


def emptied(jpeg: bytes) -> bytes:
    return b""


def hollow(jpeg: bytes) -> bytes:
    return b"\xff\xd8\xff\xd9"


def oblong(jpeg: bytes) -> bytes:
    return encode_master(decode_master(jpeg)[:32])


def negative(jpeg: bytes) -> bytes:
    pixels: PixelArray = np.invert(decode_master(jpeg))
    return encode_master(pixels)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (cut, "its image has no beginning or no end"),
        (emptied, "its image has no beginning or no end"),
        (hollow, "its image cannot be decoded"),
        (negative, "its image does not look like its descriptor"),
        (oblong, "its image is not square"),
    ],
)
def test_damaged_master_is_found(
    settings: Settings, database: Database, change: object, complaint: str
) -> None:
    assert callable(change)
    replace_master(database, 32, change(master(database, 32)))
    assert problems(settings) == [f"masters: tile 32 (film-2.mp4, 1.000 s): {complaint}"]


def test_master_from_another_decoder_is_no_problem(settings: Settings, database: Database) -> None:
    pixels = decode_master(master(database, 3)).astype(np.int16) + 2
    replace_master(database, 3, encode_master(np.clip(pixels, 0, 255).astype(np.uint8)))
    assert found(settings) == SOUND


def test_of_many_problems_the_first_ones_are_shown(settings: Settings, database: Database) -> None:
    damage(database, "UPDATE master SET jpeg = x''")
    lines = problems(settings)
    assert len(lines) == 21
    assert lines[19].startswith("masters: tile 20 ")
    assert lines[20] == "masters: and 40 more"


# ---- Mosaics


def test_mosaic_of_lost_tiles_is_found(settings: Settings, database: Database) -> None:
    tiles = np.resize(np.array([1, 2, 30, 31, 77]), 12).astype("<i8")
    with database.write() as session:
        session.get_one(MosaicPlacement, 1).tiles = zlib.compress(tiles.tobytes())
    assert problems(settings) == [
        "mosaics: mosaic 1: its placement has tiles that are not in its library: 2, such as 31",
        "mosaics: mosaic 1: 12 uses are counted, which are not those of its placement",
    ]


def test_tiles_out_of_use_still_are_there_for_mosaics(settings: Settings, database: Database) -> None:
    damage(database, "UPDATE tile SET removed_at = 2000.0")
    assert found(settings) == SOUND


@pytest.mark.parametrize("tiles", [b"", b"\1\2", zlib.compress(b"\1\2")])
def test_unreadable_placement_is_found(settings: Settings, database: Database, tiles: bytes) -> None:
    with database.write() as session:
        session.get_one(MosaicPlacement, 2).tiles = tiles
    assert problems(settings) == ["mosaics: mosaic 2: its placement cannot be read"]


def test_missing_placement_is_found(settings: Settings, database: Database) -> None:
    damage(database, "DELETE FROM mosaic_placement WHERE mosaic_id = 2")
    assert problems(settings) == ["mosaics: mosaic 2: its placement is not there"]


def test_placement_of_another_shape_is_found(settings: Settings, database: Database) -> None:
    damage(database, "UPDATE mosaic SET rows = 5 WHERE id = 2")
    assert problems(settings) == ["mosaics: mosaic 2: its placement cannot be read"]


@pytest.mark.parametrize(
    ("statement", "uses"),
    [
        ("DELETE FROM tile_use WHERE mosaic_id = 1 AND tile_id = 2", 8),
        ("UPDATE tile_use SET count = count + 1 WHERE mosaic_id = 1 AND tile_id = 2", 13),
        ("INSERT INTO tile_use VALUES (1, 9, 1, 1, 1000.0)", 13),
    ],
)
def test_charges_that_do_not_add_up_are_found(
    settings: Settings, database: Database, statement: str, uses: int
) -> None:
    damage(database, statement)
    complaint = f"{uses} uses are counted, which are not those of its placement"
    assert problems(settings) == [f"mosaics: mosaic 1: {complaint}"]


def test_charges_taken_back_are_not_missed(settings: Settings, database: Database) -> None:
    with database.write() as session:
        undo_charges(session, session.get_one(Mosaic, 1), now=2000.0)
    assert found(settings) == SOUND


def test_what_was_dropped_is_not_missed(settings: Settings, database: Database) -> None:
    with database.write() as session:
        assert drop_placements(session, made_before=1500.0, limit=1, now=2000.0) == 1
    assert found(settings) == SOUND
    with database.write() as session:
        assert drop_uses(session, library_id=1, made_before=1500.0, limit=9, now=2000.0) == 1
    assert found(settings) == SOUND


def test_uses_that_are_not_those_of_a_dropped_placement_are_found(
    settings: Settings, database: Database
) -> None:
    damage(database, "UPDATE mosaic SET placement_dropped_at = 2000.0, uses_dropped_at = 2000.0 WHERE id = 1")
    damage(database, "UPDATE mosaic SET placement_dropped_at = 2000.0 WHERE id = 2")
    damage(database, "DELETE FROM tile_use WHERE mosaic_id = 2 AND tile_id = 31")
    assert problems(settings) == [
        "mosaics: mosaic 1: its uses were deleted, yet 12 are counted",
        "mosaics: mosaic 2: 8 uses are counted, and it has 12 cells",
    ]


def test_charges_that_came_back_are_found(settings: Settings, database: Database) -> None:
    damage(database, "UPDATE mosaic SET charges_undone_at = 2000.0 WHERE id = 1")
    assert problems(settings) == ["mosaics: mosaic 1: its charges were taken back, yet 12 uses are counted"]


def test_charges_in_another_library_are_found(settings: Settings, database: Database) -> None:
    with database.write() as session:
        assert session.get_one(Library, 2).name == "family"
    damage(database, "UPDATE tile_use SET library_id = 2 WHERE mosaic_id = 1")
    assert problems(settings) == ["mosaics: mosaic 1: its uses are counted in another library"]


# ---- Jobs


def add_job(database: Database, path: str, kind: JobKind, state: JobState) -> int:
    """A job in that state whose file had the content of source 1."""
    queue = JobQueue(database)
    ticket = queue.admit(
        library="default",
        kind=kind,
        path=path,
        signature=Signature(size=1, mtime_ns=2, inode=3),
        first_seen_at=1.0,
        now=2.0,
    )
    queue.claim(ticket, now=3.0)
    with database.read() as session:
        queue.note_content(ticket.job_id, session.get_one(Source, 1).sha256)
    if state is not JobState.RUNNING:
        queue.end(ticket.job_id, state, now=4.0)
    return ticket.job_id


def test_photo_whose_mosaic_is_lost_is_found(settings: Settings, database: Database) -> None:
    job = add_job(database, "cat\n.jpg", JobKind.MOSAIC, JobState.DONE)
    assert problems(settings) == [f"jobs: job {job} (cat\\x0a.jpg) is done, and its mosaic is not there"]
    damage(database, "UPDATE mosaic SET job_id = (SELECT id FROM job) WHERE id = 1")
    assert found(settings) == SOUND


@pytest.mark.parametrize("state", [JobState.DONE, JobState.REJECTED, JobState.WITHDRAWN])
def test_mosaic_that_nobody_is_going_to_publish_is_found(
    settings: Settings, database: Database, state: JobState
) -> None:
    job = add_job(database, "cat.jpg", JobKind.MOSAIC, JobState.RUNNING)
    damage(database, "UPDATE mosaic SET job_id = (SELECT id FROM job), published_at = NULL WHERE id = 1")
    assert found(settings) == SOUND
    with database.write() as session:
        session.get_one(Job, job).state = state
    assert "jobs: mosaic 1 was never published, and no job is going to" in problems(settings)


def test_film_that_is_done_before_its_end_is_found(settings: Settings, database: Database) -> None:
    job = add_job(database, "film.mp4", JobKind.SPLICE, JobState.DONE)
    assert found(settings) == SOUND
    damage(database, "UPDATE source SET completed_at = NULL WHERE id = 1")
    assert problems(settings) == [f"jobs: job {job} (film.mp4) is done, and source 1 is not"]
