"""Tiles as JPEG."""

import numpy as np
import pytest

from mosaicd.errors import CorruptStateError
from mosaicd.imaging.color import mean_color_difference
from mosaicd.media.masters import decode_master, encode_master
from tests import films


def test_master_looks_like_the_tile() -> None:
    tile = np.ascontiguousarray(films.photo("astronaut")[:128, 150:278])
    assert mean_color_difference(decode_master(encode_master(tile)), tile) < 2


def test_same_tile_gives_the_same_master() -> None:
    tile = np.ascontiguousarray(films.photo("coffee")[:64, :64])
    assert encode_master(tile) == encode_master(tile.copy())


@pytest.mark.parametrize("data", [b"", b"\xff", b"no JPEG", bytes(100)])
def test_what_is_no_master_means_a_damaged_store(data: bytes) -> None:
    with pytest.raises(CorruptStateError, match="master image in the database is damaged"):
        decode_master(data)
