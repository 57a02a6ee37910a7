"""A monotonic clock that stands still until it is moved, and what a limit says by it."""

from __future__ import annotations

from collections.abc import Callable

from shared.kernel.errors import RateLimited


class StopWatch:
    """Seconds since some moment."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def passes(take: Callable[[], object]) -> bool:
    """Returns whether the limit lets this through."""
    try:
        take()
    except RateLimited:
        return False
    return True
