"""Fuzzing of what people write: settings, a library's mosaic.toml, names of files, and commands.

    python -m tests.faults.fuzz --seconds 300 --seed 1

goes through all of them in turn. No input may lead to a traceback, or to more than one line; `--show` shows what is
said, an example of each message. What is found is said with the seed that leads to it again.
"""

import argparse
import itertools
import json
import os
import re
import sys
import tempfile
import time
import tomllib
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import structlog

from mosaicd.bookkeeper import Bookkeeper
from mosaicd.errors import SettingsError
from mosaicd.intake.admission import Admission
from mosaicd.intake.names import APPEARANCE_FILE, is_appearance_file, is_conflict_copy, is_ignored, place_of
from mosaicd.jobs.originals import reason_path, write_reason
from mosaicd.jobs.queue import JobQueue
from mosaicd.logs import LogFormat, LogLevel, configure_logs
from mosaicd.media.files import NAME_BYTES_LIMIT, Signature, numbered, shortened
from mosaicd.media.outbox import stems
from mosaicd.pipelines.appearance import Appearance, appearance_over
from mosaicd.plain_text import one_line, printable
from mosaicd.premises import Premises
from mosaicd.settings import Settings
from mosaicd.settings_reading import load_settings
from mosaicd.store.models import JobKind, JobState
from tests.faults.commands import captured, home, in_process_of_its_own, in_this_process, variable
from tests.faults.odd_inputs import mutated, odd_name, odd_toml, odd_value, odd_word
from tests.stores import add_source, new_database
from tests.unit.test_config_file import FILE

_ONE_COMMAND_IN_A_PROCESS_OF_ITS_OWN = 150
_LONGEST_LINE = 800
_NOT_FOR_PEOPLE = re.compile(
    r"Traceback|Error\b|<class|object at 0x|NoneType|codec can't|\[type=|pydantic|sqlalche|unhashable"
)
_PATTERNS = [
    *("check", "check --deep", "status", "status --json", "libraries", "libraries --purge ?"),
    *("libraries --remove ?", "libraries --restore ?", "libraries --purge ? --yes", "sources ?"),
    *("sources ? --remove ?", "penalties ?", "penalties ? --undo ?", "penalties ? --reset"),
    *("retry ?", "backup ?", "backup", "check --set ?", "check --root ?", "status --config ?"),
    *("check --config ?", "compare ? --library ? --out new", "?", "? ?", "libraries ?", "bench ?"),
    *("status --set ? --set ?",),
]


@dataclass(slots=True, kw_only=True)
class Findings:
    """What came of it.

    Attributes
    ----------
    inputs, messages : Counter
        How many inputs of each target; how often each message came, with what varies taken out.
    examples : dict
        A whole message for each of these.
    complaints : list of str
        What no user should ever see.
    """

    inputs: Counter[str] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    def hear(self, line: str) -> None:
        """Take in what a user is told, and complain if it is not a line for people."""
        kind = re.sub(r"\d+", "N", re.sub(r"/\S*|'.*'|\".*\"", "X", line))[:100]
        self.messages[kind] += 1
        self.examples.setdefault(kind, line)
        plain = re.sub(r"not '.*?'( \(set| in \[|$)|not \{.*|/\S*", "", line)
        is_plain = line == one_line(line)
        if not is_plain or len(line) > _LONGEST_LINE or _NOT_FOR_PEOPLE.search(plain):
            self.complaints.append(f"not a line for people: {line[:2000]!r}")


class Fuzzer:
    """Makes inputs, and sees what comes of them.

    Parameters
    ----------
    folder : Path
        Everything is written there; home and working folder of the commands.
    seed : int
    """

    def __init__(self, folder: Path, *, seed: int) -> None:
        self.folder = folder
        self.findings = Findings()
        self._seed = seed
        self._file = folder / "fuzzed.toml"
        self._settings_text = re.sub(r"^# (?=\w+ = |\[)", "", FILE.read_text(), flags=re.MULTILINE).encode()
        self._values = tomllib.loads(self._settings_text.decode())
        self._printed: dict[str, str] = {}
        self._furnish()

    def run(self, *, seconds: float = float("inf"), rounds: int | None = None) -> Findings:
        """Go through all targets in turn, for so long or so often."""
        end = time.monotonic() + seconds
        targets: list[Callable[[Random], None]] = [
            self._settings_file,
            self._one_setting,
            self._appearance_file,
            self._names,
            self._command,
        ]
        for number in itertools.count() if rounds is None else range(rounds):
            for target in targets:
                self.findings.inputs[target.__name__.strip("_")] += 1
                try:
                    target(Random(f"{self._seed} {number}"))
                except Exception:  # noqa: BLE001 - whatever it is, it is what is looked for
                    what = f"{target.__name__}, seed {self._seed}, round {number}: {traceback.format_exc()}"
                    self.findings.complaints.append(what)
            if time.monotonic() > end:
                break
        return self.findings

    def _furnish(self) -> None:
        """A store with odd names in it, where the commands look for one."""
        database = new_database(load_settings({}).database_path)
        with database.write() as session:
            add_source(session, name="film.mp4", tiles=2)
            add_source(session, library="fam\\x0aily", name="fam\nily/caf\udce9.mp4", tiles=1)
        queue = JobQueue(database)
        for name in ("two\nlines.jpg", "caf\udce9.jpg", "\x1b[31mred.jpg"):
            ticket = queue.admit(
                library="default",
                kind=JobKind.MOSAIC,
                path=name,
                signature=Signature(size=1, mtime_ns=2, inode=3),
                first_seen_at=1.0,
                now=2.0,
            )
            queue.claim(ticket, now=3.0)
            queue.end(ticket.job_id, JobState.REJECTED, now=4.0, explanation="it ends too soon")
        settings = load_settings({})
        admission = Admission(settings.folders.inbox, queue)
        self._books = Bookkeeper(settings, database, queue, admission, Premises(settings, database))
        self._rejected, self._ticket = settings.folders.rejected, ticket
        database.close()

    # ---- Settings

    def _settings_file(self, random: Random) -> None:
        self._file.write_bytes(mutated(self._settings_text, random))
        self._load({})

    def _one_setting(self, random: Random) -> None:
        name = random.choice(sorted(Settings.model_fields))
        value = odd_value(random)
        match random.randrange(3):
            case 0:
                self._file.write_bytes(b"")
                self._load({name: value})
            case 1:
                self._file.write_bytes(b"")
                with variable(f"MOSAICD_{name.upper()}", value.replace("\0", "")):
                    self._load({})
            case _:
                self._file.write_bytes(f"{name} = {odd_toml(random)}\n".encode("utf-8", "surrogatepass"))
                self._load({})

    def _load(self, flags: dict[str, Any]) -> None:
        try:
            settings = load_settings(flags, config=self._file)
        except SettingsError as error:
            self.findings.hear(str(error))
            return
        for library in ("default", *settings.library):
            settings.appearance(library)
        assert settings.folders.inbox.is_absolute()
        assert settings.database_path.is_absolute()

    def _appearance_file(self, random: Random) -> None:
        names = [
            *random.sample(sorted(Appearance.model_fields), 5),
            *([odd_name(random)] * (random.random() < 0.2)),
        ]
        known = "".join(
            f"{json.dumps(name, ensure_ascii=False)} = "
            + (odd_toml(random) if random.random() < 0.1 else json.dumps(self._values.get(name, 1)))
            + "\n"
            for name in names
        ).encode("utf-8", "surrogatepass")
        self._file.write_bytes(mutated(known, random) if random.random() < 0.9 else known)
        try:
            appearance_over(Appearance(), self._file)
        except ValueError as error:
            with captured():
                self._books._complain_of_appearance(self._ticket, str(error))
            complaint = reason_path(self._rejected / APPEARANCE_FILE)
            said, advice = complaint.read_text("utf-8").split("\n\n")
            assert advice.count("\n") == 1, f"{said!r} is followed by {advice!r}"
            self.findings.hear(said.split(" was passed over: ")[1])
            complaint.unlink()

    # ---- Names

    def _names(self, random: Random) -> None:
        name = odd_name(random)
        path = "/".join([*(odd_name(random) for _ in range(random.randrange(4))), name])
        is_conflict_copy(name)
        is_appearance_file(path)
        shown = printable(path)
        assert self._printed.setdefault(shown, path) == path, f"{shown!r} is shown for two names"
        assert "\n" not in shown
        shown.encode()
        place_of(path).library.encode()
        candidates = [
            *itertools.islice(numbered(Path(name)), 3),
            Path(shortened(name, room=40)),
            reason_path(Path(name)),
        ]
        if not is_ignored(name):  # or it never becomes a mosaic
            candidates += [Path(f"{stem}.mosaic.json") for stem in itertools.islice(stems(path), 3)]
        for candidate in candidates:
            assert len(os.fsencode(candidate.name)) <= NAME_BYTES_LIMIT, f"{candidate!r} is too long"
        folders = load_settings({}).folders
        write_reason(folders.rejected / name, f"it is {name}", folders)
        reason = reason_path(folders.rejected / name)
        assert reason.read_text(encoding="utf-8")
        reason.unlink()
        self._log(path)

    def _log(self, path: str) -> None:
        for log_format in (LogFormat.JSON, LogFormat.TEXT):
            with captured() as (_, err):
                configure_logs(log_format, LogLevel.INFO)
                structlog.get_logger().info("job_admitted", file=path, library=printable(path))
            assert err.text().count("\n") == 1, f"{err.text()!r} is not one line"
            assert err.text()[:-1].isprintable() or "\u200d" in path
            if log_format is LogFormat.JSON:
                assert json.loads(err.text())["event"] == "job_admitted"

    # ---- Commands

    def _command(self, random: Random) -> None:
        words = [odd_word(random) if word == "?" else word for word in random.choice(_PATTERNS).split()]
        if random.random() < 0.2:
            words.insert(random.randrange(len(words) + 1), odd_word(random))
        is_apart = random.randrange(_ONE_COMMAND_IN_A_PROCESS_OF_ITS_OWN) == 0
        code, out, err = in_process_of_its_own(words) if is_apart else in_this_process(words)
        assert code in range(7), f"exit code {code} of {words!r}: {err[-2000:]}"
        assert "Traceback" not in out + err, f"{words!r}: {err[-2000:]}"
        if err.startswith("mosaicd: "):
            err = re.sub(r"(.{1,4}?)\1{60,}", "...", err)  # the user's own endless words
            self.findings.hear(err.removeprefix("mosaicd: ").removesuffix("\n"))
        assert code != 0 or not err, f"{words!r} ends well, and says {err[:500]!r}"


def main() -> None:
    """Fuzz for so long, and say what came of it; exit code 1 if anything is to be mended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, home(Path(folder)):
        findings = Fuzzer(Path(folder), seed=options.seed).run(seconds=options.seconds)
    print(f"{findings.inputs.total():,} inputs: {dict(findings.inputs)}")
    print(f"{len(findings.messages)} messages, {len(findings.complaints)} complaints")
    if options.show:
        for kind, count in findings.messages.most_common():
            print(f"{count:6} {findings.examples[kind][:300]}")
    for complaint in findings.complaints[:50]:
        print(complaint)
    sys.exit(bool(findings.complaints))


if __name__ == "__main__":
    main()
