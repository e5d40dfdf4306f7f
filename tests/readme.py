"""README as tests read it: its sections, its tables, and its commands, which tests run as they stand there."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
README = REPOSITORY / "README.md"


def sections() -> dict[str, str]:
    """Each section's text by its heading."""
    parts = re.split(r"^## (.+)\n", README.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def section(heading: str) -> str:
    """A section's text."""
    return sections()[heading]


def table_rows(heading: str) -> list[list[str]]:
    """The rows of all tables of a section."""
    rows = [
        re.split(r"(?<!\\)\|", line)[1:-1] for line in section(heading).splitlines() if line.startswith("|")
    ]
    return [[cell.strip() for cell in row] for row in rows]


def blocks(heading: str) -> list[str]:
    """What a section has for the shell, in its order."""
    return re.findall(r"```sh\n(.*?)```", section(heading), re.DOTALL)


def block(beginning: str) -> str:
    """The one thing for the shell that begins so."""
    (found,) = [text for heading in sections() for text in blocks(heading) if text.startswith(beginning)]
    return found


def log_recipes() -> tuple[str, list[str]]:
    """What lets the shell know how to read the log, and the recipes that use it, a line each."""
    definition, recipes = blocks("The log")
    return definition, recipes.splitlines()
