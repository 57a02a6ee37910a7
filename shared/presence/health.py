"""How well presence of a tenant is kept, in figures for the portal and for alerts."""

from __future__ import annotations

from datetime import timedelta

from shared.kernel.clock import Clock, from_wire
from shared.kernel.wire import Wire
from shared.presence.account_health import ACCOUNTS, Account, Accounts
from shared.presence.store import PartState, PresenceStore
from shared.presence.views import POLLS_UNTIL_STALE, is_fresh
from shared.tenants.tenants import Head


class PresenceHealth(Wire):
    """The last poll, summed over the parts of the tenant; times in UTC.

    ``age_seconds``: since the block was read that nobody has read for the longest time, None if one never was; with
    ``stale`` that is too long for its readings to count. ``degraded``: who should read is refused, with tracking on
    both accounts, else the application; ``problem`` says with which code.
    """

    tracking: bool
    last_poll_at: str | None
    age_seconds: int | None
    stale: bool
    users_read: int
    changes: int
    graph_calls: int
    throttled: int
    milliseconds: int
    active_account: Account | None
    degraded: bool
    problem: str | None

    @property
    def works(self) -> bool:
        """Calls can be told from being busy now."""
        return self.tracking and not self.degraded and not self.stale and self.active_account is not None


class HealthOfPresence:
    """Reads what polls leave behind; ``interval`` is the time between two of them."""

    def __init__(self, store: PresenceStore, clock: Clock, interval: timedelta) -> None:
        self._store = store
        self._clock = clock
        self._fresh_for = interval * POLLS_UNTIL_STALE

    def of(self, head: Head) -> PresenceHealth:
        tracking = head.settings.value.presence_tracking.track_over_guest_accounts
        states = self._store.states(head.tenant_id)
        accounts = self._store.accounts(head.tenant_id).accounts
        return self._summed(tracking, states, accounts)

    def _summed(self, tracking: bool, states: list[PartState], accounts: Accounts) -> PresenceHealth:
        figures = [state.figures for state in states]
        oldest = min((one.oldest for one in figures), default="")
        problem = accounts.problem(tracking=tracking)
        age = self._clock() - from_wire(oldest) if oldest else None
        return PresenceHealth(
            tracking=tracking,
            last_poll_at=min((one.polled_at for one in figures), default="") or None,
            age_seconds=max(int(age.total_seconds()), 0) if age is not None else None,
            stale=age is None or not is_fresh(age, self._fresh_for),
            users_read=sum(one.users for one in figures),
            changes=sum(one.changes for one in figures),
            graph_calls=sum(one.graph_calls for one in figures),
            throttled=sum(one.throttles for one in figures),
            milliseconds=max((one.milliseconds for one in figures), default=0),
            active_account=active_account(states) if tracking else None,
            degraded=bool(problem),
            problem=problem or None,
        )


def active_account(states: list[PartState]) -> Account | None:
    """Who read in the last poll that read anything."""
    latest = max(states, key=lambda state: state.figures.polled_at, default=PartState())
    return next((account for account in ACCOUNTS if account == latest.figures.source), None)
