"""What a mosaic's report tells."""

from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from mosaicd.plain_text import printable
from mosaicd.store.models import Source, SourceKind
from mosaicd.store.mosaics import StoredPlacement
from mosaicd.store.tiles import origins


def figures_to_keep(report: dict[str, Any]) -> dict[str, Any]:
    """What of a report the store keeps: the placement and the settings are there already."""
    return {key: value for key, value in report.items() if key not in {"placement", "settings"}}


def placement_in_words(session: Session, placement: StoredPlacement) -> dict[str, Any]:
    """Which tile is where, and where it came from, in a compact form.

    Returns
    -------
    dict
        ``sources``: name of each source by its number. ``photo_sources``: which of them are photos.
        ``tiles``: for each distinct tile its number, its source's number, its time in seconds and its crop.
        ``cells``: for each cell, row by row, its place in ``tiles``. ``mirrored``: the cells whose tile is
        mirrored. ``corrections``: for each cell what was added to L*, a*, b* and what their spread was
        multiplied by.
    """
    distinct, cells = np.unique(placement.tiles, return_inverse=True)
    found = origins(session, distinct.tolist())
    numbers = sorted({source for source, _, _ in found.values()})
    sources = session.execute(select(Source.id, Source.name, Source.kind).where(Source.id.in_(numbers))).all()
    return {
        "sources": {number: printable(name) for number, name, _ in sources},
        "photo_sources": [number for number, _, kind in sources if kind is SourceKind.PHOTO],
        "tiles": [
            [tile, source, time / 1e6, crop]
            for tile in distinct.tolist()
            for source, time, crop in [found[tile]]
        ],
        "cells": cells.ravel().tolist(),
        "mirrored": np.flatnonzero(placement.mirrored).tolist(),
        "corrections": np.round(placement.corrections.reshape(-1, 4).astype(np.float64), 2).tolist(),
    }
