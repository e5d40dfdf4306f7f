"""config/mosaicd.toml shows every setting with its default, and is true."""

import re
import textwrap
import tomllib
from pathlib import Path

import pytest

from mosaicd.settings import Settings
from mosaicd.settings_reading import load_settings
from tests.settings_texts import APPEARANCE, GENERAL, PER_LIBRARY, default_in_toml, description

FILE = Path(__file__).parents[2] / "config/mosaicd.toml"
HEADER = """\
# Settings of mosaicd, each with its default. To change one, take the "# " before it away.
#
# This file is read from --config FILE, else from ~/.config/mosaicd/mosaicd.toml, else from
# /etc/mosaicd/mosaicd.toml. Over it go environment variables (MOSAICD_CELLS_ON_LONG_SIDE=81), and over those
# the command line (--set cells_on_long_side=81). `mosaicd check` says what is wrong with it, if anything.
"""
GENERAL_HEADING = "Folders, work and logs"
PER_LIBRARY_HEADING = "For every library, unless it has settings of its own below"
TABLES = """\
What stands under "For every library" can be set for one library alone, in a table of its name, which is that of
its folder in the inbox. What mosaics look like ({appearance}) can also be set in that folder itself, in a file
mosaic.toml, which goes over this one: inbox/family/mosaic.toml, or inbox/mosaic.toml for the library "default".
"""
EXAMPLE = """\
# [library.family]
# cells_on_long_side = 96
# minimum_tiles = 50
"""


def rendered() -> str:
    """The file as the models would have it."""
    parts = [HEADER, f"# ---- {GENERAL_HEADING}\n", *map(entry, GENERAL)]
    parts += [f"# ---- {PER_LIBRARY_HEADING}\n", *map(entry, PER_LIBRARY)]
    tables = commented(TABLES.format(appearance=", ".join(APPEARANCE)))
    return "\n".join([*parts, "# ---- Single libraries\n", f"{tables}\n{EXAMPLE}"])


def entry(name: str) -> str:
    """A setting's description and its commented-out default."""
    return f"{commented(description(name))}\n# {name} = {default_in_toml(name)}\n"


def commented(text: str) -> str:
    return textwrap.fill(text, 110, initial_indent="# ", subsequent_indent="# ")


pytestmark = pytest.mark.usefixtures("at_home")


def test_file_is_what_the_models_say() -> None:
    assert FILE.read_text() == rendered()


def test_file_as_it_stands_sets_nothing() -> None:
    assert tomllib.loads(FILE.read_text()) == {}


def test_every_setting_has_a_description() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_file_with_every_line_uncommented_gives_the_defaults(tmp_path: Path) -> None:
    text = re.sub(r"^# (?=\w+ = |\[)", "", FILE.read_text(), flags=re.MULTILINE)
    assert set(tomllib.loads(text)) == set(Settings.model_fields)
    file = tmp_path / "mosaicd.toml"
    file.write_text(text)
    loaded, by_default = load_settings({}, config=file), Settings()
    assert loaded.folders == by_default.folders
    assert loaded.database_path == by_default.database_path
    assert loaded.for_library("family") == by_default.for_library("family")
    path_fields = {"root", "inbox", "outbox", "archive", "rejected", "staging", "database", "library"}
    assert loaded.model_dump(exclude=path_fields) == by_default.model_dump(exclude=path_fields)
