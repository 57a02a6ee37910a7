"""How many calls the internet may make: token buckets in the memory of each process.

In a table every refused call would cost a write, so that a flood would reach the storage account instead of stopping
here, and a count that is right over all instances protects nothing that one per instance does not: what is
dear (users, meetings) is limited by Microsoft per resource and tenant.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from shared.errors import RateLimited

MOST_KEPT: Final = 10_000  # buckets per kind; the one unused longest is dropped, and was full again most likely


@dataclass(frozen=True, slots=True)
class Rate:
    """``burst`` calls at once, and ``per_second`` of them again after each second."""

    per_second: float
    burst: int


# An office behind one address has many visitors; a machine that tries keys or starts calls is faster than they are.
STARTS_PER_ADDRESS: Final = Rate(per_second=1, burst=30)
CALLS_PER_ADDRESS: Final = Rate(per_second=20, burst=200)
STARTS_PER_KEY: Final = Rate(per_second=20, burst=200)
CALLS_PER_KEY: Final = Rate(per_second=200, burst=2000)


class Buckets:
    """One bucket per key. Safe to share between threads."""

    def __init__(self, what: str, rate: Rate, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._rate = rate
        self._elapsed = elapsed
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: str) -> None:
        """Raises RateLimited with the pause until there is one again; a refusal takes none."""
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


class WidgetRates:
    """The limits of the widget's calls: each call by its address, then by its key, and starts once more."""

    def __init__(self, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._calls_of_address = Buckets("calls from your address", CALLS_PER_ADDRESS, elapsed)
        self._starts_of_address = Buckets("sessions from your address", STARTS_PER_ADDRESS, elapsed)
        self._calls_of_key = Buckets("calls with this widget key", CALLS_PER_KEY, elapsed)
        self._starts_of_key = Buckets("sessions with this widget key", STARTS_PER_KEY, elapsed)

    def address(self, said: str) -> None:
        """Before anything else, so that trying keys is slow. ``said`` as in ``place``."""
        if where := place(said):
            self._calls_of_address.take(where)

    def key(self, tenant_id: str) -> None:
        """Once the key is known; a tenant has one."""
        self._calls_of_key.take(tenant_id)

    def start(self, said: str, tenant_id: str) -> None:
        if where := place(said):
            self._starts_of_address.take(where)
        self._starts_of_key.take(tenant_id)


def place(said: str) -> str:
    """Whose bucket a caller's address belongs to: an IPv4 address, or the /64 network of an IPv6 one.

    ``said`` is X-Forwarded-For. Its last part was added by Azure's front end, the ones before by anybody. Empty
    without it, as in local runs: there is only one caller.
    """
    text = said.rpartition(",")[2].strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(address.ipv4_mapped or ipaddress.ip_network((int(address) >> 64 << 64, 64)))
