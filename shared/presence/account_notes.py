"""Remembers how a tenant's accounts fare, for all instances, and logs each change once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from shared.kernel import log
from shared.kernel.clock import Clock
from shared.kernel.errors import NotFound, Stale
from shared.presence.account_health import Accounts, Health, Note, changes, noted, rested
from shared.presence.store import PresenceStore
from shared.storage.tables import Exists


class AccountNotes:
    """Polls, tests and consents write here at the same time; each change is applied to what is there by then."""

    def __init__(self, store: PresenceStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def note(self, tenant_id: str, notes: Sequence[Note], known: Accounts | None = None) -> None:
        """Add what was found; whoever's write makes the change logs it. ``known`` saves a read if it says the same."""
        if known is None or noted(known, notes, self._clock()) != known:
            self._change(tenant_id, lambda accounts: noted(accounts, notes, self._clock()))

    def rest(self, tenant_id: str) -> None:
        """Let both accounts be tried with the next poll."""
        self._change(tenant_id, lambda accounts: rested(accounts, self._clock()))

    def _change(self, tenant_id: str, change: Callable[[Accounts], Accounts]) -> None:
        while True:
            kept = self._store.accounts(tenant_id)
            after = change(kept.accounts)
            if after == kept.accounts:
                return
            try:
                self._store.save_accounts(tenant_id, after, kept)
            except (Stale, Exists):
                continue  # another one was faster: add to what it wrote
            except NotFound:
                return  # the tenant has left
            for account, health in changes(kept.accounts, after):
                _log(tenant_id, account, health)
            return


def _log(tenant_id: str, account: str, health: Health) -> None:
    if health.well:
        log.info("presence account works again", tenant=tenant_id, account=account)
    else:
        log.warning(
            "presence account does not work",
            tenant=tenant_id,
            account=account,
            code=health.code,
            reason=health.reason,
        )
