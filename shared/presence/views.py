"""What a caller may read of presence, and how old it may be to count."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Final

from shared.kernel.clock import Clock, from_wire
from shared.kernel.wire import Wire, is_guid
from shared.presence.account_health import MAY_BE_FAST, Source
from shared.presence.blocks import aged
from shared.presence.states import State, hides_calls, read_state, simplified
from shared.presence.store import Block, Edge, PresenceStore, Reading
from shared.tenants.directory import Directory
from shared.tenants.models import Page

POLLS_UNTIL_STALE: Final = 3
_READS_AT_ONCE: Final = 8


class Presence(Wire):
    """One user's presence now. ``state`` is Unknown when the reading is ``stale``."""

    user_id: str
    state: State
    availability: str | None = None
    activity: str | None = None
    read_at: str | None = None
    source: Source | None = None
    call_state_hidden: bool = False
    stale: bool


class Presences:
    """Reads what the poller keeps. ``interval`` is the time between two polls."""

    def __init__(self, store: PresenceStore, directory: Directory, clock: Clock, interval: timedelta) -> None:
        self._store = store
        self._directory = directory
        self._clock = clock
        self._fresh_for = interval * POLLS_UNTIL_STALE

    def of_user(self, tenant_id: str, user_id: str) -> Presence:
        """Raises NotFound (``UserNotFound``) for nobody of the directory."""
        block = self._store.block_of(tenant_id, user_id) if is_guid(user_id) else None
        if block is not None and user_id in block.readings:
            return self._view(user_id, block, block.readings[user_id])
        self._directory.user(tenant_id, user_id)
        return _never_read(user_id)

    def of_upn(self, tenant_id: str, upn: str) -> Presence:
        return self.of_user(tenant_id, self._directory.user_id_of(tenant_id, upn))

    def of_users(self, tenant_id: str, user_ids: Collection[str]) -> dict[str, Presence]:
        """The presence of those of these users that a poll has asked for, by id; reads the blocks they are in."""
        wanted = sorted(user_ids)
        edges = self._store.edges(tenant_id) if wanted else []
        numbers = [edge.number for edge in edges if _any_between(wanted, edge)]
        with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
            blocks = list(pool.map(lambda number: self._store.block(tenant_id, number), numbers))
        return {
            user_id: self._view(user_id, block, block.readings[user_id])
            for block in blocks
            if block is not None
            for user_id in wanted
            if user_id in block.readings
        }

    def page(self, tenant_id: str, *, top: int, continuation: str | None) -> Page[Presence]:
        """Users in the order of their ids; ``continuation`` is the id to go on at. Reads the blocks the page needs."""
        start = continuation or ""
        seen: list[Presence] = []
        for edge in self._store.edges(tenant_id):
            block = self._store.block(tenant_id, edge.number) if edge.last >= start else None
            if block is None:
                continue
            for user_id, reading in block.readings.items():
                if user_id < start:
                    continue
                if len(seen) == top:
                    return Page(seen, user_id)
                seen.append(self._view(user_id, block, reading))
        return Page(seen, None)

    def _view(self, user_id: str, block: Block, reading: Reading) -> Presence:
        known = aged(block, reading)
        read_at, source = known.read_at, known.source
        if not read_at:
            return _never_read(user_id)
        stale = self._is_stale(from_wire(read_at))
        state = read_state(reading.availability, reading.activity)
        if source == "application":
            state = simplified(state)
        return Presence(
            user_id=user_id,
            state="Unknown" if stale else state,
            availability=reading.availability,
            activity=reading.activity,
            read_at=read_at,
            source=source,
            call_state_hidden=hides_calls(state) and not stale,
            stale=stale,
        )

    def _is_stale(self, read_at: datetime) -> bool:
        return not is_fresh(self._clock() - read_at, self._fresh_for)


def is_fresh(age: timedelta, fresh_for: timedelta) -> bool:
    """A time that lies far ahead came from a clock that had gone wrong, and tells nothing."""
    return -MAY_BE_FAST <= age <= fresh_for


def _never_read(user_id: str) -> Presence:
    return Presence(user_id=user_id, state="Unknown", stale=True)


def _any_between(ids: Sequence[str], edge: Edge) -> bool:
    """Whether any of the ids, in ascending order, lies in the block."""
    at = bisect_left(ids, edge.first)
    return at < len(ids) and ids[at] <= edge.last
