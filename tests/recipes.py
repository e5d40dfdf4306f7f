"""README's recipes for the log, as they stand there."""

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def log_recipes() -> tuple[str, list[str]]:
    """What lets the shell know how to read the log, and the recipes that use it, a line each."""
    section = README.read_text().split("\n## The log\n")[1].split("\n## ")[0]
    definition, recipes = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return definition, recipes.splitlines()
