"""Which of the two guest accounts reads, and when the first is tried again. Pure.

Account 2 stands in only while account 1 does not work: account 1 is tried again after a pause that grows
from 30 seconds to 15 minutes, so a lasting fault costs one failed sign-in per quarter of an hour.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from shared.clock import from_wire, to_wire

Account = Literal["account1", "account2"]
Source = Literal["account1", "account2", "application"]

ACCOUNTS: Final[tuple[Account, Account]] = ("account1", "account2")
FIRST_PAUSE: Final = timedelta(seconds=30)
LONGEST_PAUSE: Final = timedelta(minutes=15)


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


@dataclass(frozen=True, slots=True)
class Note:
    """What one use of an account showed; an empty ``code`` means that it worked."""

    account: Account
    code: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Accounts:
    """Both accounts of one tenant."""

    account1: Health = Health()
    account2: Health = Health()

    def health(self, account: Account) -> Health:
        return self.account1 if account == "account1" else self.account2

    @property
    def degraded(self) -> bool:
        return not self.account1.well and not self.account2.well


def reading_order(accounts: Accounts, now: datetime) -> tuple[Account, ...]:
    """Who is asked, one after the other, until one answers. An account in its pause is left in peace.

    But when account 2, which worked until now, fails while account 1 pauses, account 1 is asked before giving up.
    """
    second_due = _is_due(accounts.account2, now)
    if _is_due(accounts.account1, now):
        return ("account1", "account2") if second_due else ("account1",)
    if second_due:
        return ("account2", "account1") if accounts.account2.well else ("account2",)
    return ()


def _is_due(health: Health, now: datetime) -> bool:
    return health.well or health.retry_at is None or now >= health.retry_at


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
    due = {name: accounts.health(name) for name in ACCOUNTS}
    return replace(accounts, **{n: replace(h, retry_at=now) for n, h in due.items() if not h.well})


def changes(before: Accounts, after: Accounts) -> list[tuple[Account, Health]]:
    """The accounts that began to fail, fail differently, or work again: what is worth a line in the log."""
    return [(name, after.health(name)) for name in ACCOUNTS if before.health(name).code != after.health(name).code]


def to_json(accounts: Accounts) -> dict[str, Any]:
    return {name: _to_json(accounts.health(name)) for name in ACCOUNTS}


def from_json(data: dict[str, Any]) -> Accounts:
    return Accounts(_from_json(data["account1"]), _from_json(data["account2"]))


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
