"""What an admin should know when presence tracking is switched on."""

from __future__ import annotations

from shared.presence.faults import remedy_of
from shared.presence.store import PresenceStore
from shared.tenants.setting_catalogue import Settings
from shared.tenants.settings.settings import Warned
from shared.tenants.tenants import Head

_PATH = "presenceTracking.trackOverGuestAccounts"


class PresenceWarnings:
    """Reads how the accounts fare, and only while tracking is on."""

    def __init__(self, store: PresenceStore) -> None:
        self._store = store

    def warnings(self, head: Head, settings: Settings) -> list[Warned]:
        """One per account that does not work; one if none has been tried yet."""
        if not settings.presence_tracking.track_over_guest_accounts:
            return []
        accounts = self._store.accounts(head.tenant_id).accounts
        if not accounts.account1.tried and not accounts.account2.tried:
            return [Warned(path=_PATH, code="AccountsNotTried", message="no presence account has read your tenant yet")]
        return [
            Warned(
                path=_PATH,
                code=health.code,
                message=f"presence account {number} does not work. {remedy_of(health.code, health.reason)}",
            )
            for number, health in ((1, accounts.account1), (2, accounts.account2))
            if not health.well
        ]
