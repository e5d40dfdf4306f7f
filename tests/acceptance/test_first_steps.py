"""README's first commands, as they stand there, from nothing: the demo, a film and a photo, the study."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from mosaicd.imaging import PixelArray
from mosaicd.imaging.color import mean_color_difference
from mosaicd.imaging.grid import CellGrid
from mosaicd.imaging.resampling import resample
from tests.daemon_process import wait_until
from tests.films import encode, pan
from tests.libraries import PHOTOS
from tests.published import copy_published
from tests.readme import block

FILM_FRAMES = 60


class Newcomer:
    """Somebody with an empty home, in a fresh copy of what is published.

    Parameters
    ----------
    folder : Path
        An empty one.
    """

    def __init__(self, folder: Path) -> None:
        self.home, self.copy = folder / "home", folder / "mosaicd"
        self.home.mkdir()
        copy_published(self.copy)
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MOSAICD_", "XDG_", "PYTHON"))
        }
        # What was downloaded for the installation of these tests need not be downloaded again.
        command = [sys.executable, "-m", "pip", "cache", "dir"]
        cache = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        temporary = folder / "tmp"
        temporary.mkdir()
        self.environment = kept | {
            "HOME": str(self.home),
            "TMPDIR": str(temporary),
            "PIP_CACHE_DIR": cache,
            "PIP_NO_COMPILE": "1",  # of all that is installed, what is used is compiled when it is
        }

    def start(self, command: str) -> subprocess.Popen[str]:
        """Begin what a shell is told, as a terminal would."""
        return subprocess.Popen(
            ["sh", "-c", command], cwd=self.copy, env=self.environment, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, command: str) -> str:
        """Do what a shell is told, which has to go well; what it says."""
        process = self.start(command)
        said, complaints = process.communicate()
        assert process.returncode == 0, complaints
        return said


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Newcomer:
    return Newcomer(tmp_path_factory.mktemp("newcomer"))


@pytest.fixture(scope="module")
def demo_outbox(newcomer: Newcomer) -> Path:
    said = newcomer.run(block("python3 -m venv .venv && .venv/bin/pip install . &&"))
    (portrait,) = [line.strip() for line in said.splitlines() if line.strip().endswith("portrait.mosaic.jpg")]
    outbox = Path(portrait).parent
    for name in ("portrait", "cat", "mug"):
        assert str(outbox / f"{name}.mosaic.jpg") in said
    return outbox


@pytest.mark.parametrize(
    ("name", "photo"),
    [
        ("portrait", skimage.data.astronaut()),
        ("cat", skimage.data.chelsea()),
        ("mug", skimage.data.coffee()),
    ],
)
def test_the_mosaics_are_at_least_twice_as_close_as_their_tiles_shuffled(
    demo_outbox: Path, name: str, photo: PixelArray
) -> None:
    mosaic = np.asarray(Image.open(demo_outbox / f"{name}.mosaic.jpg"))
    grid = CellGrid.fit(photo.shape, cells_on_long_side=96)
    target = grid.sample(photo, pixels_a_cell=1)
    seen = resample(mosaic, rows=grid.rows, columns=grid.columns)
    shuffled = np.random.default_rng(1).permutation(seen.reshape(-1, 3)).reshape(seen.shape)
    assert mean_color_difference(seen, target) <= 0.5 * mean_color_difference(shuffled, target)


@pytest.fixture(scope="module")
def root_at_work(newcomer: Newcomer, demo_outbox: Path) -> Iterator[Path]:
    """The newcomer's own folders, with the daemon at work, until Ctrl-C."""
    assert demo_outbox.is_dir()  # the demo has installed the program
    root = newcomer.home / "Mosaics"
    daemon = newcomer.start(block(".venv/bin/mosaicd run"))
    try:
        wait_until((root / "inbox" / "README.txt").exists, what="the inbox")
        yield root
        os.killpg(daemon.pid, signal.SIGINT)
        _, log = daemon.communicate(timeout=120)
        assert daemon.returncode in {0, -signal.SIGINT, 128 + signal.SIGINT}, log
        assert "daemon_stopped" in log
        assert "Traceback" not in log
    finally:
        if daemon.poll() is None:
            os.killpg(daemon.pid, signal.SIGKILL)
            daemon.communicate()


def test_film_and_photo_that_are_dropped_become_a_mosaic_and_the_study_looks_at_them(
    newcomer: Newcomer, root_at_work: Path
) -> None:
    shutil.copy(PHOTOS / "coffee.png", root_at_work / "inbox" / "cat.png")
    film = newcomer.home / "beach.mp4"
    encode(film, pan("astronaut", FILM_FRAMES), rate=1)
    film.rename(root_at_work / "inbox" / film.name)
    wait_until((root_at_work / "outbox" / "cat.mosaic.jpg").exists, what="the mosaic")
    assert (root_at_work / "outbox" / "cat.mosaic.html").exists()
    # Less than a study should look at, so that the test is short.
    study = block(".venv/bin/pip install '.[study]'").strip()
    newcomer.run(f"{study} --part suspects --tiles 60 --set cells_on_long_side=10")
    assert (newcomer.copy / "study" / "study.json").exists()
