"""A seeded mutator: files as faulty disks, cut transfers and malicious senders would leave them."""

import random
import struct
from collections.abc import Callable, Sequence

_HEAD_BYTES = 4096
_MOST_FLIPS_POWER = 9
_LONGEST_INSERT_BYTES = 20_000
_NUMBERS = (">B", ">H", "<H", ">I", "<I", ">Q", "<Q")
_MARKS = (b"moov", b"trak", b"stts", b"stsz", b"stco", b"mdhd", b"tkhd", b"avcC", b"iloc", b"ispe", b"hvcC")
"""Where a film or a HEIC photo says what matters; most mutations there are noticed late."""

Mutation = Callable[[bytearray, random.Random, Sequence[bytes]], None]


def mutated(content: bytes, *, seed: int, donors: Sequence[bytes]) -> bytes:
    """Change a file's content in one to three ways, the same for the same seed.

    Parameters
    ----------
    content : bytes
        Not empty.
    seed : int
    donors : sequence of bytes
        What other files hold, of which parts may be spliced in.
    """
    chance = random.Random(seed)
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        chance.choice(_MUTATIONS)(changed, chance, donors)
        changed = changed or bytearray(b"\0")
    return bytes(changed)


def _flip_bits(content: bytearray, chance: random.Random, _donors: Sequence[bytes]) -> None:
    for _ in range(2 ** chance.randrange(_MOST_FLIPS_POWER)):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def _flip_bits_of_head(content: bytearray, chance: random.Random, _donors: Sequence[bytes]) -> None:
    for _ in range(chance.randrange(1, 9)):
        content[chance.randrange(min(len(content), _HEAD_BYTES))] ^= 1 << chance.randrange(8)


def _cut(content: bytearray, chance: random.Random, _donors: Sequence[bytes]) -> None:
    del content[chance.randrange(len(content)) :]


def _cut_beginning(content: bytearray, chance: random.Random, _donors: Sequence[bytes]) -> None:
    del content[: chance.randrange(min(len(content), _HEAD_BYTES))]


def _overwrite(content: bytearray, chance: random.Random, _donors: Sequence[bytes]) -> None:
    stretch = _stretch(content, chance)
    length = len(content[stretch])
    content[stretch] = chance.choice((bytes(length), b"\xff" * length, chance.randbytes(length)))


def _leave_out(content: bytearray, chance: random.Random, _donors: Sequence[bytes]) -> None:
    del content[_stretch(content, chance)]


def _repeat(content: bytearray, chance: random.Random, _donors: Sequence[bytes]) -> None:
    part = bytes(content[_stretch(content, chance)])
    place = chance.randrange(len(content))
    content[place:place] = part * chance.choice((1, 1, 2, 5))


def _insert(content: bytearray, chance: random.Random, _donors: Sequence[bytes]) -> None:
    place = chance.randrange(len(content))
    content[place:place] = chance.randbytes(chance.randrange(1, _LONGEST_INSERT_BYTES))


def _exaggerate(content: bytearray, chance: random.Random, _donors: Sequence[bytes]) -> None:
    """Let a number in the file's head, or near one of the marks, be of the extremest."""
    places = [content.find(mark) for mark in _MARKS]
    start = chance.choice([0, *(place for place in places if place >= 0)])
    for _ in range(chance.randrange(1, 4)):
        layout = chance.choice(_NUMBERS)
        size = struct.calcsize(layout)
        most = 256**size - 1
        number = chance.choice((0, 1, most, most // 2, most // 2 + 1, most - 1))
        place = start + chance.randrange(200 if start else 64)
        content[place : place + size] = struct.pack(layout, number)


def _splice(content: bytearray, chance: random.Random, donors: Sequence[bytes]) -> None:
    """Go on, from somewhere, with the rest of another file."""
    donor = chance.choice(donors)
    content[chance.randrange(len(content)) :] = donor[chance.randrange(len(donor)) :]


def _stretch(content: bytearray, chance: random.Random) -> slice:
    start = chance.randrange(len(content))
    return slice(start, start + chance.randrange(1, max(2, len(content) // 8)))


_MUTATIONS: tuple[Mutation, ...] = (
    _flip_bits,
    _flip_bits_of_head,
    _cut,
    _cut_beginning,
    _overwrite,
    _leave_out,
    _repeat,
    _insert,
    _exaggerate,
    _splice,
)
