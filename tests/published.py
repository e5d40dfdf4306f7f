"""What is published: what somebody who clones the repository would have, as it is now."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.readme import REPOSITORY


def copy_published(target: Path) -> None:
    """Copy what is published to a new folder; skips the test where git cannot tell what that is."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip("what is published cannot be told: this is no git repository")
    for name in listed.stdout.decode().split("\0")[:-1]:
        if (REPOSITORY / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, target / name, follow_symlinks=False)
