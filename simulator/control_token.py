"""Tokens on demand: any tenant, any user, any claim, signed with the simulated Entra key."""

from __future__ import annotations

import uuid
from typing import Any, Final

from simulator.control_input import BadControl, Fields, guid
from simulator.keys import Claims
from simulator.state import API_AUDIENCE, API_CLIENT, GRAPH_CLIENT, Cloud, Tenant, stable_id
from simulator.tokens import (
    GRAPH_AUDIENCES,
    LIFETIME,
    Subject,
    Wish,
    access_claims,
    for_graph,
    id_claims,
)

#: The back end that app-only tokens for our API are made for when nobody names one.
BACK_END: Final = "a0000000-0000-4000-8000-000000000003"
KNOWN: Final = (
    "tenantId oid upn name roles scp audience appOnly version expiresIn notBefore claims clientId key idToken"
)


def make_token(cloud: Cloud, body: Any) -> dict[str, str]:
    """`{access_token}` as the control call asks for it, or with `idToken` the id token of a sign-in to `clientId`."""
    fields = Fields(body, "A token", KNOWN)
    claims = _id_claims(cloud, fields) if fields.yes("idToken") else _access_claims(cloud, fields)
    for name, value in fields.object("claims").items():
        if value is None:
            claims.pop(name, None)
        else:
            claims[name] = value
    key = fields.text("key")
    if key not in (None, "unknown"):
        raise BadControl("'key' of a token can only be 'unknown'.")
    return {"access_token": cloud.keys.sign(claims, unpublished=key is not None, nonce=for_graph(claims))}


def _access_claims(cloud: Cloud, fields: Fields) -> Claims:
    tenant_id = guid(fields.text("tenantId"), "'tenantId'")
    audience = fields.text("audience") or API_AUDIENCE
    app_only = fields.yes("appOnly") or False
    client_id = fields.text("clientId") or _client(audience, app_only=app_only)
    wish = Wish(
        audience,
        client_id,
        _version(fields) or (1 if audience in GRAPH_AUDIENCES else 2),
        "" if app_only else _scp(fields, audience),
        tuple(fields.texts("roles")),
        LIFETIME if (expires := fields.whole("expiresIn")) is None else expires,
        fields.whole("notBefore"),
    )
    return access_claims(_subject(cloud.directory(tenant_id), fields, client_id, app_only=app_only), wish)


def _id_claims(cloud: Cloud, fields: Fields) -> Claims:
    for name in ("audience", "appOnly", "scp", "expiresIn", "notBefore"):
        if name in fields:
            raise BadControl(f"An id token takes no '{name}'; say 'claims'.")
    tenant_id = guid(fields.text("tenantId"), "'tenantId'")
    client_id = fields.text("clientId") or API_CLIENT
    subject = _subject(cloud.directory(tenant_id), fields, client_id, app_only=False)
    return id_claims(subject, client_id, str(uuid.uuid4()), tuple(fields.texts("roles")), _version(fields) or 2)


def _version(fields: Fields) -> int | None:
    return fields.whole("version", least=1, most=2)


def _client(audience: str, *, app_only: bool) -> str:
    if audience in GRAPH_AUDIENCES:
        return GRAPH_CLIENT
    return BACK_END if app_only else API_CLIENT


def _scp(fields: Fields, audience: str) -> str:
    value = fields.raw("scp")
    scp = " ".join(fields.texts("scp")) if isinstance(value, list) else fields.text("scp")
    return scp or ("User.Read" if audience in GRAPH_AUDIENCES else "access_as_user")


def _subject(tenant: Tenant, fields: Fields, client_id: str, *, app_only: bool) -> Subject:
    oid, upn, name = fields.text("oid"), fields.text("upn"), fields.text("name")
    if app_only:
        return Subject(tenant.tenant_id, oid or stable_id(tenant.tenant_id, client_id))
    listed = tenant.users.get((oid or "").lower()) or tenant.users_by_upn.get((upn or "").lower()) or {}
    upn = upn or listed.get("userPrincipalName")
    oid = oid or listed.get("id") or tenant.oid_of(upn or "somebody")
    return Subject(tenant.tenant_id, oid, upn, name or listed.get("displayName"))
