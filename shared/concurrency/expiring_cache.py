"""What one process keeps in memory of its tenants: bounded, each entry until a moment of its own."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Generic, TypeVar

from shared.kernel.clock import Clock
from shared.kernel.errors import Unreachable
from shared.kernel.length_prefix import length_prefixed

T = TypeVar("T")
M = TypeVar("M", datetime, float)  # moments of a clock, or seconds of a stop watch

PATIENCE: Final = 10.0  # seconds to wait for another thread that makes the same


class Entries(Generic[T, M]):
    """Values by tenant and key. Safe to share between threads.

    An entry is not given any more once its moment has come. It leaves the memory when it is asked for after that, when
    as many entries were added as there were, when ``most`` others were used since, or with its tenant.
    """

    def __init__(self, now: Callable[[], M], most: int) -> None:
        self._now: Callable[[], M] = now
        self._most = most
        self._values: OrderedDict[tuple[str, Hashable], tuple[T, M]] = OrderedDict()
        self._additions_left = 0  # until all entries are looked through for expired ones
        self._lock = threading.Lock()

    def get(self, tenant_id: str, key: Hashable) -> T | None:
        """Returns the value while its moment has not come, else None."""
        with self._lock:
            known = self._values.get((tenant_id, key))
            if known is None:
                return None
            if self._now() >= known[1]:
                del self._values[tenant_id, key]
                return None
            self._values.move_to_end((tenant_id, key))
            return known[0]

    def put(self, tenant_id: str, key: Hashable, value: T, until: M) -> None:
        """Keep the value until that moment; the entry unused longest goes where there are too many."""
        with self._lock:
            self._values[tenant_id, key] = (value, until)
            self._values.move_to_end((tenant_id, key))
            self._additions_left -= 1
            if self._additions_left < 0:
                self._drop_expired()
            while len(self._values) > self._most:
                self._values.popitem(last=False)

    def remove(self, tenant_id: str, key: Hashable) -> None:
        """One that is gone is no error."""
        with self._lock:
            self._values.pop((tenant_id, key), None)

    def forget_tenant(self, tenant_id: str) -> None:
        """Drop all entries of the tenant."""
        with self._lock:
            for place in [place for place in self._values if place[0] == tenant_id]:
                del self._values[place]

    def __len__(self) -> int:
        return len(self._values)

    def _drop_expired(self) -> None:
        now = self._now()
        for place in [place for place, (_, until) in self._values.items() if now >= until]:
            del self._values[place]
        self._additions_left = len(self._values)


@dataclass(slots=True)
class _Turn:
    """Whose turn it is; ``waiting`` counts the threads that hold or want it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    waiting: int = 0


class Turns:
    """One thread at a time per key. A key takes memory only while a thread holds or wants its turn."""

    def __init__(self, patience: float = PATIENCE) -> None:
        """``patience`` is how many seconds a thread waits for its turn."""
        self._patience = patience
        self._turns: dict[Hashable, _Turn] = {}
        self._lock = threading.Lock()

    @contextmanager
    def of(self, key: Hashable) -> Iterator[None]:
        """Raises Unreachable if the turn does not come in time. Other keys never wait."""
        with self._lock:
            turn = self._turns.setdefault(key, _Turn())
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
                    del self._turns[key]

    def __len__(self) -> int:
        return len(self._turns)


class Kept(Generic[T]):
    """Values that are expensive to make. Safe to share between threads. Keys are hashed, so that no secret in a key
    stays in memory.
    """

    def __init__(self, clock: Clock, most: int, *, patience: float = PATIENCE) -> None:
        self._entries: Entries[T, datetime] = Entries(clock, most)
        self._turns = Turns(patience)

    def get(self, tenant_id: str, *key: str, make: Callable[[], tuple[T, datetime]]) -> T:
        """The value of the key; if none is good any more, what ``make`` gives, kept until the moment it names.

        One ``make`` per key at a time: others wait for it, and raise Unreachable if their turn does not come in time.
        What it raises passes through and is not remembered. Other keys never wait.
        """
        digest = hashlib.sha256(length_prefixed(tenant_id, *key)).digest()
        with self._turns.of(digest):
            known = self._entries.get(tenant_id, digest)
            if known is None:
                known, until = make()
                self._entries.put(tenant_id, digest, known, until)
            return known

    def forget_tenant(self, tenant_id: str) -> None:
        """Drop all values of the tenant."""
        self._entries.forget_tenant(tenant_id)
