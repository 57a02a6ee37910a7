"""Keeps the presence of every user fresh: one poll of a part of a tenant at a time, for all instances."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Final
from zlib import crc32

from shared import log
from shared.clock import Clock, to_wire
from shared.errors import NotFound, Stale
from shared.presence.account_notes import AccountNotes
from shared.presence.blocks import Answer, cut, parts_of, read_again
from shared.presence.readers import Outcome, Reader, Readers
from shared.presence.states import is_known
from shared.presence.store import Figures, Part, PresenceStore, Roster
from shared.retry import Sleep, wait
from shared.storage.queues import Queue
from shared.storage.tables import Exists
from shared.tenants.directory import Directory
from shared.tenants.effects import ROUTING
from shared.tenants.tenants import Head, Tenants

MAY_BE_FAST: Final = timedelta(minutes=1)  # a clock of another instance
# A killed poller delays the next one by at most this; a poll gives up before it ends, see readers.PATIENCE.
LEASE: Final = timedelta(seconds=30)
SENDS_AT_ONCE: Final = 8


class Poller:
    """One per process; what pollers must agree on lies in the table. ``interval`` is the time between two ticks."""

    def __init__(
        self,
        store: PresenceStore,
        tenants: Tenants,
        directory: Directory,
        reader: Reader,
        polls: Queue,
        interval: timedelta,
        clock: Clock,
        sleep: Sleep = wait,
    ) -> None:
        self._store = store
        self._tenants = tenants
        self._directory = directory
        self._readers = Readers(reader, clock, sleep)
        self._notes = AccountNotes(store, clock)
        self._polls = polls
        self._interval = interval
        self._clock = clock
        self._strange_words: set[str] = set()

    def plan(self) -> int:
        """Ask for a poll of every tenant, each at its own moment of the interval; gives their number."""
        tick = to_wire(self._clock())

        def ask(tenant_id: str) -> None:
            self._polls.send({"tenantId": tenant_id, "tick": tick, "part": 0}, delay=moment(tenant_id, self._interval))

        with ThreadPoolExecutor(SENDS_AT_ONCE) as pool:
            return len(list(pool.map(ask, self._tenants.ids())))

    def poll(self, tenant_id: str, tick: str, number: int = 0) -> bool:
        """Read the users of one part of the tenant once. False when nothing was read.

        The first part looks whether users came or went, and asks for the polls of the other parts. A tick that
        comes twice, or while another poll of the part runs, is dropped: the next tick is near.
        """
        try:
            head = self._tenants.head(tenant_id)
        except NotFound:
            return False
        if not ROUTING.intersection(head.tenant.value.products) or not self._is_timely(tenant_id, tick):
            return False
        try:
            part = self._leased(tenant_id, tick, number)
            if part is not None and number == 0:
                part = self._with_users_of_now(tenant_id, part)
                for other in range(1, part.roster.parts):
                    self._polls.send({"tenantId": tenant_id, "tick": tick, "part": other})
            return part is not None and self._read(head, part)
        except (Stale, Exists, NotFound):
            log.warning("a poll lost its lease, or its tenant, and was dropped", tenant=tenant_id, part=number)
            return False

    def _is_timely(self, tenant_id: str, tick: str) -> bool:
        now = self._clock()
        if tick > to_wire(now + MAY_BE_FAST):
            log.warning("a poll was asked for a time that has not come", tenant=tenant_id)
            return False
        # After an outage old ticks wait in line before the newest: reading for each would keep the line long.
        return tick >= to_wire(now - self._interval - LEASE)

    def _leased(self, tenant_id: str, tick: str, number: int) -> Part | None:
        part = self._store.part(tenant_id, number)
        state, now = part.state, self._clock()
        if number >= max(part.roster.parts, 1):
            return None  # the tenant has become smaller
        if state.tick >= tick or (state.lease_until is not None and state.lease_until > now):
            return None
        try:
            state = self._store.lease(tenant_id, number, replace(state, tick=tick, lease_until=now + LEASE))
        except (Stale, Exists, NotFound):
            return None
        return replace(part, state=state)

    def _with_users_of_now(self, tenant_id: str, part: Part) -> Part:
        """The part with its blocks cut anew if a user came or went since they were cut."""
        # Read before the list: a user who comes in between makes the next poll look again.
        generation = self._directory.generation(tenant_id)
        if generation == part.roster.generation:
            return part
        blocks, gone = cut(self._directory.user_ids(tenant_id), self._store.blocks(tenant_id))
        roster = Roster(generation, parts_of(len(blocks)), part.roster.row)
        self._store.reform(tenant_id, roster, blocks, gone)
        log.info("the users to watch changed", tenant=tenant_id, blocks=len(blocks))
        fresh = self._store.part(tenant_id, 0)
        return replace(fresh, state=part.state)

    def _read(self, head: Head, part: Part) -> bool:
        began, began_at = time.monotonic(), self._clock()
        users = {number: list(block.readings) for number, block in part.blocks.items()}
        tracking = head.settings.value.presence_tracking.track_over_guest_accounts
        outcome = self._readers.read(head.tenant_id, users, part.accounts, tracking=tracking)
        read_at = to_wire(began_at)
        again = [read_again(part.blocks[number], answer, read_at) for number, answer in outcome.answers.items()]
        figures = replace(
            _figures(part, outcome, read_at),
            changes=sum(changed for _, changed in again),
            milliseconds=round(1000 * (time.monotonic() - began)),
        )
        state = replace(part.state, lease_until=None, figures=figures)
        self._store.save(head.tenant_id, part.number, state, [block for block, _ in again])
        self._notes.note(head.tenant_id, outcome.notes, part.accounts)
        self._note_strange_words(outcome.answers.values())
        return bool(outcome.answers)

    def _note_strange_words(self, answers: Iterable[Answer]) -> None:
        rows = (row for answer in answers for row in answer.rows.values())
        words = {word for row in rows for word in (row.availability, row.activity)}
        for word in sorted(words - self._strange_words):
            if not is_known(word):
                self._strange_words.add(word)
                log.warning("Graph used a presence word that is not known here", word=word[:64])


def moment(tenant_id: str, interval: timedelta) -> timedelta:
    """When within two thirds of the interval this tenant is polled: always the same, and spread over all tenants."""
    return timedelta(seconds=crc32(tenant_id.encode()) % max(int(interval.total_seconds() * 2 / 3), 1))


def _figures(part: Part, outcome: Outcome, read_at: str) -> Figures:
    before = part.state.figures
    return Figures(
        polled_at=read_at if outcome.answers else before.polled_at,
        source=outcome.source or before.source,
        users=sum(len(answer.rows) for answer in outcome.answers.values()),
        graph_calls=outcome.calls,
        throttles=outcome.throttles,
    )
