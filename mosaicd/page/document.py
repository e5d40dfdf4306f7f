"""Putting a page together: markup, style, program and pictures in one HTML file."""

import base64
import gzip
import hashlib
import html
import json
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from string import Template
from typing import Any

from mosaicd.page.packing import MasterPack
from mosaicd.page.words import report_in_words


@dataclass(frozen=True, slots=True, kw_only=True)
class PageContents:
    """What a mosaic's page shows.

    Attributes
    ----------
    image : bytes
        The mosaic as JPEG.
    photo : bytes
        The part of the photo that the mosaic shows, as JPEG.
    report : dict
        As it is published beside the mosaic.
    masters : MasterPack or None
        Of the tiles, in the order in which the report lists them.
    """

    image: bytes
    photo: bytes
    report: dict[str, Any]
    masters: MasterPack | None


def mosaic_page(contents: PageContents) -> bytes:
    """The page as a file that asks nobody for anything: no request leaves it, and its policy forbids any."""
    leaflet = resources.files("xstatic.pkg.leaflet") / "data"
    styles = [_without_pictures(_text(leaflet / "leaflet.css")), asset("mosaic.css")]
    programs = [_without_map(_text(leaflet / "leaflet.js")), asset("mosaic.js")]
    pack = contents.masters
    facts = {"report": contents.report, "offsets": pack.offsets if pack is not None else None}
    page = Template(asset("mosaic.html")).substitute(
        policy=policy(styles=styles, programs=programs, images="blob:"),
        title=html.escape(contents.report["photo"]),
        sentences="\n".join(f"<p>{html.escape(line)}</p>" for line in report_in_words(contents.report)),
        leaflet_style=styles[0],
        style=styles[1],
        leaflet_program=programs[0],
        program=programs[1],
        image=encoded(contents.image),
        photo=encoded(contents.photo),
        facts=encoded(gzip.compress(json.dumps(facts, separators=(",", ":")).encode(), mtime=0)),
        header=encoded(pack.header if pack is not None else b""),
        masters=encoded(pack.data if pack is not None else b""),
    )
    return page.encode()


def asset(name: str) -> str:
    """One of the files that pages are made of."""
    return _text(resources.files("mosaicd.page") / "assets" / name)


def policy(*, styles: list[str], programs: list[str], images: str) -> str:
    """A content security policy: these styles and programs, images from one kind of address, and nothing else."""
    directives = [
        "default-src 'none'",
        f"style-src {' '.join(_source(style) for style in styles)}",
        f"img-src {images}",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    if programs:
        directives.insert(2, f"script-src {' '.join(_source(program) for program in programs)}")
    return "; ".join(directives)


def encoded(data: bytes) -> str:
    """Base64."""
    return base64.b64encode(data).decode()


def _source(text: str) -> str:
    return f"'sha256-{encoded(hashlib.sha256(text.encode()).digest())}'"


def _without_pictures(style: str) -> str:
    """Leaflet's style without the rules that ask for pictures, which this page does not use."""
    return "\n".join(line for line in style.splitlines() if "url(" not in line)


def _without_map(program: str) -> str:
    """Leaflet without the line that makes browsers ask for its source map."""
    return program.partition("//# sourceMappingURL")[0]


def _text(file: Traversable) -> str:
    return file.read_text(encoding="utf-8")
