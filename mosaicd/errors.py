"""Exceptions, each named for what its catcher does with it."""

from enum import StrEnum

from mosaicd.plain_text import one_line


class Need(StrEnum):
    """What work needs besides the file itself."""

    INBOX = "inbox"
    OUTBOX = "outbox"
    ARCHIVE = "archive"
    REJECTED = "rejected"
    DATABASE = "database"


class MosaicdError(Exception):
    """The root of every error that mosaicd raises on purpose.

    Its text is one or two plain sentences that can be shown to a person as they stand, whatever the names in it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class RejectedInputError(MosaicdError):
    """A file cannot be used, now or later: it is moved to ``rejected/`` with this text as the reason."""


class TransientError(MosaicdError):
    """Something outside the file stands in the way: keep the file, try again later."""


class ObstructedError(TransientError):
    """Something that work needs cannot be used just now: pause what needs it until it can be used again.

    Parameters
    ----------
    message : str
    need : Need
    is_full : bool
        Whether there is no room, so that a smaller file might still find some.
    """

    def __init__(self, message: str, *, need: Need, is_full: bool = False) -> None:
        super().__init__(message)
        self.need = need
        self.is_full = is_full


class CorruptStateError(MosaicdError):
    """The database cannot be trusted or used: the daemon stops."""


class SettingsError(MosaicdError):
    """A setting is wrong: the program ends at once with this line and exit code 2."""
