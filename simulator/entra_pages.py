"""The pages of the login host: a plain user picker, and admin consent."""

from __future__ import annotations

import secrets
import time
from html import escape
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from simulator.entra_errors import KINDS, EntraRefusal, error_body
from simulator.entra_scopes import OIDC, granted, parse_scopes
from simulator.entra_signin import check_access, find_account, find_tenant
from simulator.state import Account, App, Cloud, Tenant
from simulator.wire import Call, Reply, html_reply, redirect

COOKIE: Final = "simulator_user"
#: The parameter a picked user adds to the authorize request; tests may send it at once.
PICKED: Final = "login_as"
NATIVE: Final = "https://login.microsoftonline.com/common/oauth2/nativeclient"
USERS_SHOWN: Final = 50


def authorize(cloud: Cloud, call: Call, tenant_name: str) -> Reply:
    """Let a person pick who signs in, then go back with a code. With prompt=none the last one picked."""
    tenant = find_tenant(cloud, tenant_name)
    app = _client(cloud, call)
    back = _redirect_uri(call)
    query = call.query
    if "code" not in query.get("response_type", "").split():
        return _back_with_error(call, back, 70000, "The response_type must hold 'code'.")
    picked = query.get(PICKED) or (None if query.get("prompt") in ("login", "select_account") else _remembered(call))
    if query.get("prompt") == "none" and not picked:
        return _back_with_error(call, back, 50058)
    if not picked:
        return html_reply(_picker(cloud, call, tenant, app))
    try:
        account = find_account(cloud, picked)
        home = tenant or cloud.directory(account.home_tenant)
        check_access(account, home, strong=True)
        granted(home, app.client_id, parse_scopes(cloud, query.get("scope", "openid")))
    except EntraRefusal as refusal:
        return _back_with_error(call, back, refusal.code, refusal.message)
    code = _make_code(cloud, call, app, account, home, back)
    reply = _back(call, back, {"code": code})
    reply.headers["Set-Cookie"] = f"{COOKIE}={quote(account.upn)}; Path=/; HttpOnly; SameSite=Lax"
    return reply


def admin_consent(cloud: Cloud, call: Call, tenant_name: str) -> Reply:
    """Grant what the app asks for to the whole tenant and go back, as an administrator's click would."""
    tenant = find_tenant(cloud, tenant_name)
    if tenant is None and tenant_name.lower() == "common":
        raise EntraRefusal(50059, "The tenant must be named, or 'organizations'.")
    tenant = tenant or cloud.directory(next(iter(cloud.tenants)))
    app = _client(cloud, call)
    back = _redirect_uri(call)
    scope = call.query.get("scope", "https://graph.microsoft.com/.default")
    state = {"state": call.query["state"]} if "state" in call.query else {}
    if tenant.deny_admin_consent:
        body = error_body([65004])
        # Entra says admin_consent=True on errors as well.
        refused = {"admin_consent": "True", "error": "access_denied", "error_description": body["error_description"]}
        return redirect(_with_query(back, {**refused, **state}))
    asked = parse_scopes(cloud, scope)
    scopes = app.scopes if asked.default else tuple(name for name in asked.names if name not in OIDC)
    tenant.consents.setdefault(app.client_id, set()).update(scopes)
    if asked.default:
        tenant.grants.setdefault(app.client_id, set()).update(app.roles)
    done = {"admin_consent": "True", "tenant": tenant.tenant_id, "scope": scope}
    return redirect(_with_query(back, {**done, **state}))


def _client(cloud: Cloud, call: Call) -> App:
    client_id = call.query.get("client_id", "")
    app = cloud.apps.get(client_id.lower())
    if app is None:
        raise EntraRefusal(700016, f"Application with identifier '{client_id}' was not found in the directory.")
    return app


def _redirect_uri(call: Call) -> str:
    uri = call.query.get("redirect_uri", "")
    try:
        parts = urlsplit(uri)
        local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")
        good = (parts.scheme == "https" or local) and bool(parts.hostname) and not parts.fragment and uri.isascii()
    except ValueError:
        good = False
    if not good:
        raise EntraRefusal(50011, f"The redirect URI '{uri}' is not one an app can have.")
    return uri


def _is_public(uri: str) -> bool:
    """Native apps are public clients: Entra's own native page, or a bare loopback address."""
    parts = urlsplit(uri)
    return uri == NATIVE or (parts.scheme == "http" and parts.hostname == "localhost" and parts.path in ("", "/"))


def _make_code(cloud: Cloud, call: Call, app: App, account: Account, tenant: Tenant, back: str) -> str:
    code = f"0.{secrets.token_urlsafe(48)}"
    cloud.codes[code] = {
        "client_id": app.client_id,
        "upn": account.upn,
        "tenant": tenant.tenant_id,
        "redirect_uri": back,
        "public": _is_public(back),
        "scope": call.query.get("scope", "openid"),
        "nonce": call.query.get("nonce"),
        "code_challenge": call.query.get("code_challenge", ""),
        "code_challenge_method": call.query.get("code_challenge_method", "plain"),
        "made": time.time(),
        "redeemed": False,
    }
    return code


def _back_with_error(call: Call, back: str, code: int, message: str | None = None) -> Reply:
    kind = KINDS.get(code, KINDS[70000])
    body = error_body([code], message)
    return _back(call, back, {"error": kind.error, "error_description": body["error_description"]})


def _back(call: Call, back: str, answer: dict[str, str]) -> Reply:
    if "state" in call.query:
        answer["state"] = call.query["state"]
    match call.query.get("response_mode", "query"):
        case "form_post":
            fields = "".join(f'<input type="hidden" name="{name}" value="{escape(answer[name])}">' for name in answer)
            return html_reply(
                f'<form method="post" action="{escape(back)}">{fields}<button>Continue</button></form>'
                "<script>document.forms[0].submit()</script>"
            )
        case "fragment":
            return redirect(f"{back}#{urlencode(answer)}")
    return redirect(_with_query(back, answer))


def _with_query(uri: str, more: dict[str, str]) -> str:
    parts = urlsplit(uri)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *more.items()])
    return urlunsplit(parts._replace(query=query))


def _remembered(call: Call) -> str | None:
    try:
        morsel = SimpleCookie(call.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return unquote(morsel.value) if morsel else None


def _picker(cloud: Cloud, call: Call, tenant: Tenant | None, app: App) -> str:
    hint = call.query.get("login_hint", "").lower()
    accounts = [account for account in cloud.accounts.values() if tenant is None or tenant.admits(account)]
    accounts.sort(key=lambda account: (account.upn.lower() != hint, account.upn.lower()))
    links = "".join(
        f'<li><a href="?{escape(call.query_string)}&amp;{urlencode({PICKED: account.upn})}">'
        f"{escape(account.name)} &lt;{escape(account.upn)}&gt;</a></li>"
        for account in accounts[:USERS_SHOWN]
    )
    where = escape((tenant.display_name or tenant.tenant_id) if tenant else "any organisation")
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Sign in (simulator)</title>'
        '<body style="font-family: system-ui; max-width: 40rem; margin: 3rem auto">'
        f"<h1>Pick who signs in</h1><p>{escape(app.name)} at {where}. No password: this is a simulator.</p>"
        f"<ul>{links or '<li>Nobody can sign in here.</li>'}</ul></body></html>"
    )
