"""Service principals and what tenants granted them: app roles and delegated scopes."""

from __future__ import annotations

import re
from typing import Any, Final

from simulator.graph_access import GUID, Reader, not_found
from simulator.graph_filter import matches
from simulator.graph_lists import filter_of, page_reply, refuse_skip
from simulator.graph_permissions import ACS_APP, ACS_SCOPES, acs_scopes, app_role_id, app_roles, scopes
from simulator.graph_types import GRANT, check_literals
from simulator.state import Cloud, Tenant, stable_id
from simulator.tokens import GRAPH_APP
from simulator.wire import Call, Reply, json_reply

READ_APPS: Final = (
    "Application.Read.All",
    "Application.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
)
READ_GRANTS: Final = (
    "DelegatedPermissionGrant.Read.All",
    "DelegatedPermissionGrant.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
)
_BY_APP_ID: Final = re.compile(r"serviceprincipals\(appid='([^']*)'\)", re.IGNORECASE)

Row = dict[str, Any]


def answer(cloud: Cloud, call: Call, reader: Reader, parts: list[str]) -> Reply:
    """Answer a GET below servicePrincipals and oauth2PermissionGrants."""
    replicate(reader.tenant)
    if parts[0].lower() == "oauth2permissiongrants":
        reader.must(*READ_GRANTS)
        return _list(call, "oauth2PermissionGrants", permission_grants(reader))
    reader.must(*READ_APPS)
    by_app_id = _BY_APP_ID.fullmatch(parts[0])
    if by_app_id:
        return _below(cloud, call, reader, principal_id(reader, by_app_id[1]), parts[1:])
    if len(parts) == 1:
        return _list(call, "servicePrincipals", principals(cloud, reader))
    return _below(cloud, call, reader, parts[1].lower(), parts[2:])


def replicate(tenant: Tenant) -> None:
    """One request later, word of new service principals has spread further."""
    tenant.unseen = {client_id: left - 1 for client_id, left in tenant.unseen.items() if left > 0}


def principal_id(reader: Reader, client_id: str) -> str:
    """The object id of an app's service principal in the reader's tenant."""
    return stable_id(reader.tenant.tenant_id, client_id)


def principals(cloud: Cloud, reader: Reader) -> list[Row]:
    """Graph itself and every app the tenant ever granted something, as far as word of them has spread."""
    tenant = reader.tenant
    rows = [_resource(GRAPH_APP, "Microsoft Graph", app_roles(), scopes())]
    # A consent to a scope brings the resource that publishes it into the tenant.
    on_acs = [ACS_APP for held in tenant.consents.values() if held & ACS_SCOPES.keys()]
    for client_id in sorted({*tenant.consents, *tenant.grants, *on_acs}):
        if client_id in tenant.unseen:
            continue
        app = cloud.apps.get(client_id)
        if client_id == ACS_APP:
            rows.append(_resource(ACS_APP, "Azure Communication Services", [], acs_scopes()))
        else:
            rows.append(_resource(client_id, app.name if app else client_id, [], []))
    return [{"id": principal_id(reader, str(row["appId"])), **row} for row in rows]


def principal_of(cloud: Cloud, reader: Reader, object_id: str) -> Row:
    """The service principal with that object id; 404 without one, or while it replicates."""
    found = next((row for row in principals(cloud, reader) if row["id"] == object_id.lower()), None)
    if found is None:
        raise not_found(object_id)
    return found


def _resource(client_id: str, name: str, roles: list[Row], offered: list[Row]) -> Row:
    return {
        "accountEnabled": True,
        "servicePrincipalType": "Application",
        "appId": client_id,
        "displayName": name,
        "appRoles": roles,
        "oauth2PermissionScopes": offered,
    }


def assignment_id(principal: str, role: str) -> str:
    """The id of an app role assignment."""
    return stable_id(principal, "role", role)


def grant_id(principal: str, resource_app: str) -> str:
    """The id of a grant of delegated scopes; a principal has one per resource."""
    return stable_id(principal, "scopes", resource_app)


def role_assignments(reader: Reader, client_id: str) -> list[Row]:
    """The app roles on Graph that the tenant granted an app."""
    principal, resource = principal_id(reader, client_id), principal_id(reader, GRAPH_APP)
    return [
        {
            "id": assignment_id(principal, role),
            "appRoleId": app_role_id(role),
            "principalId": principal,
            "principalType": "ServicePrincipal",
            "resourceId": resource,
            "resourceDisplayName": "Microsoft Graph",
            "createdDateTime": "2026-01-01T00:00:00Z",
        }
        for role in sorted(reader.tenant.grants.get(client_id, set()))
    ]


def permission_grants(reader: Reader, only: str | None = None) -> list[Row]:
    """The delegated scopes that the tenant consented to for all its users, a row per app and resource."""
    rows = []
    for client_id, consented in sorted(reader.tenant.consents.items()):
        if only not in (None, client_id):
            continue
        principal = principal_id(reader, client_id)
        on_acs = consented & ACS_SCOPES.keys()
        rows += [
            {
                "id": grant_id(principal, resource_app),
                "clientId": principal,
                "consentType": "AllPrincipals",
                "principalId": None,
                "resourceId": principal_id(reader, resource_app),
                "scope": " ".join(sorted(held)),
            }
            for resource_app, held in ((GRAPH_APP, consented - on_acs), (ACS_APP, on_acs))
            if held
        ]
    return rows


def _below(cloud: Cloud, call: Call, reader: Reader, principal: str, rest: list[str]) -> Reply:
    found = next((row for row in principals(cloud, reader) if row["id"] == principal), None)
    if found is None or not GUID.fullmatch(principal):
        raise not_found(principal)
    match [part.lower() for part in rest]:
        case []:
            chosen = _select(call, found)
            return json_reply(
                {"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#servicePrincipals/$entity", **chosen}
            )
        case ["approleassignments"]:
            return _list(call, "appRoleAssignments", role_assignments(reader, found["appId"]))
        case ["oauth2permissiongrants"]:
            grants = [row for row in permission_grants(reader) if row["clientId"] == principal]
            return _list(call, "oauth2PermissionGrants", grants)
    raise not_found(rest[0])


def _list(call: Call, context: str, rows: list[Row]) -> Reply:
    refuse_skip(call)
    node = filter_of(call)
    if node is not None:
        check_literals(node, GRANT[context])
        rows = [row for row in rows if matches(node, row)]
    return page_reply(call, context, [_select(call, row) for row in rows], selected=None)


def _select(call: Call, row: Row) -> Row:
    wanted = call.query.get("$select")
    if not wanted:
        return row
    names = {name.strip().lower() for name in wanted.split(",")}
    return {name: value for name, value in row.items() if name.lower() in names}
