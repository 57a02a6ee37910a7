"""Which of the two guest accounts reads, and when the first is tried again. Pure.

Account 2 stands in only while account 1 does not work: account 1 is tried again after a pause that grows
from 30 seconds to 15 minutes, so a lasting fault costs one failed sign-in per quarter of an hour. The application,
which reads while tracking is off, has a pause of the same kind and nobody to stand in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from shared.kernel.clock import from_wire, to_wire
from shared.kernel.errors import Broken, Unreachable

Account = Literal["account1", "account2"]
Source = Literal["account1", "account2", "application"]

ACCOUNTS: Final[tuple[Account, Account]] = ("account1", "account2")
SOURCES: Final[tuple[Source, ...]] = (*ACCOUNTS, "application")
FIRST_PAUSE: Final = timedelta(seconds=30)
LONGEST_PAUSE: Final = timedelta(minutes=15)
MAY_BE_FAST: Final = timedelta(minutes=1)  # a clock of another instance
_OUTAGES: Final = (Unreachable.code, Broken.code)


@dataclass(frozen=True, slots=True)
class Health:
    """How one account fares. ``code`` says why it does not work; ``since`` is when that last changed.

    ``reason`` is what the far side itself called it, such as AADSTS50076.
    """

    code: str = ""
    since: datetime | None = None
    failures: int = 0
    retry_at: datetime | None = None
    reason: str = ""

    @property
    def well(self) -> bool:
        return not self.code

    @property
    def tried(self) -> bool:
        return self.since is not None

    @property
    def outage(self) -> bool:
        """Microsoft did not answer as it should, which is nobody's fault and ends without notice."""
        return self.reason in _OUTAGES


@dataclass(frozen=True, slots=True)
class Note:
    """What one use of an account, or of the application, showed; an empty ``code`` means that it worked."""

    account: Source
    code: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Accounts:
    """Who may read one tenant."""

    account1: Health = Health()
    account2: Health = Health()
    application: Health = Health()

    def health(self, source: Source) -> Health:
        known: dict[Source, Health] = {"account1": self.account1, "account2": self.account2}
        return known.get(source, self.application)

    @property
    def degraded(self) -> bool:
        return not self.account1.well and not self.account2.well

    def problem(self, *, tracking: bool) -> str:
        """Why nobody can read now, as far as is known; '' while somebody can."""
        if tracking:
            return self.account1.code if self.degraded else ""
        return self.application.code


def sources(accounts: Accounts, now: datetime, *, tracking: bool) -> tuple[Source, ...]:
    """Who is asked, one after the other, until one answers; nobody while all must be left in peace."""
    if tracking:
        return reading_order(accounts, now)
    application = accounts.application
    return ("application",) if application.outage or _is_due(application, now) else ()


def reading_order(accounts: Accounts, now: datetime) -> tuple[Account, ...]:
    """Which of the accounts are asked. An account in its pause is left in peace.

    But when account 2, which worked until now, fails while account 1 pauses, account 1 is asked before giving up.
    When both pause and one only because Microsoft was away, it is asked: an outage must not outlast itself.
    """
    second_due = _is_due(accounts.account2, now)
    if _is_due(accounts.account1, now):
        return ("account1", "account2") if second_due else ("account1",)
    if second_due:
        return ("account2", "account1") if accounts.account2.well else ("account2",)
    away = [name for name in ACCOUNTS if accounts.health(name).outage]
    return tuple(sorted(away, key=lambda name: accounts.health(name).retry_at or now)[:1])


def _is_due(health: Health, now: datetime) -> bool:
    if health.well or health.retry_at is None or now >= health.retry_at:
        return True
    return health.retry_at > now + LONGEST_PAUSE + MAY_BE_FAST  # noted by a clock that had gone wrong


def noted(accounts: Accounts, notes: Iterable[Note], now: datetime) -> Accounts:
    """What is known after the accounts were used."""
    for note in notes:
        accounts = replace(accounts, **{note.account: _after(accounts.health(note.account), note, now)})
    return accounts


def _after(before: Health, note: Note, now: datetime) -> Health:
    if not note.code:
        return before if before.well and before.since else Health(since=now)
    if before.code == note.code and not _is_due(before, now):
        return before  # the parts of a large tenant find the same fault at the same time: it is one failure
    failures = before.failures + 1
    pause = min(FIRST_PAUSE * 2 ** min(failures - 1, 10), LONGEST_PAUSE)
    since = before.since if before.code == note.code else now
    return Health(note.code, since, failures, now + pause, note.reason)


def rested(accounts: Accounts, now: datetime) -> Accounts:
    """Nobody pauses any longer: something changed that may have healed them."""
    due = {name: accounts.health(name) for name in SOURCES}
    return replace(accounts, **{n: replace(h, retry_at=now) for n, h in due.items() if not h.well})


def changes(before: Accounts, after: Accounts) -> list[tuple[Source, Health]]:
    """Who began to fail, fails differently, or works again: what is worth a line in the log."""
    return [(name, after.health(name)) for name in SOURCES if before.health(name).code != after.health(name).code]


def to_json(accounts: Accounts) -> dict[str, Any]:
    return {name: _to_json(accounts.health(name)) for name in SOURCES}


def from_json(data: dict[str, Any]) -> Accounts:
    return Accounts(**{name: _from_json(data[name]) for name in SOURCES if name in data})


def _to_json(health: Health) -> dict[str, Any]:
    return {
        "code": health.code,
        "since": to_wire(health.since) if health.since else None,
        "failures": health.failures,
        "retryAt": to_wire(health.retry_at) if health.retry_at else None,
        "reason": health.reason,
    }


def _from_json(data: dict[str, Any]) -> Health:
    since, retry_at = data["since"], data["retryAt"]
    return Health(
        code=data["code"],
        since=from_wire(since) if since else None,
        failures=data["failures"],
        retry_at=from_wire(retry_at) if retry_at else None,
        reason=data["reason"],
    )
