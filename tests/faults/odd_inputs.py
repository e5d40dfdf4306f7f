"""Inputs that nobody expects: damaged files, odd values, names and words."""

import json
import os
from random import Random
from typing import Any

from mosaicd.media.files import NAME_BYTES_LIMIT

_TOKENS = [
    *(b"[", b"]]", b'"', b"'''", b"\\u0000", b"\\ud800", b"=", b"\n", b"\r", b"#", b"{}", b"[library.x]"),
    *(b".", b"nan", b"-inf", b"1e999", b"-1", b"0", b"0x" + b"f" * 5000, b"9" * 5000, b"true"),
    *(b"1979-05-27", b"\xff", b"\x00", b"\x1b[31m", b"\xef\xbb\xbf", b"'\x7f'", b"library = 3\n"),
    *(b"\xe2\x80\xae", b"[[library]]\n", b"a." * 400, b"[" * 3000, b"'" + b"x" * 5000 + b"'"),
    *(b"2024-02-30", b"12:61:00", b"0.1_", b"1__0"),
]
_WORDS = [
    *("", " ", "x", "-", "--", "=", "x=", "=x", "library={}"),
    *('library={"a": 1}', "caf\udce9", "two\nlines", "\x1b[31mred", "../x", "/", "/dev/full"),
    *("/dev/null", "~", "~nobody-there/x", "9" * 5000, "a" * 300, "a/" * 3000, "1", "0", "-1", "nan"),
    *("film.mp4", "default", "fam\\x0aily", "%s%n", "{}", "--help", "'; DROP TABLE tile; --"),
    *("\u202egpj.exe", "settle_seconds=nan", "root=/dev/null/x", "database=/etc/passwd"),
    *("log_level=loud", "\ufeff"),
]
_VALUES: list[Any] = [
    *(0, -1, 1, 2.5, 10**30, 1e308, "", "x", "jpeg", "\x00", "~", True, [], [1, [2]], {}, {"a": {}}),
    *({"b": {"mirror": 3}}),
]
_LETTERS = "ab. ~\\'\"\n\t\x1b()-{}%#\u200d\u202e\u0301"


def mutated(data: bytes, random: Random) -> bytes:
    """The data with a few things done to it."""
    for _ in range(random.randint(1, 4)):
        at, to = sorted(random.randrange(len(data) + 1) for _ in range(2))
        to = min(to, at + 200)
        match random.randrange(7):
            case 0:
                data = data[:at] + bytes([random.randrange(256)]) + data[at + 1 :]
            case 1:
                data = data[:at] + data[to:]
            case 2:
                data = data[:to] + data[at:to] + data[to:]
            case 3:
                data = data[:at] + random.choice(_TOKENS) + data[at:]
            case 4:
                data = data[:at] + random.choice(_TOKENS) + data[to:]
            case 5:
                data = _with_another_value(data, random)
            case _:
                data = data[:at]
    return data


def odd_toml(random: Random) -> str:
    """A value as it might stand in a TOML file."""
    if random.random() < 0.3:
        return random.choice(_TOKENS).decode("utf-8", "replace")
    value = random.choice(_VALUES)
    return "{a = {mirror = 3}, 'b c' = {x = 1}}" if isinstance(value, dict) else json.dumps(value)


def odd_value(random: Random) -> str:
    """A value as it might stand on the command line."""
    return random.choice([odd_word(random), odd_toml(random), odd_name(random), "1", "0.5", "true", "/srv/x"])


def odd_word(random: Random) -> str:
    """A word as it might stand on the command line."""
    word = random.choice(_WORDS)
    return word + random.choice(_WORDS) if random.random() < 0.1 else word


def odd_name(random: Random) -> str:
    """A name that a file can have."""
    length = random.choice([1, 2, 5, 20, 200, 255])
    match random.randrange(3):
        case 0:
            data = random.randbytes(length)
        case 1:
            ranges = [(1, 0xD800), (0xE000, 0x110000)]
            data = "".join(chr(random.randrange(*random.choice(ranges))) for _ in range(length)).encode()
        case _:
            data = "".join(random.choice(_LETTERS) for _ in range(length)).encode()
    data = data.replace(b"/", b"_").replace(b"\0", b"_")[:NAME_BYTES_LIMIT]
    return "_" if data in {b"", b".", b".."} else os.fsdecode(data)


def _with_another_value(data: bytes, random: Random) -> bytes:
    lines = data.split(b"\n")
    number = random.randrange(len(lines))
    name = lines[number].split(b"=")[0]
    lines[number] = name + b"= " + odd_toml(random).encode("utf-8", "surrogatepass")
    return b"\n".join(lines)
