"""Service principals and what a tenant granted them, in Microsoft Graph: read, and added to.

Graph is eventually consistent: what was made just now may be unknown to the next call for some seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import requests

from shared.clients.graph.graph import TokenRefused
from shared.http.upstream_answers import json_of, object_in, pause_of, reaching
from shared.kernel.clock import Clock, now
from shared.kernel.clouds import Cloud
from shared.kernel.errors import Broken, Denied, Throttled, Unreachable
from shared.kernel.wire import is_guid

MOST_APPS: Final = 15  # values Graph takes in one ``in``
MOST_PAGES: Final = 20  # of 100 rows; an app with more has other problems
REPLICATION_PAUSE: Final = 2.0
_ALREADY: Final = "already exists"


class NotReplicated(Throttled):
    """404: an object made just now is not seen everywhere yet. Carries a pause; a new try may do."""


@dataclass(frozen=True, slots=True)
class Principal:
    """An app in a tenant. ``roles`` leads from ids to names of the application permissions it offers to others."""

    id: str
    client_id: str
    roles: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RoleAssignment:
    """An application permission granted: which one, of which principal, and that principal's name."""

    resource_id: str
    resource_name: str
    role_id: str


@dataclass(frozen=True, slots=True)
class ScopeGrant:
    """Delegated permissions of one resource, granted for all users."""

    id: str
    resource_id: str
    scopes: frozenset[str]


class Grants:
    """Everything raises Denied (TokenRefused for a 401), Throttled, Unreachable or Broken."""

    def __init__(self, session: requests.Session, cloud: Cloud, clock: Clock = now) -> None:
        self._session = session
        self._root = f"{cloud.graph}/v1.0"
        self._clock = clock

    def principals(self, token: str, client_ids: Collection[str]) -> dict[str, Principal]:
        """By client id, those of these apps, at most 15, that are in the tenant."""
        if len(client_ids) > MOST_APPS:
            raise ValueError(f"{len(client_ids)} apps in one call; Graph takes {MOST_APPS}")
        listed = ",".join(f"'{client_id}'" for client_id in client_ids)
        found = self._rows(token, "/servicePrincipals", f"appId in ({listed})", select="id,appId,appRoles")
        principals = [principal for row in found if (principal := _principal(row))]
        return {principal.client_id: principal for principal in principals if principal.client_id in client_ids}

    def roles(self, token: str, principal_id: str) -> list[RoleAssignment]:
        """Application permissions the principal holds."""
        found = self._rows(token, f"/servicePrincipals/{principal_id}/appRoleAssignments")
        return [assignment for row in found if (assignment := _assignment(row))]

    def scopes(self, token: str, principal_id: str) -> list[ScopeGrant]:
        """Delegated permissions the principal holds for all users of the tenant."""
        condition = f"clientId eq '{principal_id}' and consentType eq 'AllPrincipals'"
        return [
            grant for row in self._rows(token, "/oauth2PermissionGrants", condition) if (grant := _scope_grant(row))
        ]

    def add_principal(self, token: str, client_id: str) -> bool:
        """Bring the app into the tenant; False if it is there already."""
        return self._added(token, "/servicePrincipals", {"appId": client_id})

    def assign_role(self, token: str, principal_id: str, resource_id: str, role_id: str) -> bool:
        """Grant an application permission; False if it was granted already. Raises NotReplicated."""
        body = {"principalId": principal_id, "resourceId": resource_id, "appRoleId": role_id}
        return self._added(token, f"/servicePrincipals/{resource_id}/appRoleAssignedTo", body)

    def grant_scopes(self, token: str, principal_id: str, resource_id: str, scopes: Collection[str]) -> bool:
        """Grant delegated permissions for all users; False if this resource has a grant, to be widened instead.

        Raises NotReplicated.
        """
        who = {"clientId": principal_id, "consentType": "AllPrincipals", "resourceId": resource_id}
        return self._added(token, "/oauth2PermissionGrants", {**who, "scope": " ".join(sorted(scopes))})

    def rewrite_grant(self, token: str, grant_id: str, scopes: Collection[str]) -> None:
        """Make these the scopes of a grant, blindly: Graph has no condition for it. Raises NotReplicated."""
        path = f"/oauth2PermissionGrants/{quote(grant_id, safe='')}"
        self._call(token, "PATCH", self._root + path, {"scope": " ".join(sorted(scopes))})

    def _added(self, token: str, path: str, body: Mapping[str, str]) -> bool:
        return self._call(token, "POST", self._root + path, body) is not None

    def _rows(self, token: str, path: str, condition: str = "", select: str = "") -> Iterator[dict[str, Any]]:
        """Every row of a list, page by page."""
        query = {"$filter": condition, "$select": select}
        asked = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items() if value)
        url = f"{self._root}{path}" + (f"?{asked}" if asked else "")
        for _ in range(MOST_PAGES):
            answer = self._call(token, "GET", url) or {}
            rows, url = answer.get("value"), answer.get("@odata.nextLink") or ""
            if not isinstance(rows, list):
                raise Broken("Graph answered without a list")
            yield from (row for row in rows if isinstance(row, dict))
            if not url:
                return
            # The token goes with the request, so a link to anywhere else is not followed.
            if not isinstance(url, str) or not url.startswith(f"{self._root}/"):
                raise Broken("Graph's next page lies elsewhere")
        raise Broken(f"Graph has more than {MOST_PAGES} pages of grants for one app")

    def _call(self, token: str, method: str, url: str, body: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        """The JSON object of the answer, empty where there is none; None when a POST finds it done already."""
        with reaching("Graph"):
            response = self._session.request(method, url, json=body, headers={"Authorization": f"Bearer {token}"})
        code, message = _error(response)
        match response.status_code:
            case 200 | 201:
                return json_of(response, "Graph")
            case 204:
                return {}
            case 401:
                raise TokenRefused("Graph does not accept the token", reason=code or "Unauthorized")
            case 403:
                raise Denied(f"Graph refuses: {code or 'Forbidden'}", reason=code or "Forbidden")
            case 404:
                raise NotReplicated("Graph does not know the object yet", retry_after=REPLICATION_PAUSE)
            case 400 | 409 if method == "POST" and (response.status_code == 409 or _ALREADY in message.lower()):
                return None
            case 429:
                raise Throttled("Graph answered 429", retry_after=pause_of(response, self._clock))
            case 503 | 504 as status:
                raise Unreachable(f"Graph answered {status}")
            case status:
                raise Broken(f"Graph answered {status}" + (f": {message}" if message else ""))


def _principal(row: Mapping[str, Any]) -> Principal | None:
    principal_id, client_id, roles = row.get("id"), row.get("appId"), row.get("appRoles")
    if not _guids(principal_id, client_id):
        return None
    offered = [role for role in roles if isinstance(role, dict)] if isinstance(roles, list) else []
    names = {str(role.get("id")).lower(): str(role.get("value")) for role in offered if role.get("value")}
    return Principal(str(principal_id).lower(), str(client_id).lower(), names)


def _assignment(row: Mapping[str, Any]) -> RoleAssignment | None:
    resource_id, role_id, name = row.get("resourceId"), row.get("appRoleId"), row.get("resourceDisplayName")
    if not _guids(resource_id, role_id):
        return None
    return RoleAssignment(str(resource_id).lower(), str(name or "another API")[:100], str(role_id).lower())


def _scope_grant(row: Mapping[str, Any]) -> ScopeGrant | None:
    grant_id, resource_id, scope = row.get("id"), row.get("resourceId"), row.get("scope")
    if not isinstance(grant_id, str) or not _guids(resource_id) or not isinstance(scope, str):
        return None
    return ScopeGrant(grant_id, str(resource_id).lower(), frozenset(scope.split()))


def _guids(*values: object) -> bool:
    return all(isinstance(value, str) and is_guid(value) for value in values)


def _error(response: requests.Response) -> tuple[str, str]:
    """Graph's own code and sentence; empty where it gives none."""
    if response.status_code < 400:
        return "", ""
    error = (object_in(response) or {}).get("error")
    said = error if isinstance(error, dict) else {}
    code, message = (str(said.get(name) or "") for name in ("code", "message"))
    return "".join(filter(str.isprintable, code))[:100], "".join(filter(str.isprintable, message))[:300]
