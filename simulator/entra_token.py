"""The token endpoint: one function per grant type."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable
from typing import Any, Final

from simulator.entra_errors import EntraRefusal
from simulator.entra_scopes import Asked, granted, parse_scopes, resource_app, written
from simulator.entra_signin import (
    check_access,
    check_password,
    find_account,
    find_client,
    find_tenant,
    prove_client,
    redeem,
    refresh_token,
    subject_of,
)
from simulator.keys import Claims
from simulator.state import Account, App, Cloud, Tenant, stable_id
from simulator.tokens import (
    ACS,
    ACS_APP,
    GRAPH,
    LIFETIME,
    Subject,
    Wish,
    access_claims,
    client_info,
    for_graph,
    id_claims,
    is_app_only,
    within_lifetime,
)
from simulator.wire import Call, Reply, json_reply

OBO: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
DEVICE_CODE: Final = "urn:ietf:params:oauth:grant-type:device_code"
CODE_LIFETIME: Final = 600


def token_endpoint(cloud: Cloud, call: Call, tenant_name: str) -> Reply:
    """Answer a token request of any grant type, or raise EntraRefusal."""
    tenant = find_tenant(cloud, tenant_name)
    grant = call.form.get("grant_type", "")
    if not grant:
        raise EntraRefusal(900144, "The request body must contain the following parameter: 'grant_type'.")
    if grant not in _GRANTS:
        raise EntraRefusal(70003, f"The app requested an unsupported grant type '{grant}'.")
    if grant in ("password", "client_credentials") and tenant_name.lower() == "common":
        raise EntraRefusal(9001023)
    content = _GRANTS[grant](cloud, call, tenant)
    return json_reply(content, headers={"Cache-Control": "no-store, no-cache", "Pragma": "no-cache"})


def _need(call: Call, name: str) -> str:
    value = call.form.get(name)
    if not value:
        raise EntraRefusal(900144, f"The request body must contain the following parameter: '{name}'.")
    return value


def _client_credentials(cloud: Cloud, call: Call, tenant: Tenant | None) -> dict[str, Any]:
    app, secret = find_client(cloud, call)
    prove_client(app, secret, public=False)
    if tenant is None:
        raise EntraRefusal(50059)
    asked = parse_scopes(cloud, _need(call, "scope"))
    if not asked.default:
        raise EntraRefusal(
            70011, "The provided request must include a 'scope' input parameter that ends with /.default."
        )
    if app.client_id not in tenant.grants and app.client_id not in tenant.consents:
        name = tenant.display_name or tenant.tenant_id
        raise EntraRefusal(
            700016, f"Application with identifier '{app.client_id}' was not found in the directory '{name}'."
        )
    roles = tuple(sorted(tenant.grants.get(app.client_id, set())))
    subject = Subject(tenant.tenant_id, stable_id(tenant.tenant_id, app.client_id))
    wish = _wish(cloud, asked, app, roles=roles)
    return {
        "token_type": "Bearer",
        "expires_in": LIFETIME - 1,
        "ext_expires_in": LIFETIME - 1,
        "access_token": _signed(cloud, access_claims(subject, wish)),
    }


def _signed(cloud: Cloud, claims: Claims) -> str:
    return cloud.keys.sign(claims, nonce=for_graph(claims))


def _password(cloud: Cloud, call: Call, tenant: Tenant | None) -> dict[str, Any]:
    app, secret = find_client(cloud, call)
    prove_client(app, secret, public=False)
    account = find_account(cloud, _need(call, "username"))
    check_password(account, _need(call, "password"))
    return _user_tokens(cloud, call, tenant, account, app)


def _refresh(cloud: Cloud, call: Call, tenant: Tenant | None) -> dict[str, Any]:
    app, secret = find_client(cloud, call)
    account, public, strong = redeem(cloud, _need(call, "refresh_token"), app)
    prove_client(app, secret, public=public)
    return _user_tokens(cloud, call, tenant, account, app, public=public, strong=strong, always_offline=True)


def _device(cloud: Cloud, call: Call, tenant: Tenant | None) -> dict[str, Any]:
    app, secret = find_client(cloud, call)
    prove_client(app, secret, public=True)
    code = _need(call, "device_code")
    asked_for = cloud.device_codes.get(code)
    if asked_for is None or asked_for["client_id"] != app.client_id:
        raise EntraRefusal(70018)
    if asked_for["expires"] < time.time():
        raise EntraRefusal(70019)
    if asked_for["denied"]:
        raise EntraRefusal(65004)
    if asked_for["upn"] is None:
        raise EntraRefusal(70016)
    account = find_account(cloud, asked_for["upn"])
    content = _user_tokens(cloud, call, tenant, account, app, public=True, strong=True, scope=asked_for["scope"])
    del cloud.device_codes[code]
    return content


def _code(cloud: Cloud, call: Call, tenant: Tenant | None) -> dict[str, Any]:
    app, secret = find_client(cloud, call)
    asked_for = cloud.codes.get(_need(call, "code"))
    if asked_for is None or asked_for["client_id"] != app.client_id:
        raise EntraRefusal(70000, "The provided value for the 'code' parameter is not valid.")
    if asked_for["redeemed"]:
        raise EntraRefusal(54005)
    if asked_for["made"] + CODE_LIFETIME < time.time():
        raise EntraRefusal(70008)
    if call.form.get("redirect_uri") != asked_for["redirect_uri"]:
        raise EntraRefusal(50011)
    prove_client(app, secret, public=asked_for["public"])
    _check_verifier(asked_for, call.form.get("code_verifier", ""))
    asked_for["redeemed"] = True
    account = find_account(cloud, asked_for["upn"])
    scope = call.form.get("scope") or asked_for["scope"]
    tenant = tenant or find_tenant(cloud, asked_for["tenant"])
    wishes = {"scope": scope, "nonce": asked_for["nonce"]}
    return _user_tokens(cloud, call, tenant, account, app, public=bool(asked_for["public"]), strong=True, **wishes)


def _check_verifier(asked_for: dict[str, Any], verifier: str) -> None:
    challenge = asked_for["code_challenge"]
    if not challenge:
        return
    if asked_for["code_challenge_method"].upper() == "S256":
        verifier = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    if verifier != challenge:
        raise EntraRefusal(501481)


def _on_behalf_of(cloud: Cloud, call: Call, tenant: Tenant | None) -> dict[str, Any]:
    app, secret = find_client(cloud, call)
    prove_client(app, secret, public=False)
    claims = cloud.keys.verify(_need(call, "assertion"))
    if call.form.get("requested_token_use") != "on_behalf_of":
        raise EntraRefusal(900144, "The request body must contain the following parameter: 'requested_token_use'.")
    if claims is None:
        raise EntraRefusal(50013)
    if not within_lifetime(claims, leeway=300):
        raise EntraRefusal(500133)
    if claims.get("aud") not in (app.client_id, app.audience):
        raise EntraRefusal(500131)
    try:
        if is_app_only(claims):
            raise EntraRefusal(7000114)
    except ValueError:
        raise EntraRefusal(240002) from None
    tenant = tenant or cloud.directory(str(claims.get("tid")))
    if claims.get("tid") != tenant.tenant_id:
        raise EntraRefusal(50013, "The assertion is for another tenant.")
    oid, methods = claims.get("oid"), claims.get("amr")
    if not isinstance(oid, str) or not oid:
        raise EntraRefusal(50013, "The assertion names no user.")
    upn = str(claims.get("upn") or claims.get("preferred_username") or "")
    # The control API signs for users nobody listed; they are who their token says they are.
    account = cloud.account(upn) or Account(upn, tenant.tenant_id, oid, str(claims.get("name") or upn))
    # A second factor counts here only if the user showed it for the token that is passed on.
    strong = isinstance(methods, list) and "mfa" in methods
    return _user_tokens(cloud, call, tenant, account, app, strong=strong)


def _user_tokens(
    cloud: Cloud,
    call: Call,
    tenant: Tenant | None,
    account: Account,
    app: App,
    *,
    public: bool = False,
    strong: bool = False,
    scope: str | None = None,
    nonce: str | None = None,
    always_offline: bool = False,
) -> dict[str, Any]:
    tenant = tenant or cloud.directory(account.home_tenant)
    check_access(account, tenant, strong=strong)
    asked = parse_scopes(cloud, scope or call.form.get("scope") or "openid profile offline_access")
    scopes = granted(tenant, app.client_id, asked)
    subject = subject_of(account, tenant)
    roles = app_roles(tenant, subject)
    wish = _wish(
        cloud, asked, app, scp=" ".join(scopes), roles=() if asked.resource in (GRAPH, ACS) else roles, public=public
    )
    content: dict[str, Any] = {
        "token_type": "Bearer",
        "scope": written(asked, scopes),
        "expires_in": LIFETIME - 1,
        "ext_expires_in": LIFETIME - 1,
        "access_token": _signed(cloud, access_claims(subject, wish)),
    }
    if asked.offline or always_offline:
        content["refresh_token"] = refresh_token(cloud, account, app, public=public, strong=strong)
    if asked.openid:
        content["id_token"] = cloud.keys.sign(id_claims(subject, app.client_id, nonce, roles))
    if call.form.get("client_info") == "1":
        content["client_info"] = client_info(account.oid, account.home_tenant)
    return content


def app_roles(tenant: Tenant, subject: Subject) -> tuple[str, ...]:
    """The roles the directory gives a user for our API."""
    user = tenant.users.get(subject.oid.lower()) or tenant.users_by_upn.get((subject.upn or "").lower()) or {}
    return tuple(user.get("appRoles") or ())


def _wish(
    cloud: Cloud, asked: Asked, app: App, *, scp: str = "", roles: tuple[str, ...] = (), public: bool = False
) -> Wish:
    proof = "0" if public else "1"
    if asked.resource == GRAPH:
        return Wish(GRAPH, app.client_id, 1, scp, roles, proof=proof)
    if asked.resource == ACS:
        return Wish(ACS_APP, app.client_id, 2, scp, proof=proof)
    resource = resource_app(cloud, asked.resource)
    audience = asked.resource if resource.token_version == 1 else resource.client_id
    return Wish(audience, app.client_id, resource.token_version, scp, roles, proof=proof)


_GRANTS: Final[dict[str, Callable[[Cloud, Call, Tenant | None], dict[str, Any]]]] = {
    "client_credentials": _client_credentials,
    "password": _password,
    "refresh_token": _refresh,
    "authorization_code": _code,
    DEVICE_CODE: _device,
    "device_code": _device,
    OBO: _on_behalf_of,
}
