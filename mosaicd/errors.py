"""Exceptions, each named for what its catcher does with it."""


class MosaicdError(Exception):
    """The root of every error that mosaicd raises on purpose.

    Its text is one or two plain sentences that can be shown to a person as they stand.
    """


class RejectedInputError(MosaicdError):
    """A file cannot be used, now or later: it is moved to ``rejected/`` with this text as the reason."""


class TransientError(MosaicdError):
    """Something outside the file stands in the way: keep the file, try again later."""


class CorruptStateError(MosaicdError):
    """The database cannot be trusted or used: the daemon stops."""


class SettingsError(MosaicdError):
    """A setting is wrong: the program ends at once with this line and exit code 2."""
