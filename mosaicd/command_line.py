"""What commands share: their options, their help, opening the store, finding what is named, showing lines."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session
from typer.core import TyperGroup

from mosaicd.errors import MosaicdError, SettingsError
from mosaicd.plain_text import one_line, printable
from mosaicd.settings import Settings
from mosaicd.settings_reading import load_settings
from mosaicd.status import counted
from mosaicd.store.database import Database
from mosaicd.store.libraries import find_library
from mosaicd.store.models import Library

_PLAIN_NAME = re.compile(r"\w[\w.,+%-]*")
_MARGINS_WIDTH = 6

Root = Annotated[
    Path | None,
    typer.Option("--root", readable=False, help="The folder with inbox and outbox; default: ~/Mosaics."),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        readable=False,
        help="The TOML file to read settings from; default: ~/.config/mosaicd/mosaicd.toml,"
        " or else /etc/mosaicd/mosaicd.toml.",
    ),
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Any setting, over file and MOSAICD_* variables; may be given more than once.",
    ),
]


class Panel(StrEnum):
    """The headings under which commands are listed, in this order."""

    TO_BEGIN = "To begin"
    EVERY_DAY = "Every day"
    UPKEEP = "Upkeep"
    STUDIES = "Studies"


class CommandGroup(TyperGroup):
    """Commands that are listed by their panels, though help is plain."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002
        """List the commands."""
        for panel in Panel:
            listed = {
                name: command
                for name, command in self.commands.items()
                if getattr(command, "rich_help_panel", None) == panel
            }
            limit = formatter.width - _MARGINS_WIDTH - max(map(len, listed))
            with formatter.section(panel):
                formatter.write_dl([(name, each.get_short_help_str(limit)) for name, each in listed.items()])


def examples(*lines: str) -> str:
    """Examples for the end of a command's help."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def library_names(context: typer.Context, incomplete: str) -> list[str]:
    """The libraries whose names begin like this, for the shell; none if they cannot be had.

    Names that a shell would take apart are left out: whoever drops files can choose them.
    """
    given = context.params
    try:
        settings = settings_from(given.get("root"), given.get("config"), given.get("sets"))
        with open_store(settings) as database, database.read() as session:
            names = list(session.scalars(select(Library.name).order_by(Library.name)))
    except MosaicdError:
        return []
    return [name for name in names if name.startswith(incomplete) and _PLAIN_NAME.fullmatch(name)]


LibraryName = Annotated[str, typer.Argument(help="The library's name.", autocompletion=library_names)]


def echo_lines(lines: list[str], *, otherwise: str) -> None:
    """Show lines, or what is said instead if there are none."""
    for line in lines or [otherwise]:
        typer.echo(line)


def shown(path: Path) -> str:
    """A path as it can be shown on one line."""
    return one_line(str(path))


def settings_from(root: Path | None, config: Path | None, sets: list[str] | None = None) -> Settings:
    """The settings, with what the command line says of them; SettingsError if one is wrong."""
    flags: dict[str, Any] = {"root": root}
    for pair in sets or []:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            message = f"--set wants NAME=VALUE, not {pair!r}"
            raise SettingsError(message)
        flags[name] = value
    if "library" in flags:
        try:
            flags["library"] = json.loads(flags["library"])
        except (ValueError, RecursionError) as error:
            message = "library should be JSON (set on the command line)"
            raise SettingsError(message) from error
    return load_settings(flags, config=config)


@contextmanager
def open_store(settings: Settings) -> Iterator[Database]:
    """The database of these settings, which must exist and be of this program's schema."""
    path = settings.database_path
    if not path.exists():
        message = f"there is no database yet at {path}: start `mosaicd run` first, or name its --root"
        raise MosaicdError(message)
    database = Database(path)
    try:
        database.require_current()
        yield database
    finally:
        database.close()


def require_library(session: Session, name: str) -> Library:
    """The library of that name, or of the folder of that name; MosaicdError if there is none."""
    library = find_library(session, printable(name))
    if library is None and name.isprintable():  # as it is listed
        library = find_library(session, name)
    if library is None:
        message = f"there is no library {name!r}; `mosaicd libraries` lists them"
        raise MosaicdError(message)
    return library


def the_one(found: list[Any], what: str, name: str) -> Any:  # noqa: ANN401
    """The only one found of what was named; MosaicdError if it is none, or several."""
    if len(found) == 1:
        return found[0]
    message = f"there is no {what} {name!r}"
    if found:
        message = f"{counted(len(found), what)} are called {name!r}: name one fully"
    raise MosaicdError(message)
