"""A real browser for pages: Debian's Chromium, led by Playwright."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextlib.contextmanager
def browser() -> Iterator["Browser"]:
    """A browser without a window; the test is skipped where there is none."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("no Chromium on this machine (Debian's package chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        with contextlib.closing(opened):
            yield opened


class Visit:
    """A page of ours, opened from its file, and what the browser had to say about it.

    Parameters
    ----------
    ready : str
        Selects what is there once the page is ready.

    Attributes
    ----------
    page : Page
    complaints : list of str
        Errors and warnings of the console, and of the page's program.
    requests : list of str
        What was asked for, beside the page itself and its own pictures.
    """

    def __init__(
        self, browser: "Browser", file: Path, *, ready: str = "html[data-ready=yes]", **context: Any
    ) -> None:
        self._ready = ready
        self._context = browser.new_context(**context)
        self.page: Page = self._context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda line: self.complaints.append(f"{line.type}: {line.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.as_uri())
        self.requests = [url for url in self.requests if url != file.as_uri()]

    def __enter__(self) -> "Visit":
        self.page.wait_for_selector(self._ready, state="attached")
        return self

    def __exit__(self, *_: object) -> None:
        self._context.close()

    def asked_outside(self) -> list[str]:
        """Requests that left the page."""
        return [url for url in self.requests if not url.startswith("blob:")]
