"""Reads blocks of users from Graph: as account 1, as account 2 what account 1 could not, or as the application."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import Final, Protocol

from shared import log
from shared.clock import Clock
from shared.errors import Denied, Throttled, Upstream
from shared.presence.accounts import Accounts, Note, Source, sources
from shared.presence.blocks import Answer, GraphPresence
from shared.presence.faults import NOTHING_RETURNED, fault_as
from shared.retry import Sleep, patiently, wait

CALLS_AT_ONCE: Final = 4
PATIENCE: Final = 12.0  # seconds for all Graph calls of a poll, pauses included; well within the lease of a poll


class Reader(Protocol):
    """Reads presence as a guest account or as the application. Raises Denied, Throttled, Unreachable, Broken."""

    def read(self, tenant_id: str, source: Source, user_ids: Sequence[str]) -> Sequence[GraphPresence]: ...


@dataclass(slots=True)
class Outcome:
    """What a poll's reading gave: answers by block number, what it showed of the accounts, and what it cost."""

    answers: dict[int, Answer] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    calls: int = 0
    throttles: int = 0

    @property
    def source(self) -> str:
        """Who read; of several the last one, which stood in."""
        return next((answer.source for answer in reversed(self.answers.values())), "")


class Readers:
    """One poll's way through the accounts and the blocks."""

    def __init__(self, reader: Reader, clock: Clock, sleep: Sleep = wait) -> None:
        self._reader = reader
        self._clock = clock
        self._sleep = sleep
        self._lock = Lock()

    def read(
        self, tenant_id: str, blocks: Mapping[int, Sequence[str]], accounts: Accounts, *, tracking: bool
    ) -> Outcome:
        """As much as can be read within the patience; a block that could not be read is missing from the answers.

        Being throttled is nobody's fault: the account stays as it was, and the next tick tries again.
        """
        outcome = Outcome()
        give_up_at = time.monotonic() + PATIENCE
        for source in sources(accounts, self._clock(), tracking=tracking):
            left = {number: ids for number, ids in blocks.items() if number not in outcome.answers}
            if not left or time.monotonic() > give_up_at:
                break  # within the lease; the next tick begins with the other account
            error = self._read_as(tenant_id, source, left, give_up_at, outcome)
            if isinstance(error, Throttled):
                log.warning("presence is throttled", tenant=tenant_id, source=source, why=error.detail)
                break
            code, reason = fault_as(source, error) if error else ("", "")
            if error and accounts.health(source).code != code:
                log.info("presence could not be read", tenant=tenant_id, source=source, why=error.detail)
            outcome.notes.append(Note(source, code, reason))
        return outcome

    def _read_as(
        self,
        tenant_id: str,
        source: Source,
        blocks: Mapping[int, Sequence[str]],
        give_up_at: float,
        outcome: Outcome,
    ) -> Upstream | None:
        """Add the answers of one source; gives what kept it from reading all of them."""
        errors: list[Upstream] = []

        def read(number: int) -> None:
            # A throttled call says nothing of the others; after a refusal they would only be refused as well.
            if any(not isinstance(error, Throttled) for error in errors):
                return
            try:
                rows = self._ask(tenant_id, source, blocks[number], give_up_at, outcome)
            except Upstream as error:
                errors.append(error)
            else:
                answers[number] = Answer(source, {row.user_id: row for row in rows})

        answers: dict[int, Answer] = {}
        first, *others = blocks
        read(first)  # alone, so that a broken account costs one call, not four
        if others and not errors:
            with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
                list(pool.map(read, others))
        if source != "application" and answers and not any(answer.rows for answer in answers.values()):
            return Denied("Graph returned none of the users", reason=NOTHING_RETURNED)
        outcome.answers |= answers
        return next(_worst_first(errors), None)

    def _ask(
        self, tenant_id: str, source: Source, user_ids: Sequence[str], give_up_at: float, outcome: Outcome
    ) -> Sequence[GraphPresence]:
        def ask() -> Sequence[GraphPresence]:
            with self._lock:
                outcome.calls += 1
            try:
                return self._reader.read(tenant_id, source, user_ids)
            except Throttled:
                with self._lock:
                    outcome.throttles += 1
                raise

        return patiently(ask, patience=give_up_at - time.monotonic(), sleep=self._sleep)


def _worst_first(errors: list[Upstream]) -> Iterator[Upstream]:
    """What is the account's own fault before what is nobody's."""
    yield from (error for error in errors if not isinstance(error, Throttled))
    yield from errors
