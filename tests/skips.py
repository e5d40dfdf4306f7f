"""What a splicing says of squares that became no tiles."""

from collections.abc import Mapping
from typing import Any


def skipped_in(facts: Mapping[str, Any]) -> int:
    """How many squares were skipped, for whatever reason."""
    return sum(count for name, count in facts.items() if name.startswith("skipped_"))
