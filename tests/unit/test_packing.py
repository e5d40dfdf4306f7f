"""Pictures for pages: as good as they fit, and whole when taken out again."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import pytest

from mosaicd.imaging import PixelArray
from mosaicd.page.packing import MASTER_SIZES, MasterPack, pack_masters, pack_picture
from tests.libraries import varied_squares

TILES = list(range(7, 107))
SQUARES = dict(zip(TILES, varied_squares(len(TILES), seed=3, edge=128), strict=True))


def read(tiles: Sequence[int]) -> Iterator[tuple[int, PixelArray]]:
    return ((tile, SQUARES[tile]) for tile in reversed(tiles))


def decoded(pack: MasterPack, place: int) -> PixelArray:
    rest = pack.data[pack.offsets[place] : pack.offsets[place + 1]]
    pixels = cv2.imdecode(np.frombuffer(pack.header + rest, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert pixels is not None
    return pixels.astype(np.uint8)


def packed(bytes_limit: int) -> MasterPack:
    pack = pack_masters(TILES, read, bytes_limit=bytes_limit)
    assert pack is not None
    return pack


def test_masters_come_out_in_the_order_of_the_tiles_and_whole() -> None:
    pack = packed(10_000_000)
    assert len(pack.offsets) == len(TILES) + 1
    for place, tile in enumerate(TILES):
        assert np.abs(decoded(pack, place).astype(int) - SQUARES[tile]).mean() < 8


def test_header_is_kept_once() -> None:
    assert len(packed(10_000_000).header) > 500


@pytest.mark.parametrize("bytes_limit", [400_000, 200_000, 100_000, 60_000])
def test_masters_are_packed_as_well_as_they_fit(bytes_limit: int) -> None:
    pack = packed(bytes_limit)
    assert bytes_limit / 3 < pack.size <= bytes_limit


def test_less_room_means_smaller_masters() -> None:
    edges = [len(decoded(packed(limit), 0)) for limit in (10_000_000, 100_000, 60_000)]
    assert edges == sorted(edges, reverse=True)
    assert edges[0] == MASTER_SIZES[0][0]
    assert edges[-1] < edges[0]


def test_masters_that_do_not_fit_at_all_are_left_out() -> None:
    assert pack_masters(TILES, read, bytes_limit=10_000) is None


def test_single_master_can_be_packed() -> None:
    pack = pack_masters(TILES[:1], read, bytes_limit=100_000)
    assert pack is not None
    assert decoded(pack, 0).shape == (128, 128, 3)


def test_small_masters_are_not_enlarged() -> None:
    pack = pack_masters([1], lambda _: [(1, SQUARES[7][:20, :20])], bytes_limit=100_000)
    assert pack is not None
    assert decoded(pack, 0).shape == (20, 20, 3)


def test_picture_is_encoded_at_the_first_size_that_fits() -> None:
    picture = np.concatenate([SQUARES[7], SQUARES[8]], axis=1)
    sizes = ((256, 95), (100, 70), (50, 60))

    def edge(bytes_limit: int) -> int:
        data = pack_picture(picture, bytes_limit=bytes_limit, sizes=sizes)
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert pixels is not None
        return int(pixels.shape[1])

    large, small = (len(pack_picture(picture, bytes_limit=10**6, sizes=[size])) for size in sizes[:2])
    assert edge(large) == 256
    assert edge(large - 1) == 100
    assert edge(small - 1) == 50
    assert edge(0) == 50
