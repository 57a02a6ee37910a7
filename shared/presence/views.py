"""What a caller may read of presence, and how old it may be to count."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from shared.clock import Clock, from_wire
from shared.presence.accounts import Source
from shared.presence.states import State, hides_calls, read_state, simplified
from shared.presence.store import Block, PresenceStore, Reading
from shared.tenants.directory import Directory
from shared.tenants.models import Page
from shared.wire import Wire

POLLS_UNTIL_STALE: Final = 3


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
        block = self._store.block_of(tenant_id, user_id)
        if block is not None and user_id in block.readings:
            return self._view(user_id, block, block.readings[user_id])
        self._directory.user(tenant_id, user_id)
        return _never_read(user_id)

    def of_upn(self, tenant_id: str, upn: str) -> Presence:
        return self.of_user(tenant_id, self._directory.user_id_of(tenant_id, upn))

    def of_users(self, tenant_id: str, user_ids: Collection[str]) -> dict[str, Presence]:
        """The presence of those of these users that a poll has asked for, by id."""
        wanted = set(user_ids)
        return {
            user_id: self._view(user_id, block, reading)
            for block in self._store.blocks(tenant_id).values()
            for user_id, reading in block.readings.items()
            if user_id in wanted
        }

    def page(self, tenant_id: str, *, top: int, continuation: str | None) -> Page[Presence]:
        """Users in the order of their ids; ``continuation`` is the id to go on at."""
        seen: list[Presence] = []
        for block in self._store.blocks(tenant_id).values():
            for user_id, reading in block.readings.items():
                if continuation is not None and user_id < continuation:
                    continue
                if len(seen) == top:
                    return Page(seen, user_id)
                seen.append(self._view(user_id, block, reading))
        return Page(seen, None)

    def _view(self, user_id: str, block: Block, reading: Reading) -> Presence:
        read_at = block.read_at if reading.read_at is None else reading.read_at
        if not read_at:
            return _never_read(user_id)
        stale = self._is_stale(from_wire(read_at))
        state = read_state(reading.availability, reading.activity)
        if block.source == "application":
            state = simplified(state)
        return Presence(
            user_id=user_id,
            state="Unknown" if stale else state,
            availability=reading.availability,
            activity=reading.activity,
            read_at=read_at,
            source=block.source,
            call_state_hidden=hides_calls(state) and not stale,
            stale=stale,
        )

    def _is_stale(self, read_at: datetime) -> bool:
        return self._clock() - read_at > self._fresh_for


def _never_read(user_id: str) -> Presence:
    return Presence(user_id=user_id, state="Unknown", stale=True)
