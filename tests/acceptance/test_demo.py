"""The demo, as the README's first command runs it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from mosaicd.imaging import PixelArray
from mosaicd.imaging.color import mean_color_difference
from mosaicd.imaging.grid import CellGrid
from mosaicd.imaging.resampling import resample


@pytest.fixture(scope="module")
def demo_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home, root = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("demo") / "root"
    result = subprocess.run(
        [sys.executable, "-m", "mosaicd", "demo", "--root", str(root)],
        env=os.environ | {"HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    for name in ("portrait", "cat", "mug"):
        assert str(root / "outbox" / f"{name}.mosaic.jpg") in result.stdout
    return root


@pytest.mark.parametrize(
    ("name", "photo"),
    [
        ("portrait", skimage.data.astronaut()),
        ("cat", skimage.data.chelsea()),
        ("mug", skimage.data.coffee()),
    ],
)
def test_the_mosaics_are_at_least_twice_as_close_as_their_tiles_shuffled(
    demo_root: Path, name: str, photo: PixelArray
) -> None:
    mosaic = np.asarray(Image.open(demo_root / "outbox" / f"{name}.mosaic.jpg"))
    grid = CellGrid.fit(photo.shape, cells_on_long_side=96)
    target = grid.sample(photo, pixels_a_cell=1)
    seen = resample(mosaic, rows=grid.rows, columns=grid.columns)
    shuffled = np.random.default_rng(1).permutation(seen.reshape(-1, 3)).reshape(seen.shape)
    assert mean_color_difference(seen, target) <= 0.5 * mean_color_difference(shuffled, target)


def test_the_demo_wants_a_folder_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    command = [sys.executable, "-m", "mosaicd", "demo", "--root", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "not empty" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "letter.txt"]
