"""Keeps the presence of every user fresh: one poll of a part of a tenant at a time, for all instances."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from math import ceil
from typing import Final
from zlib import crc32

from shared.kernel import log
from shared.kernel.clock import Clock, from_wire, to_wire
from shared.kernel.errors import AppError, NotFound, Stale
from shared.presence.account_health import MAY_BE_FAST
from shared.presence.account_notes import AccountNotes
from shared.presence.blocks import Answer, cut, parts_of, read_again
from shared.presence.polling.fallback_reader import Outcome, Reader, Readers
from shared.presence.states import is_known
from shared.presence.store import Block, Figures, Part, PartState, PresenceStore, Roster
from shared.presence.views import POLLS_UNTIL_STALE
from shared.storage.queues import Queue
from shared.storage.tables import Exists
from shared.tenants.directory import Directory
from shared.tenants.settings.effects import ROUTING
from shared.tenants.tenants import Head, Tenants

# Less than the interval, so that a poller who is killed costs its own poll and not the next, however soon that comes.
LEASE: Final = timedelta(seconds=25)
PATIENCE: Final = 12.0  # seconds in which a poll begins calls; with the last call's time-outs well within the lease
SENDS_AT_ONCE: Final = 8
MOST_STRANGE_WORDS: Final = 1000  # unknown words of Graph that are logged, each once per process


class Poller:
    """One per process; what pollers must agree on lies in the table. ``interval`` is the time between two ticks.

    A poll never sleeps: it holds a place that other tenants need. What it cannot read now, because Graph asks to wait
    or is slow, it leaves to a message that comes later, and gives its lease back until then.
    """

    def __init__(
        self,
        store: PresenceStore,
        tenants: Tenants,
        directory: Directory,
        reader: Reader,
        polls: Queue,
        interval: timedelta,
        clock: Clock,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._tenants = tenants
        self._directory = directory
        self._readers = Readers(reader, clock, elapsed)
        self._notes = AccountNotes(store, clock)
        self._polls = polls
        self._interval = interval
        self._lease = min(LEASE, interval * 5 / 6)
        self._patience = min(PATIENCE, self._lease.total_seconds() / 2)
        self._clock = clock
        self._elapsed = elapsed
        self._strange_words: set[str] = set()

    def plan(self) -> int:
        """Ask for a poll of every tenant, each at its own moment of the interval; gives their number."""
        tick = to_wire(self._clock())

        def ask(tenant_id: str) -> None:
            self._polls.send({"tenantId": tenant_id, "tick": tick, "part": 0}, delay=moment(tenant_id, self._interval))

        with ThreadPoolExecutor(SENDS_AT_ONCE) as pool:
            return len(list(pool.map(ask, self._tenants.ids())))

    def poll(self, tenant_id: str, tick: str, number: int = 0, *, rest: bool = False) -> bool:
        """Read the users of one part of the tenant once. False when nothing was read.

        The first part looks whether users came or went, and asks for the polls of the other parts. A tick that
        comes twice, or while another poll of the part runs, is dropped: the next tick is near. ``rest``: read only
        what the tick's poll has left.
        """
        try:
            head = self._tenants.head(tenant_id)
        except NotFound:
            return False
        if not ROUTING.intersection(head.tenant.value.products) or not self._is_timely(tenant_id, tick):
            return False
        before = self._store.part(tenant_id, number)
        part = self._leased(tenant_id, before, tick, rest=rest)
        if part is None:
            return False
        try:
            if number == 0 and not rest:
                part = self._with_users_of_now(tenant_id, part)
                for other in range(1, part.roster.parts):
                    self._polls.send({"tenantId": tenant_id, "tick": tick, "part": other})
            return self._read(head, part, rest=rest)
        except (Stale, Exists, NotFound):
            log.warning("a poll lost its lease, or its tenant, and was dropped", tenant=tenant_id, part=number)
            return False
        except AppError:
            self._give_back(tenant_id, before, part)  # the host gives the message again
            raise

    def _is_timely(self, tenant_id: str, tick: str) -> bool:
        now = self._clock()
        if tick > to_wire(now + MAY_BE_FAST):
            log.warning("a poll was asked for a time that has not come", tenant=tenant_id)
            return False
        # After an outage old ticks wait in line before the newest: reading for each would keep the line long.
        return tick >= to_wire(now - self._interval - self._lease)

    def _leased(self, tenant_id: str, part: Part, tick: str, *, rest: bool) -> Part | None:
        """The part, held by this poll; None when there is nothing to read for the tick."""
        state, now = part.state, self._clock()
        if part.number >= max(part.roster.parts, 1) or _is_held(state, now):
            return None  # the tenant has become smaller, or another poll runs
        if rest:
            if state.tick != tick or not part.to_read(rest=True):
                return None
        elif tick <= state.tick <= to_wire(now + MAY_BE_FAST):
            return None
        held = replace(state, tick=tick, lease_until=now + self._lease, left=state.left if rest else ())
        try:
            return replace(part, state=self._store.lease(tenant_id, part.number, held))
        except (Stale, Exists, NotFound):
            return None

    def _give_back(self, tenant_id: str, before: Part, part: Part) -> None:
        """As if the poll had never begun. What keeps this from being written ends with the lease."""
        with suppress(AppError, Exists):
            state = replace(before.state, lease_until=None, row=part.state.row)
            self._store.lease(tenant_id, part.number, state)

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

    def _read(self, head: Head, part: Part, *, rest: bool) -> bool:
        began, began_at = self._elapsed(), self._clock()
        outcome = self._ask(head, part, rest=rest)
        read_at = to_wire(began_at)
        stale_before = to_wire(began_at - self._interval * POLLS_UNTIL_STALE)
        again = [
            read_again(part.blocks[number], answer, read_at, stale_before=stale_before)
            for number, answer in outcome.answers.items()
        ]
        figures = _figures(part, outcome, read_at, rest=rest)
        figures = replace(
            figures,
            changes=figures.changes + sum(changed for _, changed in again),
            milliseconds=figures.milliseconds + round(1000 * (self._elapsed() - began)),
            oldest=_oldest({**part.blocks, **{block.number: block for block, _ in again}}, figures.polled_at),
        )
        pause = self._pause(head.tenant_id, part.state.tick, outcome)
        left = () if pause is None else tuple(sorted(set(part.to_read(rest=rest)) - set(outcome.answers)))
        state = replace(part.state, lease_until=None, left=left, figures=figures)
        self._store.save(head.tenant_id, part.number, state, [block for block, _ in again])
        self._notes.note(head.tenant_id, outcome.notes, part.accounts)
        self._note_strange_words(head.tenant_id, outcome.answers.values())
        if pause is not None:
            asked = {"tenantId": head.tenant_id, "tick": state.tick, "part": part.number, "rest": True}
            self._polls.send(asked, delay=pause)
        return bool(outcome.answers)

    def _ask(self, head: Head, part: Part, *, rest: bool) -> Outcome:
        # The oldest first: what a slow Graph leaves unread this time comes first the next time.
        in_order = sorted(part.to_read(rest=rest).values(), key=lambda block: block.read_at)
        return self._readers.read(
            head.tenant_id,
            {block.number: list(block.readings) for block in in_order},
            part.accounts,
            tracking=head.settings.value.presence_tracking.track_over_guest_accounts,
            patience=self._patience,
            # All users of the first part; of fewer, every single one may have left the tenant.
            judge=part.number == 0 and not rest,
        )

    def _pause(self, tenant_id: str, tick: str, outcome: Outcome) -> timedelta | None:
        """After which the rest is to be read; None when it is all read, or would come into the next tick's way."""
        if outcome.pause is None:
            return None
        pause = timedelta(seconds=ceil(outcome.pause))  # queues know whole seconds
        following = from_wire(tick) + self._interval + moment(tenant_id, self._interval)
        return pause if self._clock() + pause + timedelta(seconds=self._patience) <= following else None

    def _note_strange_words(self, tenant_id: str, answers: Iterable[Answer]) -> None:
        rows = (row for answer in answers for row in answer.rows.values())
        words = {word for row in rows for word in (row.availability, row.activity)}
        for word in sorted(words - self._strange_words):
            if not is_known(word) and len(self._strange_words) < MOST_STRANGE_WORDS:
                self._strange_words.add(word)
                log.warning("Graph used a presence word that is not known here", tenant=tenant_id, word=word[:64])


def moment(tenant_id: str, interval: timedelta) -> timedelta:
    """When within two thirds of the interval this tenant is polled: always the same, and spread over all tenants."""
    return timedelta(seconds=crc32(tenant_id.encode()) % max(int(interval.total_seconds() * 2 / 3), 1))


def _is_held(state: PartState, now: datetime) -> bool:
    """Whether another poll runs. A lease longer than any comes from a clock that had gone wrong."""
    return state.lease_until is not None and now < state.lease_until <= now + LEASE + MAY_BE_FAST


def _oldest(blocks: Mapping[int, Block], polled_at: str) -> str:
    """When the block was read that waits for the longest time; of a tenant without users its last poll."""
    return min((block.read_at for block in blocks.values()), default=polled_at)


def _figures(part: Part, outcome: Outcome, read_at: str, *, rest: bool) -> Figures:
    """Those of the whole poll: what the rest of it did is added to what it did before."""
    before = part.state.figures
    sums = before if rest else Figures()
    # A tenant without users is up to date.
    polled = bool(outcome.answers) or not part.blocks
    return replace(
        sums,
        polled_at=read_at if polled else before.polled_at,
        source=outcome.source or before.source,
        users=sums.users + sum(len(answer.rows) for answer in outcome.answers.values()),
        graph_calls=sums.graph_calls + outcome.calls,
        throttles=sums.throttles + outcome.throttles,
    )
