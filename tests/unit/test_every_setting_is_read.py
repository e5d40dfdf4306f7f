"""No setting is dead: the program reads every one of them."""

import ast
from pathlib import Path

import pytest

import mosaicd
from mosaicd.settings import Settings

PACKAGE = Path(mosaicd.__file__).parent
READ_BY_SETTINGS = {"root", "inbox", "outbox", "archive", "rejected", "staging", "database", "library"}
"""Read by Settings itself, whose `folders`, `database_path` and `for_library` the program reads instead."""


def attributes_read() -> set[str]:
    """Names of attributes that any module but settings.py reads."""
    return {
        node.attr
        for file in PACKAGE.rglob("*.py")
        if file.name != "settings.py"
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }


READ = attributes_read()


@pytest.mark.parametrize("name", [name for name in Settings.model_fields if name not in READ_BY_SETTINGS])
def test_every_setting_is_read(name: str) -> None:
    assert name in READ


def test_what_settings_make_of_the_others_is_read() -> None:
    assert {"folders", "database_path", "for_library", "appearance"} <= READ
