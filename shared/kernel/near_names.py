"""A suggestion for a misspelt name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

MOST_SUGGESTIONS: Final = 5  # in one answer: each compares a name with all that are known
_LONGEST: Final = 80  # characters; no name of ours or of Graph's is longer, and comparing is quadratic


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Returns the known name most like this one, whatever its case, or None if none is alike."""
    spelling = {other.lower(): other for other in known}
    near = difflib.get_close_matches(name.lower(), spelling, n=1) if len(name) <= _LONGEST else []
    return spelling[near[0]] if near else None
