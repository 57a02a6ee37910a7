"""What was dear to get and stays good for a while: kept in this process, bounded, each until a moment of its own."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Generic, TypeVar

from shared.clock import Clock
from shared.errors import Unreachable
from shared.length_prefix import length_prefixed

T = TypeVar("T")

PATIENCE: Final = 10.0  # seconds for somebody else's making of the same


@dataclass(slots=True)
class _Turn:
    """Whose turn it is to make one value; ``waiting`` counts those who hold or want it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    waiting: int = 0


class Kept(Generic[T]):
    """Safe to share between threads. Keys are hashed, so that none of them lies about in memory."""

    def __init__(self, clock: Clock, most: int, *, patience: float = PATIENCE) -> None:
        self._clock = clock
        self._most = most
        self._values: OrderedDict[bytes, tuple[T, datetime]] = OrderedDict()
        self._lock = threading.Lock()
        self._turns: dict[bytes, _Turn] = {}
        self._patience = patience

    def get(self, *key: str, make: Callable[[], tuple[T, datetime]]) -> T:
        """The value of the key; if none is good any more, what ``make`` gives, kept until the moment it names.

        One ``make`` per key at a time: others wait for it, and raise Unreachable if their turn does not come in time.
        What it raises passes through and is not remembered. Other keys never wait.
        """
        digest = hashlib.sha256(length_prefixed(*key)).digest()
        with self._turn(digest):
            known = self._recall(digest)
            if known is None:
                known = make()
                self._keep(digest, known)
            return known[0]

    @contextmanager
    def _turn(self, digest: bytes) -> Iterator[None]:
        with self._lock:
            turn = self._turns.setdefault(digest, _Turn())
            turn.waiting += 1
        try:
            if not turn.lock.acquire(timeout=self._patience):
                raise Unreachable("no answer came in time to those who asked for the same before")
            try:
                yield
            finally:
                turn.lock.release()
        finally:
            with self._lock:
                turn.waiting -= 1
                if not turn.waiting:
                    del self._turns[digest]

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
