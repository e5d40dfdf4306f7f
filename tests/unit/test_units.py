"""The systemd units, as far as they have to agree with the program."""

import re
from pathlib import Path

import pytest

from mosaicd.settings import Settings

UNITS = Path(__file__).resolve().parents[2] / "systemd"


@pytest.mark.parametrize("unit", ["mosaicd.service", "user/mosaicd.service"])
def test_worker_meets_its_own_limit_of_memory_before_the_units(unit: str) -> None:
    found = re.search(
        r"^MemoryHigh=(\d+)G\nMemoryMax=(\d+)G$", (UNITS / unit).read_text("utf-8"), re.MULTILINE
    )
    assert found is not None
    high, most = (int(gigabytes) * 2**30 for gigabytes in found.groups())
    assert Settings.model_fields["worker_memory_limit_megabytes"].default * 1e6 < high < most
