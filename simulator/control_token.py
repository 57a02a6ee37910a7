"""Tokens on demand: any tenant, any user, any claim, signed with the simulated Entra key."""

from __future__ import annotations

from typing import Any, Final

from simulator.control_input import BadControl, Fields, guid
from simulator.state import API_AUDIENCE, API_CLIENT, GRAPH_CLIENT, Cloud, Tenant, stable_id
from simulator.tokens import GRAPH_AUDIENCES, LIFETIME, Subject, Wish, access_claims

#: The back end that app-only tokens for our API are made for when nobody names one.
BACK_END: Final = "a0000000-0000-4000-8000-000000000003"
KNOWN: Final = "tenantId oid upn name roles scp audience appOnly version expiresIn notBefore claims clientId key"


def make_token(cloud: Cloud, body: Any) -> dict[str, str]:
    """`{access_token}` as the control call asks for it."""
    fields = Fields(body, "A token", KNOWN)
    tenant_id = guid(fields.text("tenantId"), "'tenantId'")
    audience = fields.text("audience") or API_AUDIENCE
    app_only = fields.yes("appOnly") or False
    version = fields.whole("version", least=1, most=2) or (1 if audience in GRAPH_AUDIENCES else 2)
    client_id = fields.text("clientId") or _client(audience, app_only=app_only)
    wish = Wish(
        audience,
        client_id,
        version,
        "" if app_only else _scp(fields, audience),
        tuple(fields.texts("roles")),
        LIFETIME if (expires := fields.whole("expiresIn")) is None else expires,
        fields.whole("notBefore"),
    )
    claims = access_claims(_subject(cloud.directory(tenant_id), fields, client_id, app_only=app_only), wish)
    for name, value in fields.object("claims").items():
        if value is None:
            claims.pop(name, None)
        else:
            claims[name] = value
    key = fields.text("key")
    if key not in (None, "unknown"):
        raise BadControl("'key' of a token can only be 'unknown'.")
    return {"access_token": cloud.keys.sign(claims, unpublished=key is not None)}


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
