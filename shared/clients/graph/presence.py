"""Presence of a tenant's users, read as one of the two guest accounts or as the application."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal
from urllib.parse import quote

from shared.app_settings.config import PresenceAccount
from shared.clients.entra.sign_in import SignIns
from shared.clients.graph.graph import Absent, Graph, PresenceReading, TokenRefused
from shared.kernel.errors import Denied

Source = Literal["account1", "account2", "application"]


class PresenceReader:
    def __init__(self, sign_ins: SignIns, graph: Graph, accounts: tuple[PresenceAccount, PresenceAccount]) -> None:
        self._sign_ins = sign_ins
        self._graph = graph
        self._accounts = {"account1": accounts[0], "account2": accounts[1]}

    def upn(self, source: Source) -> str | None:
        """Who reads; None for the application."""
        account = self._accounts.get(source)
        return account.upn if account else None

    def read(
        self, tenant_id: str, source: Source, user_ids: Sequence[str], *, fresh: bool = False
    ) -> list[PresenceReading]:
        """What at most 650 users of the tenant do now; ``fresh`` signs in anew first.

        Raises Denied, Throttled, Unreachable or Broken, from the sign-in as from Graph.
        """
        try:
            return self._read_once(tenant_id, source, user_ids, fresh=fresh)
        except TokenRefused:  # and forgotten: of several calls at once the first signs in for all
            return self._read_once(tenant_id, source, user_ids, fresh=False)

    def user_id(self, tenant_id: str, source: Source, upn: str) -> str | None:
        """The id of a user of the tenant's own directory, None without one; signs in anew, raises like ``read``."""
        token = self._token(tenant_id, source, fresh=True)
        try:
            found = self._graph.get(token, f"/v1.0/users/{quote(upn, safe='@')}", **{"$select": "id"}).get("id")
        except Absent:
            return None
        return found.lower() if isinstance(found, str) else None

    def forget(self, tenant_id: str) -> None:
        """Sign in anew from now on: what the tenant grants has changed."""
        for account in self._accounts.values():
            self._sign_ins.forget(tenant_id, account.upn)
        self._sign_ins.forget(tenant_id, None)

    def _read_once(
        self, tenant_id: str, source: Source, user_ids: Sequence[str], *, fresh: bool
    ) -> list[PresenceReading]:
        token = self._token(tenant_id, source, fresh=fresh)
        try:
            return self._graph.presences(token, user_ids)
        except Denied:
            # Roles and scopes are those of the hour the token was made: after a consent only a new one has them.
            self._sign_ins.forget(tenant_id, self.upn(source), token)
            raise

    def _token(self, tenant_id: str, source: Source, *, fresh: bool) -> str:
        if account := self._accounts.get(source):
            return self._sign_ins.guest_token(tenant_id, account, fresh=fresh)
        return self._sign_ins.app_token(tenant_id, fresh=fresh)
