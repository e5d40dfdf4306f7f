"""Fuzzing, in short: `python -m tests.faults.fuzz` goes on for as long as it is told to."""

from pathlib import Path

import pytest

from tests.faults.commands import home
from tests.faults.fuzz import Fuzzer

_ROUNDS = 40


def test_whatever_people_write_leads_to_one_plain_line(tmp_path: Path) -> None:
    with home(tmp_path):
        findings = Fuzzer(tmp_path, seed=1).run(rounds=_ROUNDS)
    assert findings.complaints == []
    assert set(findings.inputs.values()) == {_ROUNDS}
    assert len(findings.messages) > _ROUNDS


@pytest.mark.parametrize(
    "line",
    [
        "ValueError: x",
        "it is not TOML: 'utf-8' codec can't decode",
        "two\nlines",
        "a \x1b[31mred word",
        "x" * 900,
    ],
)
def test_line_that_is_not_for_people_is_complained_of(tmp_path: Path, line: str) -> None:
    with home(tmp_path):
        fuzzer = Fuzzer(tmp_path, seed=1)
        fuzzer.findings.hear(line)
    assert len(fuzzer.findings.complaints) == 1
