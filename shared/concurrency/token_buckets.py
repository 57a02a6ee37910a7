"""Rate limits as token buckets in the memory of one process.

A count in a table would cost a write for each call that is refused, so that a flood would reach the storage account.
Several processes each allow the whole rate; a new process starts with full buckets.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from shared.kernel.errors import RateLimited

MOST_KEPT: Final = 10_000  # buckets per kind; beyond that the one unused for longest is dropped and is full again


@dataclass(frozen=True, slots=True)
class Rate:
    """``burst`` calls at once, and ``per_second`` more for each second that passes."""

    per_second: float
    burst: int

    def times(self, factor: int) -> Rate:
        return Rate(self.per_second * factor, self.burst * factor)


class Buckets:
    """One bucket per key, all with the same rate. Safe to share between threads."""

    def __init__(self, what: str, rate: Rate, elapsed: Callable[[], float] = time.monotonic) -> None:
        """``what`` names the limited thing in messages; ``elapsed`` is a monotonic clock in seconds."""
        self._what = what
        self._rate = rate
        self._elapsed = elapsed
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def __contains__(self, key: str) -> bool:
        """Whether something was taken under this key, as far as this process remembers."""
        with self._lock:
            return key in self._levels

    def take(self, key: str) -> None:
        """Take one token. Raises RateLimited with the pause until there is one again; a refusal takes none."""
        with self._lock:
            now = self._elapsed()
            level, then = self._levels.get(key, (float(self._rate.burst), now))
            level = min(level + (now - then) * self._rate.per_second, float(self._rate.burst))
            allowed = level >= 1
            self._levels[key] = (level - 1 if allowed else level, now)
            self._levels.move_to_end(key)
            while len(self._levels) > MOST_KEPT:
                self._levels.popitem(last=False)
        if not allowed:
            pause = (1 - level) / self._rate.per_second
            raise RateLimited(f"too many {self._what}; wait and try again", retry_after=max(pause, 1.0))

    def give_back(self, key: str) -> None:
        """Return a token that was taken. A bucket never holds more than its burst."""
        with self._lock:
            if key in self._levels:
                level, then = self._levels[key]
                self._levels[key] = (min(level + 1, float(self._rate.burst)), then)
