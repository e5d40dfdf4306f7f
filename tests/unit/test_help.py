"""What --help says: everything, in 80 columns, with examples that are commands."""

import re
import shlex

import pytest
from typer.testing import CliRunner

from mosaicd import cli
from mosaicd.command_line import Panel
from mosaicd.settings import Settings
from mosaicd.studies.variants import VARIANTS
from tests.command_tree import COMMANDS, GROUP, called

every_command = pytest.mark.parametrize(
    "words", [(), *COMMANDS], ids=lambda words: " ".join(words) or "mosaicd"
)


def help_of(*words: str) -> str:
    result = CliRunner().invoke(cli.app, [*words, "--help"], prog_name="mosaicd", env={"COLUMNS": "200"})
    assert result.exit_code == 0
    return result.output


@every_command
def test_help_is_plain_and_fits_80_columns(words: tuple[str, ...]) -> None:
    text = help_of(*words)
    assert re.fullmatch(r"[ -~\n]+", text)
    assert max(map(len, text.splitlines())) <= 80


@every_command
def test_help_explains_every_argument_and_option(words: tuple[str, ...]) -> None:
    command = COMMANDS[words] if words else GROUP
    assert [parameter.name for parameter in command.params if not parameter.help] == []
    assert command.help


def test_commands_are_listed_whole_and_under_a_heading() -> None:
    text = help_of()
    assert [line.rstrip(":") for line in text.splitlines() if line.rstrip(":") in list(Panel)] == list(Panel)
    for name, command in GROUP.commands.items():
        summary = command.help.split("\n")[0]
        assert re.search(rf"^  {name} +{re.escape(summary)}$", text, re.MULTILINE)


def test_examples_are_commands() -> None:
    found = 0
    for words in COMMANDS:
        for line in help_of(*words).partition("Examples:\n")[2].splitlines():
            program, *arguments = shlex.split(line.partition(" | ")[0], comments=True)
            assert program == "mosaicd"
            assert called(arguments) == words
            COMMANDS[words].make_context("", arguments[len(words) :])
            found += 1
    assert found > len(GROUP.commands)


def test_comparison_names_its_engines() -> None:
    text = " ".join(help_of("compare").split())
    assert f"Engines: {', '.join(VARIANTS)}." in text


@pytest.mark.parametrize(
    "code", [cli.EXIT_FAILED, cli.EXIT_SETTINGS, cli.EXIT_STATE, cli.EXIT_ALREADY_RUNNING]
)
def test_exit_codes_are_told(code: int) -> None:
    assert re.search(rf"[:;] {code} |\n +{code} ", help_of())


def test_root_is_where_help_says() -> None:
    assert f"default: {Settings.model_fields['root'].default}." in help_of("run")
