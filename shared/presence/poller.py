"""Keeps the presence of every user fresh: one poll of a tenant at a time, with two accounts to read as."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Final, Protocol

from shared import log
from shared.clock import Clock, to_wire
from shared.errors import Denied, NotFound, Stale, Throttled, Upstream
from shared.presence.accounts import Accounts, Health, Source, changes, noted, reading_order
from shared.presence.faults import fault_of
from shared.presence.states import is_known
from shared.presence.store import Block, PollState, PresenceStore, Reading
from shared.retry import Sleep, patiently, wait
from shared.storage.queues import Queue
from shared.storage.tables import Exists
from shared.tenants.directory import Directory
from shared.tenants.effects import ROUTING
from shared.tenants.tenants import Tenants

IDS_PER_CALL: Final = 650  # Graph's cap on getPresencesByUserId
CALLS_AT_ONCE: Final = 4
MAY_BE_FAST: Final = timedelta(minutes=1)  # a clock of another instance
# A killed poller delays the next one by at most this; a poll gives up before it ends.
LEASE: Final = timedelta(seconds=30)
PATIENCE: Final = 12.0  # seconds for all Graph calls of a poll, pauses included


class GraphPresence(Protocol):
    """One user's row of Graph's answer."""

    @property
    def user_id(self) -> str: ...
    @property
    def availability(self) -> str: ...
    @property
    def activity(self) -> str: ...
    @property
    def sequence_number(self) -> str: ...


class Reader(Protocol):
    """Reads presence as a guest account or as the application. Raises Denied, Throttled, Unreachable, Broken."""

    def read(self, tenant_id: str, source: Source, user_ids: Sequence[str]) -> Sequence[GraphPresence]: ...


class Poller:
    """One per process; what pollers must agree on lies in the table."""

    def __init__(
        self,
        store: PresenceStore,
        tenants: Tenants,
        directory: Directory,
        reader: Reader,
        polls: Queue,
        clock: Clock,
        sleep: Sleep = wait,
    ) -> None:
        self._store = store
        self._tenants = tenants
        self._directory = directory
        self._reader = reader
        self._polls = polls
        self._clock = clock
        self._sleep = sleep
        self._strange_words: set[str] = set()

    def plan(self) -> int:
        """Ask for a poll of every tenant; gives their number."""
        tick = to_wire(self._clock())
        tenant_ids = list(self._tenants.ids())
        for tenant_id in tenant_ids:
            self._polls.send({"tenantId": tenant_id, "tick": tick})
        return len(tenant_ids)

    def poll(self, tenant_id: str, tick: str) -> bool:
        """Read all users of the tenant once. False when there was nothing to do.

        A tick that comes twice, or while another poll of the tenant runs, is dropped: the next tick is near.
        """
        try:
            head = self._tenants.head(tenant_id)
        except NotFound:
            return False
        state = self._lease(tenant_id, tick) if ROUTING.intersection(head.tenant.value.products) else None
        if state is None:
            return False
        user_ids = self._directory.user_ids(tenant_id)
        if not user_ids:
            self._store.forget_readings(tenant_id)
            return False
        tracking = head.settings.value.presence_tracking.track_over_guest_accounts
        accounts, found, source = self._read(tenant_id, user_ids, state.accounts, tracking)
        done = replace(state, lease_until=None, accounts=accounts)
        try:
            if found is None:
                self._store.save_state(tenant_id, done)
            else:
                self._save(tenant_id, done, user_ids, found, source)
        except (Stale, Exists, NotFound):
            log.warning("a poll lost its lease, or its tenant, and was dropped", tenant=tenant_id)
            return False
        for account, health in changes(state.accounts, accounts):
            _log_change(tenant_id, account, health)
        return found is not None

    def _lease(self, tenant_id: str, tick: str) -> PollState | None:
        state = self._store.state(tenant_id)
        now = self._clock()
        if tick > to_wire(now + MAY_BE_FAST):
            log.warning("a poll was asked for a time that has not come", tenant=tenant_id)
            return None
        if state.tick >= tick or (state.lease_until is not None and state.lease_until > now):
            return None
        try:
            return self._store.save_state(tenant_id, replace(state, tick=tick, lease_until=now + LEASE))
        except (Stale, Exists, NotFound):
            return None

    def _read(
        self, tenant_id: str, user_ids: Sequence[str], accounts: Accounts, tracking: bool
    ) -> tuple[Accounts, dict[str, GraphPresence] | None, Source]:
        """The accounts as they fare after this, the readings (None when nobody could read), and who read.

        Being throttled is nobody's fault: the account stays as it was, and the next tick tries again.
        """
        give_up_at = time.monotonic() + PATIENCE
        if not tracking:
            try:
                return accounts, self._read_as(tenant_id, "application", user_ids, give_up_at), "application"
            except Upstream as exc:
                log.warning("presence could not be read", tenant=tenant_id, source="application", why=exc.detail)
                return accounts, None, "application"
        for account in reading_order(accounts, self._clock()):
            if time.monotonic() > give_up_at:
                break  # within the lease; the next tick begins with the other account
            try:
                found = self._read_as(tenant_id, account, user_ids, give_up_at)
                if not found:
                    raise Denied("Graph returned none of the users", reason="NothingReturned")
            except Throttled as exc:
                log.warning("presence is throttled", tenant=tenant_id, source=account, why=exc.detail)
                return accounts, None, account
            except Upstream as exc:
                code = fault_of(exc.reason) if isinstance(exc, Denied) else exc.code
                if accounts.health(account).code != code:
                    log.info("presence could not be read", tenant=tenant_id, source=account, why=exc.detail)
                accounts = noted(accounts, account, code=code, now=self._clock())
            else:
                return noted(accounts, account, code="", now=self._clock()), found, account
        return accounts, None, "account2"

    def _read_as(
        self, tenant_id: str, source: Source, user_ids: Sequence[str], give_up_at: float
    ) -> dict[str, GraphPresence]:
        def read(part: Sequence[str]) -> Sequence[GraphPresence]:
            patience = give_up_at - time.monotonic()
            return patiently(lambda: self._reader.read(tenant_id, source, part), patience=patience, sleep=self._sleep)

        parts = list(in_blocks(user_ids))
        if len(parts) == 1:
            answers = [read(parts[0])]
        else:
            answers = [read(parts[0])]  # alone, so that a broken account costs one call, not four
            with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
                answers += pool.map(read, parts[1:])
        return {row.user_id: row for answer in answers for row in answer}

    def _save(
        self,
        tenant_id: str,
        state: PollState,
        user_ids: Sequence[str],
        found: dict[str, GraphPresence],
        source: Source,
    ) -> None:
        before = self._store.blocks(tenant_id)
        known = {user: (block, r) for block in before.values() for user, r in block.readings.items()}
        read_at = to_wire(self._clock())
        blocks = []
        for number, part in enumerate(in_blocks(user_ids)):
            readings = {user: _merged(known.get(user), found.get(user)) for user in part}
            blocks.append(Block(number, read_at, source, readings))
        self._store.save_poll(tenant_id, replace(state, polled_at=read_at), blocks, before)
        self._note_strange_words(found)

    def _note_strange_words(self, found: dict[str, GraphPresence]) -> None:
        words = {word for row in found.values() for word in (row.availability, row.activity)}
        for word in sorted(words - self._strange_words):
            if not is_known(word):
                self._strange_words.add(word)
                log.warning("Graph used a presence word that is not known here", word=word[:64])


def in_blocks(user_ids: Sequence[str]) -> list[Sequence[str]]:
    return [user_ids[at : at + IDS_PER_CALL] for at in range(0, len(user_ids), IDS_PER_CALL)]


def _merged(old: tuple[Block, Reading] | None, new: GraphPresence | None) -> Reading:
    """The newer of what was kept and what came. Without an answer the old one stays, and so does its age."""
    if old is None:
        return Reading(new.availability, new.activity, new.sequence_number) if new else Reading("", "", "", "")
    block, kept = old
    if new is None:
        return replace(kept, read_at=block.read_at if kept.read_at is None else kept.read_at)
    if new.sequence_number and new.sequence_number < kept.sequence:
        return replace(kept, read_at=None)
    return Reading(new.availability, new.activity, new.sequence_number)


def _log_change(tenant_id: str, account: str, health: Health) -> None:
    if health.well:
        log.info("presence account works again", tenant=tenant_id, account=account)
    else:
        log.warning("presence account does not work", tenant=tenant_id, account=account, code=health.code)
