"""Runs mosaicd so that it is killed at a crash point, really and by SIGKILL, in the daemon or in a worker.

    python -m tests.faults.killed_at PLAN -- run --root ...

PLAN is a folder with a file for each point at which to kill, named like the point; it says at which occurrence in a
process, and whom: `daemon` (and with it its workers) or `worker` (alone). A file is removed just before its kill.
With `held worker`, the worker is not killed but stops where it is, so that a test can do with it what it likes.

Without arguments it serves: it takes requests (a line of JSON: `plan`, `arguments`, `log`, `environment`) from
standard input, and answers each with the process number, then with the exit code. Programs are then forked, with
most of what a daemon imports imported already; their workers are spawned as ever, and import this module, too.
"""

import json
import multiprocessing
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from mosaicd.crash_points import PASSED

HOLDING_NAMES = "holding names"
"""A file of this name in PLAN lets moves hold names, as on file systems that cannot do without."""


def kill_as_planned(plan: Path) -> None:
    """Kill at the points that the plan names, from now on, in this process."""
    passes: Counter[str] = Counter()

    def listen(event: str, arguments: tuple[Any, ...]) -> None:
        if event != PASSED:
            return
        (point,) = arguments
        file = plan / str(point)
        try:
            occurrence, victim = file.read_text().split(maxsplit=1)
        except OSError:
            return
        is_worker = multiprocessing.parent_process() is not None
        passes[point] += 1
        if passes[point] < int(occurrence) or (victim != "daemon" and not is_worker):
            return
        file.unlink()
        if victim == "held worker":
            os.kill(os.getpid(), signal.SIGSTOP)
            return
        if victim == "daemon" and is_worker:
            os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(listen)
    if (plan / HOLDING_NAMES).exists():
        from mosaicd.media import moving

        moving._renameat2 = None


def run_program(arguments: list[str]) -> int:
    """Run mosaicd with these arguments; the exit code."""
    from mosaicd.cli import app

    try:
        app(arguments, prog_name="mosaicd")
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def serve() -> None:
    """Answer requests until there are no more."""
    import mosaicd.daemon
    import mosaicd.store_commands  # noqa: F401

    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if not child:
            _be(request)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _be(request: dict[str, Any]) -> None:
    """Be the program that was asked for, in a process group of its own."""
    os.setpgid(0, 0)
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[1:] = [request["plan"], "--", *request["arguments"]]
    kill_as_planned(Path(request["plan"]))
    code = 1
    try:
        code = run_program(request["arguments"])
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__mp_main__":  # in a worker
    kill_as_planned(Path(sys.argv[1]))
elif __name__ == "__main__":
    if len(sys.argv) == 1:
        serve()
    else:
        kill_as_planned(Path(sys.argv[1]))
        sys.exit(run_program(sys.argv[3:]))
