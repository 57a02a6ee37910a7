"""What a tenant's own directory says of our accounts and of what was granted to the Nimbus App."""

from __future__ import annotations

from typing import Final, Literal

from shared.app_settings.config import PresenceAccount
from shared.clients.entra.sign_in import SignIns
from shared.clients.graph.grants import Grants
from shared.clients.graph.graph import Graph
from shared.kernel.components import RESOURCE_CLIENT_IDS
from shared.kernel.errors import Denied, Upstream

GuestStatus = Literal["Accepted", "Pending", "NotInvited", "Unknown"]

_GRAPH: Final = RESOURCE_CLIENT_IDS["Microsoft Graph"]


class TenantFacts:
    """Reads as the application; ``client_id`` is the Nimbus App's."""

    def __init__(
        self,
        sign_ins: SignIns,
        graph: Graph,
        grants: Grants,
        client_id: str,
        accounts: tuple[PresenceAccount, PresenceAccount],
    ) -> None:
        self._sign_ins = sign_ins
        self._graph = graph
        self._grants = grants
        self._client_id = client_id
        self._accounts = accounts

    def guest_status(self, tenant_id: str, upn: str) -> GuestStatus:
        """Whether the account is a guest of the tenant; ``Unknown`` when the directory cannot be read."""
        quoted = upn.replace("'", "''")
        query = {"$filter": f"mail eq '{quoted}' and userType eq 'Guest'", "$select": "id,externalUserState"}
        try:
            rows = list(self._graph.pages(self._sign_ins.app_token(tenant_id), "/v1.0/users", **query))
        except Upstream:
            return "Unknown"
        if not rows:
            return "NotInvited"
        return "Pending" if rows[0].get("externalUserState") == "PendingAcceptance" else "Accepted"

    def delegated_grants(self, tenant_id: str) -> frozenset[str] | None:
        """The scopes the whole tenant granted the Nimbus App; None when nobody can tell. Never from memory.

        Reading grants takes permissions that not every tenant gives. Without them a sign-in of a guest account
        tells its scopes. Raises Throttled, Unreachable or Broken.
        """
        try:
            return self._grants_read(tenant_id)
        except Denied:
            return self._scopes_of_a_sign_in(tenant_id)

    def _grants_read(self, tenant_id: str) -> frozenset[str]:
        token = self._sign_ins.app_token(tenant_id, fresh=True)
        principals = self._grants.principals(token, [self._client_id, _GRAPH])
        ours, graph = principals.get(self._client_id), principals.get(_GRAPH)
        if ours is None or graph is None:
            return frozenset()
        # User.Read of another API says nothing of Graph's.
        granted = [grant for grant in self._grants.scopes(token, ours.id) if grant.resource_id == graph.id]
        return frozenset(scope for grant in granted for scope in grant.scopes)

    def _scopes_of_a_sign_in(self, tenant_id: str) -> frozenset[str] | None:
        for account in self._accounts:
            try:
                return self._sign_ins.guest_scopes(tenant_id, account)
            except Denied as exc:
                if exc.fault is not None and exc.fault.family == "ConsentMissing":  # known, and nothing is granted
                    return frozenset()
        return None
