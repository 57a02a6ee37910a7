"""What changes service principals and their grants: POST, PATCH and DELETE, as strict as Graph is.

A new service principal is unknown to the next `replicationLag` requests of its tenant, but for a second POST of it.
"""

from __future__ import annotations

from typing import Any

from simulator.graph_access import GraphRefusal, Reader, not_found
from simulator.graph_grants import (
    READ_APPS,
    assignment_id,
    grant_id,
    permission_grants,
    principal_of,
    principals,
    replicate,
    role_assignments,
)
from simulator.graph_permissions import ACS_APP, ACS_SCOPES, role_name
from simulator.state import Cloud, Tenant
from simulator.tokens import GRAPH_APP
from simulator.wire import Call, Reply, json_reply

WRITE_APPS = ("Application.ReadWrite.All", "Application.ReadWrite.OwnedBy")
WRITE_ROLES = ("AppRoleAssignment.ReadWrite.All",)
WRITE_GRANTS = ("DelegatedPermissionGrant.ReadWrite.All", "Directory.ReadWrite.All")
FIRST_PARTY = (GRAPH_APP, ACS_APP)


def answer(cloud: Cloud, call: Call, reader: Reader, parts: list[str]) -> Reply:
    """Answer what is not a GET below servicePrincipals and oauth2PermissionGrants."""
    replicate(reader.tenant)
    match call.method, [part.lower() for part in parts]:
        case "POST", ["serviceprincipals"]:
            reader.must(*WRITE_APPS)
            return _add_principal(cloud, reader, _object(call))
        case "POST", ["serviceprincipals", _, "approleassignedto" | "approleassignments"]:
            _must_assign(reader)
            return _assign(cloud, reader, _object(call))
        case "DELETE", ["serviceprincipals", _, "approleassignedto" | "approleassignments", assignment]:
            _must_assign(reader)
            return _unassign(reader, assignment)
        case "POST", ["oauth2permissiongrants"]:
            reader.must(*WRITE_GRANTS)
            return _grant(cloud, reader, _object(call))
        case "PATCH" | "DELETE", ["oauth2permissiongrants", _]:
            reader.must(*WRITE_GRANTS)
            scope = _text(_object(call), "scope") if call.method == "PATCH" else ""
            return _rewrite(reader, parts[1], set(scope.split()))
    raise GraphRefusal(405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.")


def _add_principal(cloud: Cloud, reader: Reader, body: dict[str, Any]) -> Reply:
    client_id = _text(body, "appId").lower()
    if client_id not in cloud.apps and client_id not in FIRST_PARTY:
        message = f"The appId '{client_id}' of the service principal does not reference a valid application object."
        raise GraphRefusal(400, "Request_BadRequest", message)
    tenant = reader.tenant
    if client_id == GRAPH_APP or client_id in tenant.grants or client_id in tenant.consents:
        message = f"The service principal cannot be created because the service principal name {client_id} is in use."
        raise GraphRefusal(409, "Request_MultipleObjectsWithSameKeyValue", message)
    _kept(cloud, tenant).grants[client_id] = set()
    row = next(row for row in principals(cloud, reader) if row["appId"] == client_id)
    if tenant.replication_lag:
        tenant.unseen[client_id] = tenant.replication_lag
    return json_reply(row, 201)


def _assign(cloud: Cloud, reader: Reader, body: dict[str, Any]) -> Reply:
    principal = principal_of(cloud, reader, _text(body, "principalId"))
    resource = principal_of(cloud, reader, _text(body, "resourceId"))
    role = role_name(_text(body, "appRoleId")) if resource["appId"] == GRAPH_APP else None
    if role is None:
        raise GraphRefusal(400, "Request_BadRequest", "Permission being assigned was not found on application")
    held = reader.tenant.grants.setdefault(principal["appId"], set())
    if role in held:
        raise GraphRefusal(400, "Request_BadRequest", "Permission being assigned already exists on the object")
    held.add(role)
    made = assignment_id(principal["id"], role)
    return json_reply(next(row for row in role_assignments(reader, principal["appId"]) if row["id"] == made), 201)


def _unassign(reader: Reader, assignment: str) -> Reply:
    for client_id, held in reader.tenant.grants.items():
        for row, role in zip(role_assignments(reader, client_id), sorted(held), strict=True):
            if row["id"] == assignment:
                held.remove(role)
                return Reply(204)
    raise not_found(assignment)


def _grant(cloud: Cloud, reader: Reader, body: dict[str, Any]) -> Reply:
    if _text(body, "consentType") != "AllPrincipals":
        raise GraphRefusal(400, "Request_BadRequest", "The simulator knows grants for all users only.")
    principal = principal_of(cloud, reader, _text(body, "clientId"))
    resource = principal_of(cloud, reader, _text(body, "resourceId"))
    scopes = set(_text(body, "scope").split())
    made = grant_id(principal["id"], resource["appId"])
    if any(row["id"] == made for row in permission_grants(reader)):
        raise GraphRefusal(409, "Request_MultipleObjectsWithSameKeyValue", "Permission entry already exists.")
    _must_offer(resource["appId"], scopes)
    reader.tenant.consents.setdefault(principal["appId"], set()).update(scopes)
    return json_reply(next(row for row in permission_grants(reader) if row["id"] == made), 201)


def _rewrite(reader: Reader, grant: str, scopes: set[str]) -> Reply:
    """Make these the scopes of a grant; without any it is gone."""
    for client_id, held in reader.tenant.consents.items():
        for row in permission_grants(reader, only=client_id):
            if row["id"] == grant:
                before = set(row["scope"].split())
                _must_offer(ACS_APP if before & ACS_SCOPES.keys() else GRAPH_APP, scopes)
                held.difference_update(before)
                held.update(scopes)
                return Reply(204)
    raise not_found(grant)


def _must_assign(reader: Reader) -> None:
    reader.must(*WRITE_ROLES)
    reader.must(*READ_APPS)


def _must_offer(resource: str, scopes: set[str]) -> None:
    """A scope belongs to one resource; the other one does not know it."""
    if scopes and (resource == ACS_APP) != bool(scopes & ACS_SCOPES.keys()):
        raise GraphRefusal(400, "Request_BadRequest", "The resource does not publish the scope that is granted.")


def _kept(cloud: Cloud, tenant: Tenant) -> Tenant:
    """The tenant, remembered from now on even if nobody had described it."""
    return cloud.tenants.setdefault(tenant.tenant_id, tenant)


def _object(call: Call) -> dict[str, Any]:
    body = call.json()
    if not isinstance(body, dict):
        raise GraphRefusal(400, "BadRequest", "Unable to read JSON request payload.")
    return body


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        raise GraphRefusal(400, "Request_BadRequest", f"A value is required for property '{name}' of the resource.")
    return value
