"""README's tables are held true against the code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import mosaicd
from mosaicd import cli, daemon
from tests.command_tree import called, options
from tests.readme import README, REPOSITORY, blocks, section, sections, table_rows
from tests.settings_texts import APPEARANCE, GENERAL, PER_LIBRARY, default_in_toml, description

PACKAGE = Path(mosaicd.__file__).parent
LEVELS = {"debug", "info", "warning", "error", "critical"}


def calls_with_words(file: Path) -> Iterator[tuple[ast.Call, str, str]]:
    """Each call of a method whose first argument is a text: the call, the method's name, the text."""
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.Call(func=ast.Attribute(attr=method), args=[ast.Constant(value=str(words)), *_]):
                yield node, method, words


def logged_events() -> dict[str, tuple[str, set[str]]]:
    """Each event in the code, whatever its logger is called: its level and its fields."""
    found: dict[str, tuple[str, set[str]]] = {}
    for file in PACKAGE.rglob("*.py"):
        for call, method, event in calls_with_words(file):
            if method in LEVELS:
                fields = {keyword.arg for keyword in call.keywords if keyword.arg is not None}
                assert len(fields) == len(call.keywords), f"{file}:{call.lineno}: an event's fields are named"
                level, known = found.setdefault(event, (method, fields))
                assert (level, known) == (method, fields), f"{event} is logged in two ways"
    return found


def test_events_are_logged_by_their_level_and_their_name() -> None:
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(attr="exception" | "msg" | "warn" | "fatal" | "aexception")):
                    pytest.fail(f"{file}:{node.lineno}: an event is logged by the name of its level")
                case ast.Call(func=ast.Attribute(attr=method), args=arguments) if method in LEVELS:
                    assert isinstance(arguments[0], ast.Constant), (
                        f"{file}:{node.lineno}: its name is constant"
                    )


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
    names |= {group.name for group in cli.app.registered_groups if group.name}
    documented = set(re.findall(r"`mosaicd ([\w-]+)", "".join(row[0] for row in table_rows("Commands"))))
    assert documented == names


def named_commands() -> Iterator[tuple[tuple[str, ...], set[str]]]:
    """Each command that README names, with the options beside it; in the table of commands, in all of its row."""
    prose = re.sub(r"```.*?```", "", README.read_text(), flags=re.DOTALL)
    rows = [" ".join(re.findall(r"`([^`]+)`", "".join(row))) for row in table_rows("Commands")]
    for text in [*re.findall(r"`(mosaicd [^`]+)`", prose), *rows]:
        program, *arguments = text.split() or [""]
        if program == "mosaicd":
            yield called(arguments), set(re.findall(r"--[\w-]+", text))


def words_in_calls(file: Path) -> set[str]:
    """What the texts that are passed to anything consist of."""
    calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    parts = [part for call in calls for part in ast.walk(call)]
    texts = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return {word for text in texts for word in re.split(r"[\s=]+", text)}


def test_every_command_that_is_named_exists() -> None:
    named = list(named_commands())
    assert {command for command, _ in named} >= {("run",), ("bench", "matching")}
    for command, beside in named:
        assert command or beside, "a command that there is not"
        assert beside <= options(command)


def test_every_command_that_is_named_is_tried_by_a_test_with_each_option() -> None:
    tests = (REPOSITORY / "tests").rglob("*.py")
    passed = [words_in_calls(file) for file in tests if file.stem not in {"test_readme", "test_help"}]
    for command, beside in named_commands():
        for wanted in (command, *((*command, option) for option in sorted(beside))):
            assert any(words.issuperset(wanted) for words in passed), " ".join(wanted)


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


SETTINGS_TABLES = {
    "Folders, work and logs:": GENERAL,
    "Of each library:": [name for name in PER_LIBRARY if name not in APPEARANCE],
    "What mosaics look like, of each library, or in a mosaic.toml:": APPEARANCE,
}


def rendered_settings() -> str:
    """The tables of settings as the models would have them."""
    parts = []
    for words, names in SETTINGS_TABLES.items():
        rows = [f"| `{name}` | `{default_in_toml(name)}` | {description(name)} |" for name in names]
        parts += [words, "\n".join(["| setting | default | what it does |", "|---|---|---|", *rows])]
    return "\n\n".join(parts)


@pytest.mark.usefixtures("at_home")
def test_the_tables_of_settings_are_what_the_models_say() -> None:
    first = next(iter(SETTINGS_TABLES))
    text = section("Settings")
    assert text[text.index(first) :].strip() == rendered_settings()


# What runs each of README's blocks for the shell, as it stands there: by the block's beginning.
RUN_BY = {
    "python3 -m venv .venv && .venv/bin/pip install . &&": "tests/acceptance/test_first_steps.py",
    ".venv/bin/mosaicd run": "tests/acceptance/test_first_steps.py",
    ".venv/bin/pip install '.[study]'": "tests/acceptance/test_first_steps.py",
    "rsync ": "tests/acceptance/test_copying_programs.py",
    "scp ": "tests/acceptance/test_copying_programs.py",
    "rclone copy": "tests/acceptance/test_copying_programs.py",
    "rclone move": "tests/acceptance/test_copying_programs.py",
    "mosaicd-log() {": "tests/integration/test_log_recipes.py",
    "mosaicd-log --since": "tests/integration/test_log_recipes.py",
    "alias mosaicd-service": "tests/acceptance/test_systemd_unit.py",
    "systemctl --user stop": "tests/acceptance/test_systemd_user_unit.py",
    "python3 -m venv .venv && .venv/bin/pip install '.[test]'": ".ci/run",
    "python3 -m venv ~/.local/share/mosaicd": "tests/acceptance/test_installed_services.py",
    "sudo python3 -m venv /opt/mosaicd": "tests/acceptance/test_installed_services.py",
}


def test_every_block_for_the_shell_is_run() -> None:
    written = [text for heading in sections() for text in blocks(heading)]
    assert [text for text in written if sum(map(text.startswith, RUN_BY)) != 1] == []
    assert [
        beginning for beginning in RUN_BY if not any(text.startswith(beginning) for text in written)
    ] == []
    assert [file for file in RUN_BY.values() if not (REPOSITORY / file).exists()] == []
