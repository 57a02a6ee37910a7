"""login.microsoftonline.com: discovery, keys, tokens and the pages people see."""

from __future__ import annotations

from typing import Any

from simulator import entra_token
from simulator.entra_device import begin_device_code
from simulator.entra_errors import EntraRefusal, entra_error
from simulator.entra_pages import admin_consent, authorize
from simulator.entra_signin import ANY_TENANT, find_tenant, read_refresh_token
from simulator.state import Cloud
from simulator.tokens import account_of, issuer
from simulator.wire import Call, Reply, html_reply, json_reply

LOGIN = "https://login.microsoftonline.com"


def answer(cloud: Cloud, call: Call) -> Reply:
    """Answer one request to the login host."""
    parts = call.segments
    try:
        match call.method, [part.lower() for part in parts[1:]]:
            case "GET", [".well-known", "openid-configuration"]:
                return json_reply(_configuration(cloud, parts[0], 1))
            case "GET", ["v2.0", ".well-known", "openid-configuration"]:
                return json_reply(_configuration(cloud, parts[0], 2))
            case "GET", ["discovery", "keys"] | ["discovery", "v2.0", "keys"]:
                return json_reply(cloud.keys.jwks(issuer(_tenant_or_template(cloud, parts[0]), 2)))
            case "GET", ["discovery", "instance"]:
                return json_reply(_instance(call))
            case "GET", ["userrealm", _]:
                return json_reply(_user_realm(cloud, parts[2]))
            case "POST", ["oauth2", "v2.0", "token"]:
                return entra_token.token_endpoint(cloud, call, parts[0])
            case "POST", ["oauth2", "v2.0", "devicecode"]:
                return begin_device_code(cloud, call, parts[0])
            case "GET", ["oauth2", "v2.0", "authorize"]:
                return authorize(cloud, call, parts[0])
            case "GET", ["v2.0", "adminconsent"] | ["adminconsent"]:
                return admin_consent(cloud, call, parts[0])
            case "GET", ["oauth2", "v2.0", "logout"]:
                return html_reply(
                    "<p>You are signed out.</p>", headers={"Set-Cookie": "simulator_user=; Max-Age=0; Path=/"}
                )
    except EntraRefusal as refusal:
        return entra_error([refusal.code], call, message=refusal.message)
    return json_reply(
        {"error": "not_found", "error_description": f"The simulator has no {call.method} {call.path}."}, 404
    )


def who_asks(cloud: Cloud, call: Call) -> tuple[str | None, str | None]:
    """The account (UPN) behind a request and the tenant of its path."""
    parts = call.segments
    tenant = cloud.tenants.get(parts[0].lower()) if parts else None
    return _account(cloud, call), tenant.tenant_id if tenant else None


def _account(cloud: Cloud, call: Call) -> str | None:
    match call.form.get("grant_type"):
        case "password":
            return call.form.get("username") or None
        case "refresh_token":
            content = read_refresh_token(cloud, call.form.get("refresh_token", ""))
            return str(content["upn"]) if content else None
        case "authorization_code":
            return (cloud.codes.get(call.form.get("code", "")) or {}).get("upn")
        case "device_code" | entra_token.DEVICE_CODE:
            return (cloud.device_codes.get(call.form.get("device_code", "")) or {}).get("upn")
        case entra_token.OBO:
            claims = cloud.keys.verify(call.form.get("assertion", ""))
            return account_of(claims) if claims else None
    return None


def _tenant_or_template(cloud: Cloud, name: str) -> str:
    tenant = find_tenant(cloud, name)
    return tenant.tenant_id if tenant else "{tenantid}"


def _configuration(cloud: Cloud, name: str, version: int) -> dict[str, Any]:
    tenant_id = _tenant_or_template(cloud, name)
    path = name.lower() if name.lower() in ANY_TENANT else tenant_id
    root, v2 = f"{LOGIN}/{path}", "/v2.0" if version == 2 else ""
    return {
        "token_endpoint": f"{root}/oauth2{v2}/token",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": f"{root}/discovery{v2}/keys",
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": issuer(tenant_id, version),
        "request_uri_parameter_supported": False,
        "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
        "authorization_endpoint": f"{root}/oauth2{v2}/authorize",
        "device_authorization_endpoint": f"{root}/oauth2{v2}/devicecode",
        "end_session_endpoint": f"{root}/oauth2{v2}/logout",
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "nonce", "preferred_username", "name", "tid", "ver"],
        "tenant_region_scope": "EU",
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": "graph.microsoft.com",
    }


def _instance(call: Call) -> dict[str, Any]:
    endpoint = call.query.get("authorization_endpoint", f"{LOGIN}/common/oauth2/v2.0/authorize")
    host = {"preferred_network": "login.microsoftonline.com", "preferred_cache": "login.windows.net"}
    return {
        "tenant_discovery_endpoint": endpoint.replace(
            "/oauth2/v2.0/authorize", "/v2.0/.well-known/openid-configuration"
        ),
        "api-version": "1.1",
        "metadata": [{**host, "aliases": ["login.microsoftonline.com", "login.windows.net", "sts.windows.net"]}],
    }


def _user_realm(cloud: Cloud, username: str) -> dict[str, Any]:
    domain = username.rpartition("@")[2].lower()
    known = any(upn.endswith(f"@{domain}") for upn in cloud.accounts)
    realm: dict[str, Any] = {"ver": "1.0", "account_type": "Managed" if known else "Unknown", "domain_name": domain}
    if known:
        realm |= {"cloud_instance_name": "microsoftonline.com", "cloud_audience_urn": "urn:federation:MicrosoftOnline"}
    return realm
