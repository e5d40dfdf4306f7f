"""The program's commands and their options, as the command line itself has them."""

from collections.abc import Iterator, Sequence
from typing import Any

import typer.main

from mosaicd import cli

GROUP: Any = typer.main.get_command(cli.app)


def _below(group: Any, *above: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command by the words that call it."""
    for name, command in group.commands.items():
        yield (*above, name), command
        if hasattr(command, "commands"):
            yield from _below(command, *above, name)


COMMANDS = dict(_below(GROUP))


def called(arguments: Sequence[str]) -> tuple[str, ...]:
    """The words of the command that is called; none if it is the program itself."""
    names = [name for name in ((), *COMMANDS) if tuple(arguments[: len(name)]) == name]
    return max(names, key=len)


def options(name: tuple[str, ...]) -> set[str]:
    """The options of a command, or with no words of the program itself."""
    parameters = (COMMANDS[name] if name else GROUP).params
    return {option for each in parameters for option in each.opts if option.startswith("--")}
