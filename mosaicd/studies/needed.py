"""What studies need beyond what the daemon does."""

import importlib.util

from mosaicd.errors import MosaicdError

_NEEDED = ("matplotlib", "threadpoolctl")


def require_study_libraries() -> None:
    """Raise MosaicdError, with what to install, if what only studies need is missing."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        message = f"a study needs {' and '.join(missing)}: pip install 'mosaicd[study]'"
        raise MosaicdError(message)
