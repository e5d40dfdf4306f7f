"""Text that can be shown as it stands: on one line, and without power over terminals or logs."""

_JOINER = "\u200d"  # holds emoji together


def one_line(text: str) -> str:
    """A text with what could begin another line, or steer a terminal, escaped."""
    return "".join(
        letter if letter.isprintable() or letter == _JOINER else _escaped(ord(letter)) for letter in text
    )


def printable(name: str) -> str:
    """A name that can be stored and shown as text, different for different names."""
    return one_line(name.replace("\\", "\\\\"))


def _escaped(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
