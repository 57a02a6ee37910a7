"""A shelf for tokens that several sign-ins can share, as instances share a table."""

from __future__ import annotations

from datetime import datetime


class MemoryShelf:
    """Holds what it is given. ``renewing`` names who another instance says it renews; ``broken`` keeps nothing."""

    def __init__(self) -> None:
        self.tokens: dict[tuple[str, str], tuple[str, datetime]] = {}
        self.refresh_tokens: dict[str, tuple[str | None, str]] = {}
        self.rotated: list[tuple[str, str]] = []
        self.renewing: set[str] = set()
        self.broken = False

    def token(self, tenant_id: str, who: str) -> tuple[str, datetime] | None:
        return self.tokens.get((tenant_id, who))

    def keep_token(self, tenant_id: str, who: str, value: str, renew_at: datetime) -> None:
        if not self.broken:
            self.tokens[tenant_id, who] = (value, renew_at)

    def forget_token(self, tenant_id: str, who: str, value: str | None = None) -> None:
        if value in (None, self.tokens.get((tenant_id, who), ("",))[0]):
            self.tokens.pop((tenant_id, who), None)

    def claim(self, tenant_id: str, who: str) -> bool:
        return who not in self.renewing

    def refresh_token(self, upn: str, configured: str | None) -> str | None:
        origin, latest = self.refresh_tokens.get(upn, (None, None))
        return latest if latest and origin == configured else configured

    def keep_refresh_token(self, upn: str, configured: str | None, latest: str) -> None:
        self.rotated.append((upn, latest))
        if not self.broken:
            self.refresh_tokens[upn] = (configured, latest)
