"""Who may sign in where: the checks of client and user that every grant makes, in Entra's order."""

from __future__ import annotations

import base64
import hmac
import time
from typing import Final
from urllib.parse import unquote_plus

from simulator.entra_errors import EntraRefusal
from simulator.state import Account, App, Cloud, Tenant
from simulator.tokens import Subject
from simulator.wire import Call

#: Inactivity after which a refresh token is void, in seconds.
REFRESH_LIFETIME: Final = 90 * 24 * 3600
ANY_TENANT: Final = ("common", "organizations")


def find_tenant(cloud: Cloud, name: str) -> Tenant | None:
    """The tenant of a request path; None for `common` and `organizations`. AADSTS90002 if there is none."""
    if name.lower() in ANY_TENANT:
        return None
    tenant = cloud.tenants.get(name.lower())
    if tenant is None:
        raise EntraRefusal(90002, f"Tenant '{name}' not found. Check to make sure you have the correct tenant ID.")
    return tenant


def find_client(cloud: Cloud, call: Call) -> tuple[App, str | None]:
    """The app that asks and the secret it shows, from the body or from a Basic header."""
    client_id, secret = call.form.get("client_id", ""), call.form.get("client_secret")
    scheme, _, coded = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(coded).decode().partition(":")
        except ValueError as exc:
            raise EntraRefusal(7000215) from exc
        client_id, secret = unquote_plus(user), unquote_plus(password)
    if not client_id:
        raise EntraRefusal(900144, "The request body must contain the following parameter: 'client_id'.")
    app = cloud.apps.get(client_id.lower())
    if app is None:
        raise EntraRefusal(700016, f"Application with identifier '{client_id}' was not found in the directory.")
    return app, secret


def prove_client(app: App, secret: str | None, *, public: bool) -> None:
    """A confidential client shows its secret, a public one shows none."""
    if public or app.secret is None:
        if secret is not None:
            raise EntraRefusal(700025)
        return
    if secret is None:
        raise EntraRefusal(7000218)
    if not hmac.compare_digest(secret.encode(), app.secret.encode()):
        raise EntraRefusal(7000215)


def find_account(cloud: Cloud, username: str) -> Account:
    """The account of a user name; AADSTS50034 if no directory holds it."""
    account = cloud.account(username)
    if account is None:
        raise EntraRefusal(50034, f"The user account {username} does not exist in the directory.")
    return account


def check_password(account: Account, password: str) -> None:
    """What the home tenant checks of a user name and password."""
    if account.locked:
        raise EntraRefusal(50053)
    if account.password is None or not hmac.compare_digest(account.password.encode(), password.encode()):
        raise EntraRefusal(50126)
    if account.password_expired:
        raise EntraRefusal(50055)


def check_access(account: Account, tenant: Tenant, *, strong: bool) -> None:
    """What holds for every token of a user: enabled, member or guest, second factor.

    `strong` says that a person signed in interactively, now or when the refresh token was made.
    """
    if account.disabled:
        raise EntraRefusal(50057)
    if not tenant.admits(account):
        raise EntraRefusal(
            50020,
            f"User account '{account.upn}' from identity provider 'https://sts.windows.net/{account.home_tenant}/' "
            f"does not exist in tenant '{tenant.display_name or tenant.tenant_id}' and cannot access the application "
            "in that tenant. The account needs to be added as an external user in the tenant first.",
        )
    if account.mfa and not strong:
        raise EntraRefusal(50076)


def subject_of(account: Account, tenant: Tenant) -> Subject:
    """The account as the tenant's tokens name it."""
    oid = account.oid if account.home_tenant == tenant.tenant_id else tenant.oid_of(account.upn)
    return Subject(tenant.tenant_id, oid, account.upn, account.name)


def refresh_token(cloud: Cloud, account: Account, app: App, *, public: bool, strong: bool) -> str:
    """A refresh token: bound to user and client, not to a tenant, as Entra's are."""
    content = {"kind": "refresh", "upn": account.upn, "cid": app.client_id, "pub": public, "mfa": strong}
    return f"1.{cloud.keys.seal({**content, 'iat': time.time()})}"


def read_refresh_token(cloud: Cloud, text: str) -> dict[str, object] | None:
    """What a refresh token of ours says, or None."""
    content = cloud.keys.unseal(text.removeprefix("1."))
    return content if content and content.get("kind") == "refresh" else None


def redeem(cloud: Cloud, text: str, app: App) -> tuple[Account, bool, bool]:
    """The account of a refresh token, whether it belongs to a public client and whether it was made interactively.

    EntraRefusal if it is void.
    """
    content = read_refresh_token(cloud, text)
    if content is None or content["cid"] != app.client_id:
        raise EntraRefusal(70000, "The provided value for the input parameter 'refresh_token' is not valid.")
    account = find_account(cloud, str(content["upn"]))
    made = float(str(content["iat"]))
    if made < account.tokens_valid_from:
        raise EntraRefusal(50173)
    if made + REFRESH_LIFETIME < time.time():
        raise EntraRefusal(700082)
    return account, bool(content["pub"]), bool(content["mfa"])
