"""Completion in real shells: of commands, and of the names of libraries."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mosaicd.store.libraries import library_named
from tests.stores import new_database
from tests.terminal import Terminal

Run = Callable[..., tuple[int, str, str]]

PROGRAMS = Path(sys.executable).parent
COMPLETED_BY_BASH = """
eval "$(mosaicd --show-completion)"
for line; do
    eval "COMP_WORDS=(mosaicd $line)"
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _mosaicd_completion mosaicd
    echo "${COMPREPLY[@]}"
done
"""
COMPLETED_BY_FISH = "mosaicd --show-completion | source; complete --do-complete (string join ' ' $argv)"
COMPLETED_BY_ZSH = """
autoload -U compinit && compinit -u -D
eval "$(mosaicd --show-completion)"
_arguments() { printf '%s\\n' "$@" }
words=("$@")
CURRENT=$#
_mosaicd_completion
"""

if not (PROGRAMS / "mosaicd").exists():
    pytest.skip("mosaicd is not installed as a program", allow_module_level=True)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A person with three libraries, one of which has a name that a shell would take apart."""
    database = new_database(tmp_path / "state" / "mosaicd.sqlite3")
    with database.write() as session:
        for name in ("family", "fancy", "f;touch oops"):
            library_named(session, name, now=1.0)
    database.close()
    return {
        "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "LC_ALL": "C.UTF-8",
        "MOSAICD_ROOT": str(tmp_path / "root"),
        "MOSAICD_DATABASE": str(database.path),
    }


def completed_by(shell: list[str], environment: dict[str, str], *words: str) -> list[str]:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"{shell[0]} is not installed")
    result = subprocess.run([*shell, *words], env=environment, capture_output=True, text=True, check=True)
    assert result.stderr == ""
    return result.stdout.splitlines()


def test_bash_completes_commands_and_names_of_libraries(environment: dict[str, str]) -> None:
    expected = {
        "sta": "status",
        "penalties ''": "family fancy",
        "study --library fam": "family",
    }
    shell = ["bash", "--norc", "-c", COMPLETED_BY_BASH, "bash"]
    assert completed_by(shell, environment, *expected) == list(expected.values())


def test_no_names_are_offered_where_there_is_no_database(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMP_WORDS", "mosaicd penalties ")
    monkeypatch.setenv("COMP_CWORD", "2")
    monkeypatch.setenv("_MOSAICD_COMPLETE", "complete_bash")
    assert run() == (0, "\n", "")


@pytest.mark.parametrize(
    "shell",
    [
        pytest.param(["fish", "--no-config", "--command", COMPLETED_BY_FISH], id="fish"),
        pytest.param(["zsh", "-f", "-c", COMPLETED_BY_ZSH, "zsh"], id="zsh"),
    ],
)
def test_other_shells_complete_as_well(environment: dict[str, str], shell: list[str]) -> None:
    names = " ".join(completed_by(shell, environment, "mosaicd", "penalties", "fa"))
    assert "family" in names
    assert "fancy" in names
    assert "oops" not in names


def test_tab_in_bash_completes_once_that_is_installed(environment: dict[str, str]) -> None:
    subprocess.run(
        # It looks which shell has started it: one that is still there.
        ["bash", "--norc", "-c", "mosaicd --install-completion && true"],
        env=environment, capture_output=True, check=True,
    )  # fmt: skip
    with Terminal(["bash", "--noprofile", "-i"], environment) as terminal:
        terminal.type('PS1="rea""dy> "\n')
        terminal.wait_for("ready> ")
        terminal.type("mosaicd pen\tfam\t")
        terminal.wait_for("mosaicd penalties family ")
        terminal.type("\x15exit\n")
        assert terminal.wait() == 0
