"""Drop, wait, look: the daemon as people use it."""

import json
import math
import multiprocessing
import os
import random
import shutil
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from mosaicd.crash_points import CrashPoint
from mosaicd.imaging.resampling import resample
from tests import films, real_media
from tests.daemon_process import DaemonProcess, wait_until
from tests.faults.workplace import HoldingDaemon, worker_of
from tests.skips import skipped_in

SMALL = {"cells_on_long_side": 16, "tile_edge_pixels": 16, "minimum_tiles": 20}
QUARTERS = films.quarters(320, 240)


def drop(file: Path, inbox: Path) -> None:
    """Put a file into the inbox as a careful person does: in one move."""
    inbox.mkdir(parents=True, exist_ok=True)
    beside = inbox.parent.parent / f"dropping-{file.name}"
    shutil.copy2(file, beside)
    beside.rename(inbox / file.name)


def portrait_photos(folder: Path) -> list[Path]:
    """The same picture, upright to the eye, as a turned JPEG, a HEIC and a PNG with transparency."""
    turned = Image.fromarray(np.rot90(QUARTERS))  # orientation 6 turns it back, clockwise
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(folder / "turned.jpg", exif=exif, quality=95)
    pillow_heif.from_pillow(Image.fromarray(QUARTERS)).save(folder / "phone.heic", quality=90)
    glass = Image.fromarray(QUARTERS).convert("RGBA")
    glass.paste((0, 0, 0, 0), (160, 120, 320, 240))  # its white quarter is a hole
    glass.save(folder / "glass.png")
    return [folder / name for name in ("turned.jpg", "phone.heic", "glass.png")]


def quarters_seen(mosaic: Path) -> str:
    """The quarters of a mosaic in reading order, each by the colour of `QUARTERS` that it comes nearest to."""
    seen = resample(np.asarray(Image.open(mosaic)), rows=2, columns=2).reshape(4, 3).astype(float)
    meant = resample(QUARTERS, rows=2, columns=2).reshape(4, 3).astype(float)
    nearest = np.linalg.norm(seen[:, None] - meant[None], axis=2).argmin(axis=1)
    return "".join("rgbw"[number] for number in nearest)


def coloured_film(path: Path, **options: Any) -> Path:
    """A film of plain colours with texture: what `QUARTERS` needs."""
    generator = np.random.default_rng(len(path.name))
    frames = []
    for number in range(30):
        color = np.array([(220, 30, 30), (30, 200, 30), (30, 30, 220), (230, 230, 230)][number // 2 % 4])
        texture = generator.normal(0, 30, (9, 16, 1)).repeat(12, axis=0).repeat(12, axis=1)
        frames.append(np.clip(color + texture, 0, 255).astype(np.uint8))
    return films.encode(path, frames, rate=2, **options)


def test_every_kind_of_film_becomes_tiles_and_every_kind_of_photo_an_upright_mosaic(tmp_path: Path) -> None:
    media = tmp_path / "media"
    media.mkdir()
    videos = [
        coloured_film(media / "h264.mp4"),
        coloured_film(media / "vp8.webm", codec="libvpx"),
        coloured_film(media / "av1.mp4", codec="libsvtav1"),
        coloured_film(media / "turned hevc.mp4", codec="libx265", rotation=90),
    ]
    photos = portrait_photos(media)
    with DaemonProcess(tmp_path, **SMALL) as daemon:
        daemon.wait_for("daemon_ready")
        for file in [*photos, *videos]:
            drop(file, daemon.inbox)
        spliced = daemon.wait_for("source_spliced", count=len(videos))
        published = daemon.wait_for("mosaic_published", count=len(photos))
        assert daemon.terminate() == 0
    for event in spliced:
        assert event["sampled_frames"] == pytest.approx(15, abs=1)
        skipped = skipped_in(event)
        assert event["tiles"] + skipped == 2 * event["sampled_frames"]
        assert event["tiles"] >= 20
    assert {Path(event["image"]).name for event in published} == {
        "turned.mosaic.jpg",
        "phone.mosaic.jpg",
        "glass.mosaic.jpg",
    }
    for event in published:
        assert quarters_seen(daemon.outbox / event["image"]) == "rgbw"
        report = json.loads((daemon.outbox / event["image"].replace(".jpg", ".json")).read_text())
        assert len(report["placement"]["cells"]) == report["rows"] * report["columns"]
        assert report["touching_share"] == 0
    assert {path.name for path in daemon.archive.iterdir()} == {file.name for file in [*photos, *videos]}
    assert not any(daemon.inbox.iterdir())
    assert {line["level"] for line in daemon.lines()} == {"info"}


def test_a_theora_film_with_empty_packets_becomes_tiles_without_a_warning(tmp_path: Path) -> None:
    try:
        film = real_media.package(real_media.Origin.NPM, "vide@0.5.1") / "package/test/video/ocean.ogv"
    except real_media.UnavailableError as error:
        pytest.skip(f"npm package vide cannot be had: {error}")
    with DaemonProcess(tmp_path, **SMALL) as daemon:
        daemon.wait_for("daemon_ready")
        drop(film, daemon.inbox)
        (spliced,) = daemon.wait_for("source_spliced")
        assert daemon.terminate() == 0
    assert spliced["sampled_frames"] == pytest.approx(10, abs=1)
    skipped = skipped_in(spliced)
    assert spliced["tiles"] + skipped == 2 * spliced["sampled_frames"]
    assert {line["level"] for line in daemon.lines()} == {"info"}


def _copy_in_pieces(files: list[tuple[Path, Path]], seed: int, longest_pause: float) -> None:
    generator = random.Random(seed)
    for source, target in files:
        data = source.read_bytes()
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            for start in range(0, len(data), max(1, math.ceil(len(data) / 4))):
                file.write(data[start : start + math.ceil(len(data) / 4)])
                file.flush()
                time.sleep(generator.uniform(0, longest_pause))
        facts = source.stat()
        os.utime(target, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def _copy_by_four(pairs: list[tuple[Path, Path]], longest_pause: float) -> None:
    context = multiprocessing.get_context("spawn")
    copiers = [
        context.Process(target=_copy_in_pieces, args=(pairs[number::4], number, longest_pause))
        for number in range(4)
    ]
    for copier in copiers:
        copier.start()
    for copier in copiers:
        copier.join()
        assert copier.exitcode == 0


def test_files_copied_slowly_by_four_are_each_done_once_and_a_second_delivery_changes_nothing(
    tmp_path: Path,
) -> None:
    media = tmp_path / "media"
    media.mkdir()
    pairs = []
    generator = np.random.default_rng(1)
    with DaemonProcess(tmp_path, **SMALL | {"settle_seconds": 1.0, "cells_on_long_side": 8}) as daemon:
        for number in range(100):
            if number % 5 == 0:
                file = films.encode(
                    media / f"film {number}.mp4",
                    (
                        generator.integers(0, 256, (6, 8, 3), np.uint8).repeat(16, 0).repeat(16, 1)
                        for _ in range(4)
                    ),
                    rate=1,
                )
                target = daemon.inbox / file.name
            else:
                file = media / f"photo {number}.png"
                pixels = generator.integers(0, 256, (12, 16, 3), np.uint8).repeat(8, 0).repeat(8, 1)
                Image.fromarray(pixels).save(file)
                target = daemon.inbox / ("tiles" if number % 5 == 1 else "") / file.name
            pairs.append((file, target))
        daemon.wait_for("daemon_ready")
        _copy_by_four(pairs, longest_pause=0.2)
        daemon.wait_for("source_spliced", count=40)
        published = daemon.wait_for("mosaic_published", count=60)
        assert len({event["file"] for event in published}) == 60
        before = daemon.query("SELECT id, state FROM job ORDER BY id"), daemon.tile_set()
        _copy_by_four(pairs, longest_pause=0.05)
        daemon.wait_for("file_redelivered", count=100)
        after = daemon.query("SELECT id, state FROM job ORDER BY id"), daemon.tile_set()
        assert daemon.terminate() == 0
    assert before == after
    assert [state for _, state in before[0]] == ["done"] * 100
    assert len(daemon.events("source_spliced")) == 40
    assert len(daemon.events("mosaic_published")) == 60
    assert len(list(daemon.outbox.glob("*.jpg"))) == 60
    assert len([path for path in daemon.archive.rglob("*") if path.is_file()]) == 100
    assert {line["level"] for line in daemon.lines()} == {"info"}


def test_a_daemon_killed_in_the_middle_of_a_video_ends_with_the_same_tiles(tmp_path: Path) -> None:
    film = films.encode(tmp_path / "film.mp4", films.pan("coffee", 400), rate=Fraction(1), gop=250)
    undisturbed = DaemonProcess(tmp_path / "undisturbed", **SMALL)
    drop(film, undisturbed.inbox)
    assert undisturbed.run_until_idle() == 0
    killed = HoldingDaemon(tmp_path / "killed", **SMALL)
    drop(film, killed.inbox)
    stored = []
    for chunks in (2, 3):
        killed.hold_at(CrashPoint.CHUNK_COMMITTED, occurrence=chunks)
        killed.start()
        worker = killed.held_worker()
        killed.kill()
        wait_until(lambda: not worker.is_running(), what="the worker dying with its daemon")  # noqa: B023
        stored += killed.query("SELECT next_sample FROM source")
    assert 0 < stored[0][0] < stored[1][0] < 400
    assert killed.run_until_idle() == 0
    assert killed.tile_set() == undisturbed.tile_set()
    counts = "SELECT next_sample, tiles_made, skipped_black, skipped_blank, skipped_repeated FROM source"
    assert killed.query(counts) == undisturbed.query(counts)
    assert len(killed.events("source_spliced")) == 1
    assert (killed.archive / "film.mp4").exists()


def test_a_killed_daemons_workers_die_with_it_though_they_are_at_work(tmp_path: Path) -> None:
    film = films.encode(tmp_path / "film.mp4", films.pan("coffee", 1500), rate=Fraction(1), gop=250)
    with DaemonProcess(tmp_path, **SMALL) as daemon:
        drop(film, daemon.inbox)
        daemon.wait_for("job_started")
        worker = worker_of(daemon)
        daemon.kill()
        wait_until(lambda: not worker.is_running(), what="worker gone", seconds=10)


def test_a_photo_dropped_with_its_films_waits_for_them_and_says_so(tmp_path: Path) -> None:
    with DaemonProcess(tmp_path, **SMALL) as daemon:
        daemon.wait_for("daemon_ready")
        drop(portrait_photos(tmp_path)[2], daemon.inbox)
        drop(coloured_film(tmp_path / "film.mp4"), daemon.inbox)
        (published,) = daemon.wait_for("mosaic_published")
        (spliced,) = daemon.events("source_spliced")
        assert published["tiles_in_library"] == spliced["tiles"]


def test_a_photo_without_tiles_waits_until_there_are_some(tmp_path: Path) -> None:
    daemon = DaemonProcess(tmp_path, **SMALL)
    drop(portrait_photos(tmp_path)[2], daemon.inbox)
    assert daemon.run_until_idle() == 4
    (waiting,) = daemon.events("job_waiting")
    assert "20 tiles" in waiting["why"]
    assert (daemon.inbox / "glass.png").exists()
    drop(coloured_film(tmp_path / "film.mp4"), daemon.inbox)
    assert daemon.run_until_idle() == 0
    assert (daemon.outbox / "glass.mosaic.jpg").exists()


def test_what_cannot_be_used_is_put_aside_with_a_reason_and_the_rest_is_done(tmp_path: Path) -> None:
    daemon = DaemonProcess(tmp_path, **SMALL)
    film = coloured_film(tmp_path / "film.mp4")
    drop(film, daemon.inbox)
    whole = portrait_photos(tmp_path)[0]
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    drop(cut, daemon.inbox)
    drop(whole, daemon.inbox)
    (daemon.inbox / "letter.pdf").write_bytes(b"%PDF-1.7\n" + b"text " * 200)
    (daemon.inbox / "film.mp4.part").write_bytes(film.read_bytes())
    assert daemon.run_until_idle() == 3
    assert (daemon.rejected / "cut.jpg").read_bytes() == cut.read_bytes()
    assert "is cut short" in (daemon.rejected / "cut.jpg.reason.txt").read_text()
    assert (daemon.outbox / "turned.mosaic.jpg").exists()
    assert (daemon.inbox / "letter.pdf").exists()
    assert (daemon.inbox / "film.mp4.part").exists()
    assert [event["file"] for event in daemon.events("file_ignored")] == ["letter.pdf"]


def test_libraries_are_folders_and_outbox_mirrors_them(tmp_path: Path) -> None:
    daemon = DaemonProcess(tmp_path, **SMALL)
    photo = portrait_photos(tmp_path)[2]
    drop(coloured_film(tmp_path / "film.mp4"), daemon.inbox / "family" / "2024")
    drop(photo, daemon.inbox / "family" / "best of")
    (daemon.inbox / "family" / "mosaic.toml").write_text("cells_on_long_side = 10\ncolor_correction = 0\n")
    assert daemon.run_until_idle() == 0
    report = json.loads((daemon.outbox / "family" / "best of" / "glass.mosaic.json").read_text())
    assert (report["columns"], report["settings"]["color_correction"]) == (10, 0)
    assert (daemon.inbox / "family" / "mosaic.toml").exists()
    assert (daemon.archive / "family" / "2024" / "film.mp4").exists()
    assert daemon.query("SELECT name FROM library") == [("family",)]


def test_a_wrong_appearance_file_is_said_and_passed_over(tmp_path: Path) -> None:
    daemon = DaemonProcess(tmp_path, **SMALL)
    drop(coloured_film(tmp_path / "film.mp4"), daemon.inbox)
    drop(portrait_photos(tmp_path)[2], daemon.inbox)
    (daemon.inbox / "mosaic.toml").write_text("database = '/etc/passwd'\n")
    assert daemon.run_until_idle() == 0
    assert (daemon.outbox / "glass.mosaic.jpg").exists()
    assert "no setting database" in (daemon.rejected / "mosaic.toml.reason.txt").read_text()


def test_any_name_works(tmp_path: Path) -> None:
    names = [
        "with space.png",
        "smile 😀.png",
        "line\nbreak.png",
        os.fsdecode(b"latin\xe9.png"),
        "n" * 251 + ".png",
    ]
    daemon = DaemonProcess(tmp_path, **SMALL)
    drop(coloured_film(tmp_path / "film.mp4"), daemon.inbox)
    photo = portrait_photos(tmp_path)[2]
    for name in names:
        shutil.copy(photo, daemon.inbox / name)
    assert daemon.run_until_idle() == 0
    assert all((daemon.archive / name).exists() for name in names)
    made = [path.name for path in daemon.outbox.glob("*.mosaic.*")]
    assert len(made) == 3 * len(names)
    for name in names:
        assert sum(each.startswith(name[:4]) for each in made) == 3, name


def test_two_daemons_do_not_share_a_database(tmp_path: Path) -> None:
    with DaemonProcess(tmp_path, **SMALL) as daemon:
        daemon.wait_for("daemon_ready")
        second = DaemonProcess(tmp_path, **SMALL)
        assert second.run_until_idle() == 6


def test_files_that_are_left_in_place_are_done_once(tmp_path: Path) -> None:
    daemon = DaemonProcess(tmp_path, **SMALL, originals="leave")
    drop(coloured_film(tmp_path / "film.mp4"), daemon.inbox)
    drop(portrait_photos(tmp_path)[2], daemon.inbox)
    for _ in range(2):
        assert daemon.run_until_idle() == 0
    assert sorted(path.name for path in daemon.inbox.iterdir()) == ["film.mp4", "glass.png"]
    assert len(daemon.events("mosaic_published")) == 1
    assert len(daemon.events("source_spliced")) == 1
    os.utime(daemon.inbox / "glass.png")
    assert daemon.run_until_idle() == 0
    assert len(daemon.events("mosaic_published")) == 2
    assert (daemon.outbox / "glass (2).mosaic.jpg").exists()
