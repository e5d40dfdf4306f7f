"""What tests of several kinds share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import scipy.fft  # noqa: F401 - imported where it is used first, which is no example's fault that has a deadline

from tests.elsewhere import folder_elsewhere


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system."""
    with folder_elsewhere(tmp_path) as folder:
        yield folder
