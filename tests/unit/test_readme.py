"""README's tables are held true against the code."""

import ast
import re
from pathlib import Path

import pytest

import mosaicd
from mosaicd import cli, daemon

PACKAGE = Path(mosaicd.__file__).parent
README = Path(__file__).parents[2] / "README.md"
LEVELS = {"debug", "info", "warning", "error", "critical"}


def logged_events() -> dict[str, tuple[str, set[str]]]:
    """Each event in the code: its level and its fields."""
    found: dict[str, tuple[str, set[str]]] = {}
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in LEVELS
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "log"
            ):
                event = node.args[0]
                assert isinstance(event, ast.Constant), f"{file}:{node.lineno}: an event's name is a constant"
                fields = {keyword.arg for keyword in node.keywords if keyword.arg is not None}
                assert len(fields) == len(node.keywords), f"{file}:{node.lineno}: an event's fields are named"
                level, known = found.setdefault(event.value, (node.func.attr, fields))
                assert (level, known) == (node.func.attr, fields), f"{event.value} is logged in two ways"
    return found


def table_rows(heading: str) -> list[list[str]]:
    section = README.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows]


def test_the_table_of_log_events_is_true() -> None:
    documented = {
        event.strip("`"): (level, set(re.findall(r"`(\w+)`", fields)))
        for event, level, fields, _ in table_rows("The log")
        if event.startswith("`")
    }
    assert documented == logged_events()


def test_events_are_named_in_one_way() -> None:
    for event in logged_events():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)+", event)


def test_every_command_is_in_the_table() -> None:
    names = {
        command.name or command.callback.__name__
        for command in cli.app.registered_commands
        if command.callback
    }
    documented = set(re.findall(r"`mosaicd (\w+)", "".join(row[0] for row in table_rows("Commands"))))
    assert documented == names


@pytest.mark.parametrize(
    "code",
    [
        cli.EXIT_FAILED,
        cli.EXIT_SETTINGS,
        cli.EXIT_STATE,
        cli.EXIT_ALREADY_RUNNING,
        daemon.EXIT_REJECTED,
        daemon.EXIT_WAITING,
    ],
)
def test_every_exit_code_is_in_the_table(code: int) -> None:
    assert str(code) in {row[0] for row in table_rows("Commands")}
