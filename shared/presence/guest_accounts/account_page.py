"""The two presence accounts as an admin sees them: how each fares, and what it reads of one user now."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Literal, Protocol

from shared.kernel.clock import to_wire
from shared.kernel.errors import Denied, NotFound, Throttled, Upstream
from shared.kernel.sign_in_errors import FaultCode
from shared.kernel.wire import Upn, Wire
from shared.presence.account_health import ACCOUNTS, Account, Health, Note, Source
from shared.presence.account_notes import AccountNotes
from shared.presence.blocks import GraphPresence
from shared.presence.faults import NOTHING_RETURNED, fault_of, remedy_of
from shared.presence.health import active_account
from shared.presence.states import State, read_state
from shared.presence.store import PresenceStore
from shared.tenants.directory import Directory
from shared.tenants.rate_limit import TenantLimit

GuestStatus = Literal["Accepted", "Pending", "NotInvited", "Unknown"]

# Per minute and tenant, for tests, permission checks and returns from a consent link together: each may sign both
# accounts in, and to Entra many sign-ins look like an attack.
MOST_SIGN_INS: Final = 30


class Fares(Wire):
    """``ok`` is false with a ``code`` and what to do; ``reason`` is Microsoft's own word for it, as it came.

    ``since``: when that last changed; ``next_try``: when a failed account is tried again.
    """

    account: Account
    upn: str
    ok: bool
    active: bool
    code: str | None
    reason: str | None
    remedy: str | None
    since: str | None
    next_try: str | None


class AccountRow(Fares):
    """``guest``: what the tenant's directory says of the account."""

    guest: GuestStatus


class Trial(Fares):
    """What one account read of one user just now; ``duration_ms`` with the sign-in."""

    state: State | None
    availability: str | None
    activity: str | None
    duration_ms: int


class TrialOf(Wire):
    """Whose presence to read."""

    upn: Upn


class AccountRows(Wire):
    """Both accounts, as every list answers them and under the name a test has for them."""

    items: list[AccountRow]
    accounts: list[AccountRow]
    continuation: None = None


class Trials(Wire):
    accounts: list[Trial]


class AccountReader(Protocol):
    """Reads as one of the accounts. Raises Denied, Throttled, Unreachable, Broken."""

    def upn(self, source: Source) -> str | None: ...
    def user_id(self, tenant_id: str, source: Source, upn: str) -> str | None: ...
    def read(
        self, tenant_id: str, source: Source, user_ids: Sequence[str], *, fresh: bool
    ) -> Sequence[GraphPresence]: ...


class Guests(Protocol):
    def guest_status(self, tenant_id: str, upn: str) -> GuestStatus: ...


class AccountPage:
    """Shows and tries the accounts; what a trial finds counts for the polls as well."""

    def __init__(
        self,
        store: PresenceStore,
        directory: Directory,
        reader: AccountReader,
        guests: Guests,
        notes: AccountNotes,
        pace: TenantLimit,
    ) -> None:
        self._store = store
        self._directory = directory
        self._reader = reader
        self._guests = guests
        self._notes = notes
        self._pace = pace

    def show(self, tenant_id: str) -> AccountRows:
        """How both fare; asks the tenant's directory whether they are its guests."""
        upns = {account: str(self._reader.upn(account)) for account in ACCOUNTS}
        with ThreadPoolExecutor(len(ACCOUNTS)) as pool:
            guests = dict(
                zip(ACCOUNTS, pool.map(lambda a: self._guests.guest_status(tenant_id, upns[a]), ACCOUNTS), strict=True)
            )
        accounts = self._store.accounts(tenant_id).accounts
        active = active_account(self._store.states(tenant_id))
        rows = [
            _row(account, upns[account], accounts.health(account), guests[account], active=account == active)
            for account in ACCOUNTS
        ]
        return AccountRows(items=rows, accounts=rows)

    def try_both(self, tenant_id: str, upn: str) -> Trials:
        """Each account reads the user now, on its own and with a sign-in of its own.

        Raises NotFound (``UserNotFound``) when neither our directory nor the tenant's knows the user, RateLimited
        when many were tried just now.
        """
        self._pace.take(tenant_id)
        user_id = self._known(tenant_id, upn)
        with ThreadPoolExecutor(len(ACCOUNTS)) as pool:
            tried = list(pool.map(lambda account: self._try(tenant_id, account, user_id, upn), ACCOUNTS))
        if any(error is None and presence is None for error, presence, _ in tried):
            raise NotFound(f"there is no user {upn}", code="UserNotFound")
        pairs = zip(ACCOUNTS, tried, strict=True)
        notes = [
            Note(account, *(fault_of(error) if error else ("", "")))
            for account, (error, _, _) in pairs
            if not _says_nothing_of_the_account(error)
        ]
        self._notes.note(tenant_id, notes)
        accounts = self._store.accounts(tenant_id).accounts
        active = active_account(self._store.states(tenant_id))
        return Trials(
            accounts=[
                _trial(account, str(self._reader.upn(account)), one, accounts.health(account), active=account == active)
                for account, one in zip(ACCOUNTS, tried, strict=True)
            ]
        )

    def _known(self, tenant_id: str, upn: str) -> str | None:
        try:
            return self._directory.user_id_of(tenant_id, upn)
        except NotFound:
            return None

    def _try(self, tenant_id: str, account: Account, user_id: str | None, upn: str) -> _Tried:
        """The error, or the presence (None for a user the tenant does not know), and the milliseconds it took."""
        began = time.monotonic()
        presence, failure = None, None
        try:
            user_id = user_id or self._reader.user_id(tenant_id, account, upn)
            if user_id is not None:
                rows = self._reader.read(tenant_id, account, [user_id], fresh=True)
                if not rows:
                    raise Denied("Graph returned nothing of the user", reason=NOTHING_RETURNED)
                presence = rows[0]
        except Upstream as error:
            failure = error
        return failure, presence, round(1000 * (time.monotonic() - began))


def _says_nothing_of_the_account(error: Upstream | None) -> bool:
    """Throttling is nobody's fault, and one user may be unknown to Graph, as who has left the tenant is."""
    return isinstance(error, Throttled) or (isinstance(error, Denied) and error.reason == NOTHING_RETURNED)


_Tried = tuple[Upstream | None, GraphPresence | None, int]


def _row(account: Account, upn: str, health: Health, guest: GuestStatus, *, active: bool) -> AccountRow:
    untried = not health.tried
    return AccountRow(
        account=account,
        upn=upn,
        ok=health.well and health.tried,
        active=active,
        code="NotTried" if untried else health.code or None,
        reason=health.reason or None,
        remedy="Run a test, or switch tracking on." if untried else remedy_of(health.code, health.reason) or None,
        since=to_wire(health.since) if health.since else None,
        next_try=to_wire(health.retry_at) if health.retry_at else None,
        guest=guest,
    )


def _trial(account: Account, upn: str, tried: _Tried, health: Health, *, active: bool) -> Trial:
    error, presence, milliseconds = tried
    fault: tuple[FaultCode, str] | None = fault_of(error) if error else None
    return Trial(
        account=account,
        upn=upn,
        ok=error is None,
        active=active,
        code=fault[0] if fault else None,
        reason=fault[1] if fault else None,
        remedy=remedy_of(*fault) if fault else None,
        since=to_wire(health.since) if health.since else None,
        next_try=to_wire(health.retry_at) if health.retry_at else None,
        state=read_state(presence.availability, presence.activity) if presence else None,
        availability=presence.availability if presence else None,
        activity=presence.activity if presence else None,
        duration_ms=milliseconds,
    )
