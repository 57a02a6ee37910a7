"""The users of a tenant's directory that fit a filter, read as the application."""

from __future__ import annotations

from typing import Final

from shared.clients.entra.sign_in import SignIns
from shared.clients.graph.filtered_lists import GraphLists, Listed
from shared.clients.graph.graph import TokenRefused
from shared.kernel.errors import Denied

SHOWN: Final = (
    "id,displayName,givenName,surname,mail,userPrincipalName,jobTitle,companyName,department,businessPhones,"
    "mobilePhone,city,state,country"
)


class DirectorySearch:
    def __init__(self, sign_ins: SignIns, lists: GraphLists) -> None:
        self._sign_ins = sign_ins
        self._lists = lists

    def users(self, tenant_id: str, filter_text: str, *, top: int) -> Listed:
        """At most ``top`` users; an empty filter lets all through.

        Raises Denied, Throttled, Unreachable or Broken, from the sign-in as from Graph.
        """
        try:
            return self._read(tenant_id, filter_text, top, fresh=False)
        except TokenRefused:
            return self._read(tenant_id, filter_text, top, fresh=True)

    def _read(self, tenant_id: str, filter_text: str, top: int, *, fresh: bool) -> Listed:
        token = self._sign_ins.app_token(tenant_id, fresh=fresh)
        parameters = {"$select": SHOWN} | ({"$filter": filter_text} if filter_text else {})
        try:
            return self._lists.read(token, "/v1.0/users", parameters, top=top)
        except Denied:
            # Roles are those of the hour the token was made: after a consent only a new one has them.
            self._sign_ins.forget(tenant_id, None)
            raise
