"""The gallery: a page that shows a library's mosaics, newest first."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from string import Template

from mosaicd.page.document import asset, encoded, policy

MARK = b'<meta name="generator" content="mosaicd">'
"""What every gallery holds, and hardly any other file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A mosaic in a gallery.

    Attributes
    ----------
    name, words : str
        What stands beneath it.
    link : str
        Where it leads, relative to the gallery, percent-encoded.
    thumbnail : bytes
        JPEG.
    """

    name: str
    words: str
    link: str
    thumbnail: bytes


def gallery_page(title: str, entries: Sequence[Entry], *, others: Sequence[tuple[str, str]]) -> bytes:
    """The gallery as a file that asks nobody for anything.

    Parameters
    ----------
    title : str
    entries : sequence of Entry
        The first is shown first.
    others : sequence of (library, link)
        Galleries to lead to.
    """
    style = asset("gallery.css")
    links = ", ".join(f'<a href="{html.escape(link)}">{html.escape(name)}</a>' for name, link in others)
    page = Template(asset("gallery.html")).substitute(
        policy=policy(styles=[style], programs=[], images="data:"),
        title=html.escape(title),
        style=style,
        others=f"<nav>Other libraries: {links}</nav>" if links else "",
        entries="\n".join(_card(entry) for entry in entries),
    )
    return page.encode()


def _card(entry: Entry) -> str:
    name = html.escape(entry.name)
    return (
        f'<article><a href="{html.escape(entry.link)}">'
        f'<img alt="Mosaic of {name}" loading="lazy" src="data:image/jpeg;base64,{encoded(entry.thumbnail)}"></a>'
        f"<h2>{name}</h2><p>{html.escape(entry.words)}</p></article>"
    )
