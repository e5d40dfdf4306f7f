"""The daemon: puts its parts together, and waits and steps until it is told to stop."""

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import structlog

from mosaicd import __version__
from mosaicd.errors import Need, ObstructedError, SettingsError
from mosaicd.foreman import Foreman
from mosaicd.intake.admission import Admission
from mosaicd.intake.watcher import InboxWatcher
from mosaicd.jobs.queue import JobQueue
from mosaicd.jobs.workers import Worker
from mosaicd.logs import configure_logs
from mosaicd.media.files import clear_staging
from mosaicd.pipelines.orders import MosaicWork, SpliceWork
from mosaicd.retention import Retention
from mosaicd.settings import Settings
from mosaicd.standings import Standings
from mosaicd.startup import lock, prepare_folders
from mosaicd.store.database import Database
from mosaicd.store.models import JobKind, JobState
from mosaicd.systemd import Notifier

log = structlog.get_logger()

EXIT_REJECTED = 3
EXIT_WAITING = 4
_NEEDS_RESTART = ("root", "inbox", "outbox", "archive", "rejected", "staging", "database")
_RECHECK_SECONDS = 2.0
_REST_SECONDS = 5.0  # with nothing to do, it is seen this often whether a command has queued a job again
_RECHECK_REST = 20  # so many times as long as looking what photos wait for takes, it rests
_RESCAN_REST_SECONDS = 1.0
_STATUS_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 1.0


class Daemon:
    """The whole program at work.

    Parameters
    ----------
    settings : Settings
    reload_settings : callable
        Reads the settings again, on SIGHUP.

    Raises
    ------
    AlreadyRunningError
        If another daemon works on the same database.
    CorruptStateError
        If the database cannot be used.
    SettingsError
        If a folder cannot be used.
    """

    def __init__(self, settings: Settings, reload_settings: Callable[[], Settings]) -> None:
        self._settings = settings
        self._reload_settings = reload_settings
        self._notifier = Notifier()
        self._must_stop = False
        self._must_reload = False
        self._is_migrated = self._has_recovered = False
        self._rescan_at = self._may_rescan_at = 0.0
        self._recheck_at = self._may_recheck_at = 0.0
        self._is_at_rest = False
        self._status_at = 0.0
        prepare_folders(settings)
        with contextlib.ExitStack() as resources:
            resources.enter_context(lock(settings.database_path))
            self._database = resources.enter_context(contextlib.closing(Database(settings.database_path)))
            obstruction = self._migrate()
            self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            resources.callback(os.close, self._wake_read)
            resources.callback(os.close, self._wake_write)
            folders = settings.folders
            left = clear_staging(folders.staging)
            if left:
                log.info("staging_cleared", files=left)
            self._queue = JobQueue(self._database)
            self._admission = Admission(folders.inbox, self._queue)
            workers = {
                JobKind.SPLICE: Worker("splice", SpliceWork(self._database.path)),
                JobKind.MOSAIC: Worker("mosaic", MosaicWork(self._database.path)),
            }
            self._foreman = Foreman(settings, self._database, self._queue, self._admission, workers)
            self._standings = Standings(settings, self._database, self._queue, self._foreman)
            self._retention = Retention(settings, self._database)
            self._watcher = InboxWatcher(folders.inbox, self._wake, watching=settings.watching)
            if obstruction is not None:
                self._foreman.premises.close(obstruction)
            self._resources = resources.pop_all()

    def run_forever(self) -> int:
        """Work until SIGTERM or SIGINT; the exit code."""
        with self._running():
            while not self._must_stop:
                with self._patience():
                    self._step()
                self._wait()
        return 0

    def run_until_idle(self, *, on_step: Callable[[str], None] = lambda _: None) -> int:
        """Work until nothing is left to do; the exit code says whether all was done.

        Parameters
        ----------
        on_step : callable
            Told, about once a second, in words what is being done.
        """
        with self._running():
            is_idle = False
            while not self._must_stop:
                with self._patience():
                    self._step()
                    on_step(self._foreman.doing())
                    is_idle = self._is_idle()
                if is_idle:
                    break
                self._wait()
            if self._foreman.rejections:
                return EXIT_REJECTED
            return EXIT_WAITING if self._active() or not self._foreman.premises.is_whole else 0

    @contextlib.contextmanager
    def _running(self) -> Iterator[None]:
        with self._resources:
            signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._on_stop)
            signal.signal(signal.SIGHUP, self._on_reload)
            try:
                self._watcher.ensure_watching()
                log.info(
                    "daemon_ready",
                    version=__version__,
                    inbox=str(self._settings.folders.inbox),
                    database=str(self._database.path),
                    watching=self._watcher.manner,
                )
                self._notifier.status(self._foreman.doing())
                self._notifier.ready()
                yield
            finally:
                self._notifier.stopping()
                self._watcher.stop()
                self._foreman.stop()
                self._standings.stop()
                signal.set_wakeup_fd(-1)
                log.info("daemon_stopped")

    def _step(self) -> None:
        """Do all that can be done without waiting."""
        if self._must_reload:
            self._must_reload = False
            self._reload()
        premises = self._foreman.premises
        premises.look()
        if not premises.is_open(Need.DATABASE):
            return
        if not self._has_recovered:
            self._recover()
            if not self._has_recovered:
                return
        if premises.is_open(Need.INBOX):
            self._look()
        else:
            self._rescan_at = 0.0
        if self._foreman.collect():
            self._recheck_at = self._may_recheck_at
        self._is_at_rest = not self._foreman.is_busy and not self._queue.has_active()
        self._recheck()
        if not self._is_at_rest:
            self._foreman.hand_out()
        if premises.is_whole:
            self._retention.step()
        if time.monotonic() >= self._status_at:
            self._notifier.status(self._in_words())
            self._status_at = time.monotonic() + _STATUS_SECONDS

    def _recover(self) -> None:
        """Put in order what a killed daemon left, in a database of this program's schema; unless told to stop."""
        if not self._is_migrated:
            obstruction = self._migrate()
            if obstruction is not None:
                raise obstruction
        for _ in self._foreman.recover():
            self._notifier.progressing()
            if self._must_stop:
                return
        self._standings.recover()
        self._has_recovered = True

    def _migrate(self) -> ObstructedError | None:
        """Bring the database to this program's schema; what stands in the way, if that cannot be done just now."""
        try:
            upgrade = self._database.migrate()
        except ObstructedError as error:
            return error
        self._is_migrated = True
        if upgrade is not None:
            log.info("database_upgraded", revision=upgrade.revision, copy=str(upgrade.copy))
        return None

    def _recheck(self) -> None:
        """Let waiting photos go on, now and then: with many of them, that takes its time."""
        if self._is_at_rest:
            if self._foreman.premises.is_open(Need.OUTBOX):
                self._standings.stop()
            self._recheck_at = self._may_recheck_at
            return
        if time.monotonic() < self._recheck_at:
            return
        start = time.thread_time()  # what others did meanwhile, on a busy machine, is no reason to rest
        self._foreman.recheck_waiting()
        if self._foreman.premises.is_open(Need.OUTBOX):
            self._standings.tell()
        end = time.monotonic()
        self._may_recheck_at = end + _RECHECK_REST * (time.thread_time() - start)
        self._recheck_at = max(end + _RECHECK_SECONDS, self._may_recheck_at)

    def _look(self) -> None:
        """Take in what has come."""
        hints = self._watcher.hints()
        if self._watcher.has_missed_something:
            self._rescan_at = self._may_rescan_at
        if time.monotonic() >= self._rescan_at:
            self._watcher.ensure_watching()
            files = self._admission.rescan()
            log.debug("inbox_scanned", files=files)
            end = time.monotonic()
            self._may_rescan_at = end + _RESCAN_REST_SECONDS
            self._rescan_at = end + self._rescan_seconds
        for hint in hints:
            self._admission.look_at(hint)
        self._admission.take_in(settle_seconds=self._settings.settle_seconds)

    @property
    def _rescan_seconds(self) -> float:
        if self._watcher.is_watching:
            return self._settings.rescan_seconds
        return min(self._settings.rescan_seconds, self._settings.polling_seconds)

    def _wait(self) -> None:
        """Wait until something happens or is due."""
        now = time.monotonic()
        recheck_at = now + _REST_SECONDS if self._is_at_rest else self._recheck_at
        until = min(self._rescan_at, recheck_at) - now
        until = min(until, self._admission.rest(settle_seconds=self._settings.settle_seconds))
        if self._watcher.has_hints or self._foreman.is_settling or self._retention.is_due:
            until = 0.0
        heard: list[Any] = [self._wake_read]
        if self._foreman.premises.is_open(Need.DATABASE):
            heard += [worker.connection for worker in self._foreman.workers if worker.connection is not None]
        if not self._foreman.premises.is_whole:
            until = min(_LONGEST_WAIT_SECONDS, self._settings.retry_seconds)
        timeout = max(0.0, min(until, _LONGEST_WAIT_SECONDS if self._foreman.is_busy else until))
        if self._notifier.watchdog_seconds is not None:
            timeout = min(timeout, self._notifier.watchdog_seconds / 3)
        select.select(heard, [], [], timeout)
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, 65_536)

    @contextlib.contextmanager
    def _patience(self) -> Iterator[None]:
        """Pause what needs what cannot be used just now; what was under way is done another time."""
        premises = self._foreman.premises
        try:
            yield
        except ObstructedError as error:
            premises.close(error)
        if not premises.is_open(Need.DATABASE):
            self._notifier.status(premises.in_words() or "")
        self._notifier.progressing()

    def _is_idle(self) -> bool:
        """Whether nothing is left that could be done now."""
        if not self._foreman.premises.is_open(Need.DATABASE):
            return False
        if self._foreman.is_busy or self._watcher.has_hints or not self._admission.is_quiet:
            return False
        if self._retention.is_due and self._foreman.premises.is_whole:
            return False
        self._foreman.recheck_waiting()
        return not self._queue.can_proceed(
            now=time.time(),
            retry_seconds=self._settings.retry_seconds,
            kinds=[kind for kind in JobKind if self._foreman.premises.allow(kind)],
        )

    def _active(self) -> int:
        counts = self._queue.counts()
        return counts.get(JobState.WAITING, 0) + counts.get(JobState.QUEUED, 0)

    def _in_words(self) -> str:
        counts = {} if self._is_at_rest else self._queue.counts()
        queued, waiting = counts.get(JobState.QUEUED, 0), counts.get(JobState.WAITING, 0)
        doing = [words for words in (self._foreman.premises.in_words(), self._foreman.doing()) if words]
        return f"{'; '.join(doing)}; {queued} queued, {waiting} waiting"

    def _reload(self) -> None:
        self._notifier.reloading()
        try:
            settings = self._reload_settings()
        except SettingsError as error:
            log.error("settings_refused", why=str(error))
        else:
            fixed = {name: getattr(self._settings, name) for name in _NEEDS_RESTART}
            changed = [name for name, value in fixed.items() if getattr(settings, name) != value]
            if changed:
                log.warning("restart_needed", settings=", ".join(changed))
            self._settings = settings.model_copy(update=fixed)
            self._foreman.apply(self._settings)
            self._standings.settings = self._retention.settings = self._settings
            self._watcher.watching = self._settings.watching
            configure_logs(self._settings.log_format, self._settings.log_level)
            log.info("settings_reloaded")
        self._notifier.ready()

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._must_stop = True

    def _on_reload(self, _number: int, _frame: FrameType | None) -> None:
        self._must_reload = True

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):  # a full pipe wakes as well
            os.write(self._wake_write, b"\0")
