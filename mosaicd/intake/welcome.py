"""The note that a new inbox has for whoever opens it."""

import contextlib
from pathlib import Path

WELCOME_FILE = "README.txt"
_WELCOME = """\
Drop files here; mosaicd does the rest.

cat.jpg             A photo: a mosaic of it appears in the folder outbox, with a page to look at it closely.
beach.mp4           A film: it becomes tiles, which mosaics are made of.
tiles/face.jpg      A photo in the folder tiles becomes a tile itself.
family/...          A folder is a library of its own: its photos become mosaics of its films.
family/mosaic.toml  Says what that library's mosaics look like.

What is done moves to the folder archive; nothing is deleted. What cannot be used moves to the folder rejected,
with the reason beside it. You may delete this note.
"""


def leave_welcome(inbox: Path) -> None:
    """Leave the note in an inbox, if that can be written."""
    with contextlib.suppress(OSError):
        (inbox / WELCOME_FILE).write_text(_WELCOME, encoding="utf-8")
