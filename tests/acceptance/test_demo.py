"""The demo, where it cannot be made; tests/acceptance/test_first_steps.py makes it."""

import subprocess
import sys
from pathlib import Path


def test_the_demo_wants_a_folder_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    command = [sys.executable, "-m", "mosaicd", "demo", "--root", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "not empty" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "letter.txt"]
