"""Reads blocks of users from Graph: as account 1, as account 2 what account 1 could not, or as the application."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import Final, Protocol

from shared.kernel import log
from shared.kernel.clock import Clock
from shared.kernel.errors import Denied, Throttled, Upstream
from shared.presence.account_health import Accounts, Note, Source, sources
from shared.presence.blocks import Answer, GraphPresence
from shared.presence.faults import NOTHING_RETURNED, fault_as

CALLS_AT_ONCE: Final = 4


class Reader(Protocol):
    """Reads presence as a guest account or as the application. Raises Denied, Throttled, Unreachable, Broken."""

    def read(self, tenant_id: str, source: Source, user_ids: Sequence[str]) -> Sequence[GraphPresence]: ...


@dataclass(slots=True)
class Outcome:
    """What a poll's reading gave: answers by block number, what it showed of the accounts, and what it cost.

    ``pause``: the seconds after which it is worth to ask for the other blocks; None if nobody can read them now.
    """

    answers: dict[int, Answer] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    calls: int = 0
    throttles: int = 0
    pause: float | None = None

    @property
    def source(self) -> str:
        """Who read; of several the last one, which stood in."""
        return next((answer.source for answer in reversed(self.answers.values())), "")


class Readers:
    """One poll's way through the accounts and the blocks. It never waits: whoever polls holds a place others need."""

    def __init__(self, reader: Reader, clock: Clock, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._reader = reader
        self._clock = clock
        self._elapsed = elapsed
        self._lock = Lock()

    def read(
        self,
        tenant_id: str,
        blocks: Mapping[int, Sequence[str]],
        accounts: Accounts,
        *,
        tracking: bool,
        patience: float,
        judge: bool,
    ) -> Outcome:
        """As many blocks, in their order, as can be begun within ``patience`` seconds.

        Being throttled is nobody's fault: the account stays as it was. ``judge``: these are enough users to blame an
        account that sees none of them.
        """
        outcome = Outcome()
        give_up_at = self._elapsed() + patience
        for source in sources(accounts, self._clock(), tracking=tracking):
            left = {number: ids for number, ids in blocks.items() if number not in outcome.answers}
            if not left:
                break
            blame = judge and source != "application" and len(left) == len(blocks)
            error = self._read_as(tenant_id, source, left, give_up_at, outcome, blame=blame)
            if isinstance(error, Throttled):
                log.warning("presence is throttled", tenant=tenant_id, source=source, why=error.detail)
                outcome.pause = error.retry_after
                break
            code, reason = fault_as(source, error) if error else ("", "")
            if error and accounts.health(source).code != code:
                log.info("presence could not be read", tenant=tenant_id, source=source, why=error.detail)
            # The application sees all users or is refused; an account that sees nobody may be a restricted guest.
            if error or source == "application" or any(outcome.answers[n].rows for n in left if n in outcome.answers):
                outcome.notes.append(Note(source, code, reason))
        return outcome

    def _read_as(
        self,
        tenant_id: str,
        source: Source,
        blocks: Mapping[int, Sequence[str]],
        give_up_at: float,
        outcome: Outcome,
        *,
        blame: bool,
    ) -> Upstream | None:
        """Add the answers of one source; gives what kept it from reading all of them, None too if time did."""
        errors: list[Upstream] = []
        answers: dict[int, Answer] = {}

        def read(number: int) -> None:
            # After a refusal the others would only be refused as well, and throttled ones only wait longer.
            if errors:
                return
            if self._elapsed() >= give_up_at:
                outcome.pause = 0
                return
            try:
                rows = self._ask(tenant_id, source, blocks[number], outcome)
            except Upstream as error:
                errors.append(error)
            else:
                answers[number] = Answer(source, {row.user_id: row for row in rows})

        first, *others = blocks
        read(first)  # alone, so that a broken account costs one call, not four
        if others and not errors:
            with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
                list(pool.map(read, others))
        if blame and answers and not any(answer.rows for answer in answers.values()):
            return Denied("Graph returned none of the users", reason=NOTHING_RETURNED)
        outcome.answers |= answers
        return _worst(errors)

    def _ask(
        self, tenant_id: str, source: Source, user_ids: Sequence[str], outcome: Outcome
    ) -> Sequence[GraphPresence]:
        with self._lock:
            outcome.calls += 1
        try:
            return self._reader.read(tenant_id, source, user_ids)
        except Throttled:
            with self._lock:
                outcome.throttles += 1
            raise


def _worst(errors: Sequence[Upstream]) -> Upstream | None:
    """What is the account's own fault before what is nobody's, and of pauses the longest."""
    throttled = [error for error in errors if isinstance(error, Throttled)]
    own = (error for error in errors if not isinstance(error, Throttled))
    return next(own, max(throttled, key=lambda error: error.retry_after, default=None))
