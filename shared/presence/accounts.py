"""Which of the two guest accounts reads, and when the first is tried again. Pure.

Account 2 stands in only while account 1 does not work: account 1 is tried again after a pause that grows
from 30 seconds to 15 minutes, so a lasting fault costs one failed sign-in per quarter of an hour.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from shared.clock import from_wire, to_wire

Account = Literal["account1", "account2"]
Source = Literal["account1", "account2", "application"]

FIRST_PAUSE: Final = timedelta(seconds=30)
LONGEST_PAUSE: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Health:
    """How one account fares. ``code`` says why it does not work; ``since`` is when that last changed."""

    code: str = ""
    since: datetime | None = None
    failures: int = 0
    retry_at: datetime | None = None

    @property
    def well(self) -> bool:
        return not self.code


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


def noted(accounts: Accounts, account: Account, *, code: str, now: datetime) -> Accounts:
    """What is known after an account was used; an empty ``code`` means it worked."""
    before = accounts.health(account)
    if not code:
        after = before if before.well and before.since else Health(since=now)
    else:
        failures = before.failures + 1
        pause = min(FIRST_PAUSE * 2 ** min(failures - 1, 10), LONGEST_PAUSE)
        since = before.since if before.code == code else now
        after = Health(code, since, failures, now + pause)
    return replace(accounts, **{account: after})


def changes(before: Accounts, after: Accounts) -> list[tuple[Account, Health]]:
    """The accounts that began to fail, fail differently, or work again: what is worth a line in the log."""
    names: tuple[Account, ...] = ("account1", "account2")
    return [(name, after.health(name)) for name in names if before.health(name).code != after.health(name).code]


def to_json(accounts: Accounts) -> dict[str, Any]:
    return {name: _to_json(accounts.health(name)) for name in ("account1", "account2")}


def from_json(data: dict[str, Any]) -> Accounts:
    return Accounts(_from_json(data.get("account1", {})), _from_json(data.get("account2", {})))


def _to_json(health: Health) -> dict[str, Any]:
    return {
        "code": health.code,
        "since": to_wire(health.since) if health.since else None,
        "failures": health.failures,
        "retryAt": to_wire(health.retry_at) if health.retry_at else None,
    }


def _from_json(data: dict[str, Any]) -> Health:
    since, retry_at = data.get("since"), data.get("retryAt")
    return Health(
        code=data.get("code", ""),
        since=from_wire(since) if since else None,
        failures=data.get("failures", 0),
        retry_at=from_wire(retry_at) if retry_at else None,
    )
