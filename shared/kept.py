"""What was dear to get and stays good for a while: kept in this process, bounded, each until a moment of its own."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Final, Generic, TypeVar

from shared.clock import Clock

T = TypeVar("T")
_TURNS: Final = 64


class Kept(Generic[T]):
    """Safe to share between threads. Keys are hashed, so that none of them lies about in memory."""

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock = clock
        self._most = most
        self._values: OrderedDict[bytes, tuple[T, datetime]] = OrderedDict()
        self._lock = threading.Lock()
        self._turns = [threading.Lock() for _ in range(_TURNS)]

    def get(self, *key: str, make: Callable[[], tuple[T, datetime]]) -> T:
        """The value of the key; if none is good any more, what ``make`` gives, kept until the moment it names.

        One ``make`` per key at a time: others wait for it. What it raises passes through and is not remembered.
        """
        digest = hashlib.sha256("\n".join(key).encode()).digest()
        with self._turns[digest[0] % _TURNS]:
            known = self._recall(digest)
            if known is None:
                known = make()
                self._keep(digest, known)
            return known[0]

    def _recall(self, digest: bytes) -> tuple[T, datetime] | None:
        with self._lock:
            known = self._values.get(digest)
            if known is None or self._clock() >= known[1]:
                return None
            self._values.move_to_end(digest)
            return known

    def _keep(self, digest: bytes, value: tuple[T, datetime]) -> None:
        with self._lock:
            self._values[digest] = value
            self._values.move_to_end(digest)
            while len(self._values) > self._most:
                self._values.popitem(last=False)
