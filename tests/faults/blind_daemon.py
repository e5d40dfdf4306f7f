"""``mosaicd`` to whose watcher nothing ever happens: what rescans alone are good for. Run as a module."""

from mosaicd import cli
from mosaicd.intake.watcher import InboxWatcher

if __name__ == "__main__":
    InboxWatcher.dispatch = lambda *_: None  # type: ignore[method-assign]
    cli.main()
