"""Rate limits of the widget's calls, counted in the memory of each process.

A widget key stands in the source of a public page, so it proves nothing. Calls are therefore counted on two sides:

- A call that *proves nothing* is charged to its address, to the network of that address, and to the widget key.
- A call that *proves something*, by the secret of its session or by an accepted token of the customer's own app, is
  charged to its session and to buckets of its own for address, network and tenant. Nothing that strangers do with a
  copied key empties those.

What a call proves is known only after some reads, so each call first takes a token of its address at the door and gets
it back with its proof. A session that was proven in this process before does not wait at the door at all.
"""

from __future__ import annotations

import hashlib
import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from shared.concurrency.token_buckets import Buckets, Rate

# An office behind one address has many visitors. Twenty addresses together must leave at least half of a key's bucket
# to everybody else: 20 x (burst, per second) of an address is at most half of the key's.
CALLS_PER_ADDRESS: Final = Rate(per_second=5, burst=200)
CALLS_PER_KEY: Final = Rate(per_second=200, burst=8000)
STARTS_PER_ADDRESS: Final = Rate(per_second=0.5, burst=10)
# 400 + 30 x 20 = 1,000: as many users with a token as Communication Services makes per resource in 30 s.
STARTS_PER_KEY: Final = Rate(per_second=20, burst=400)
# A website whose own server starts sessions sends all from one address. Half of a key's bucket is left to others.
PROVEN_STARTS_PER_ADDRESS: Final = Rate(per_second=10, burst=200)
# A page tells of what its visitor does and renews a token once an hour.
CALLS_PER_SESSION: Final = Rate(per_second=5, burst=60)
PROVEN_CALLS_PER_ADDRESS: Final = Rate(per_second=10, burst=200)
# Communication Services issues 1,000 tokens per resource in 30 s; twenty addresses get 300 of them.
RENEWALS_PER_SESSION: Final = Rate(per_second=1 / 60, burst=5)
RENEWALS_PER_ADDRESS: Final = Rate(per_second=0.5, burst=30)
# Owners of a whole network have its addresses for nothing; the network counts as four addresses.
ADDRESSES_PER_NETWORK: Final = 4


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call comes from: an IPv4 address in its /24, or the /64 of an IPv6 address in its /48."""

    address: str
    network: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """A call that was let in. ``known`` says that its session was proven in this process before."""

    place: Place | None
    session: str
    known: bool


class WidgetRates:
    """All methods raise RateLimited with the pause."""

    def __init__(self, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._door = _ByPlace("calls", CALLS_PER_ADDRESS, elapsed)
        self._key_calls = Buckets("calls with this widget key", CALLS_PER_KEY, elapsed)
        self._starts = _Starts("sessions", STARTS_PER_ADDRESS, elapsed)
        self._proven_starts = _Starts("sessions with a token", PROVEN_STARTS_PER_ADDRESS, elapsed)
        self._proven_calls = _ByPlace("calls of sessions", PROVEN_CALLS_PER_ADDRESS, elapsed)
        self._sessions = Buckets("calls of this session", CALLS_PER_SESSION, elapsed)
        self._renewals = Buckets("new tokens for this session", RENEWALS_PER_SESSION, elapsed)
        self._place_renewals = _ByPlace("new tokens for sessions", RENEWALS_PER_ADDRESS, elapsed)

    def arrive(self, forwarded_for: str, session: str = "") -> Arrival:
        """Let a call in, before anything is read for it.

        ``forwarded_for`` is the header X-Forwarded-For, ``session`` what ``session_mark`` gives for the session that
        the call claims.
        """
        where = place(forwarded_for)
        known = bool(session) and session in self._sessions
        if known:
            self._charge_session(where, session)
        else:
            self._door.take(where)
        return Arrival(where, session, known)

    def proved_nothing(self, tenant_id: str) -> None:
        """The key of this tenant is good, and that is all the call shows. A tenant has one key."""
        self._key_calls.take(tenant_id)

    def proved_session(self, arrival: Arrival) -> None:
        """The secret is that of the session."""
        if not arrival.known:
            self._door.give_back(arrival.place)
            self._charge_session(arrival.place, arrival.session)

    def start(self, arrival: Arrival, tenant_id: str, *, proven: bool) -> None:
        """A session is about to start; ``proven`` once a token of the customer's own app was accepted."""
        if proven:
            self._door.give_back(arrival.place)
            self._proven_starts.take(arrival.place, tenant_id)
        else:
            self._starts.take(arrival.place, tenant_id)

    def started(self, session: str) -> None:
        """Later calls of this session need not wait at the door. ``session`` is its ``session_mark``."""
        self._sessions.take(session)

    def renew(self, arrival: Arrival) -> None:
        """A session that was proven is about to get another token of Communication Services."""
        self._renewals.take(arrival.session)
        self._place_renewals.take(arrival.place)

    def _charge_session(self, where: Place | None, session: str) -> None:
        self._sessions.take(session)
        self._proven_calls.take(where)


class _ByPlace:
    """Buckets per address and per network. A call from no known place is not limited here."""

    def __init__(self, what: str, per_address: Rate, elapsed: Callable[[], float]) -> None:
        self._addresses = Buckets(f"{what} from your address", per_address, elapsed)
        self._networks = Buckets(f"{what} from your network", per_address.times(ADDRESSES_PER_NETWORK), elapsed)

    def take(self, where: Place | None) -> None:
        if where:
            self._addresses.take(where.address)
            self._networks.take(where.network)

    def give_back(self, where: Place | None) -> None:
        if where:
            self._addresses.give_back(where.address)
            self._networks.give_back(where.network)


class _Starts:
    """By place first, so that a place over its own limit takes nothing from the tenant's bucket."""

    def __init__(self, what: str, per_address: Rate, elapsed: Callable[[], float]) -> None:
        self._places = _ByPlace(what, per_address, elapsed)
        self._tenants = Buckets(f"{what} with this widget key", STARTS_PER_KEY, elapsed)

    def take(self, where: Place | None, tenant_id: str) -> None:
        self._places.take(where)
        self._tenants.take(tenant_id)


def session_mark(widget_key: str, session_id: str, secret: str) -> str:
    """A name for what a call claims: this session, with this secret. Returns "" when the call claims none."""
    if not secret:
        return ""
    claimed = "\n".join((widget_key.lower(), session_id.lower(), secret))
    return hashlib.sha256(claimed.encode("utf-8", "surrogatepass")).hexdigest()


def place(forwarded_for: str) -> Place | None:
    """Where a call comes from, by its header X-Forwarded-For.

    The last part was added by Azure's front end, the ones before by anybody. Returns None without the header, as in
    local runs: there is only one caller.
    """
    text = forwarded_for.rpartition(",")[2].strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return Place(_network(address, 64), _network(address, 48))
        address = address.ipv4_mapped
    return Place(str(address), _network(address, 24))


def _network(address: ipaddress.IPv4Address | ipaddress.IPv6Address, prefix: int) -> str:
    return str(ipaddress.ip_network(f"{address}/{prefix}", strict=False))
