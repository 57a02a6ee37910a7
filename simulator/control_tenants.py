"""Tenants, accounts, apps and presence, as the control API describes them."""

from __future__ import annotations

import time
from typing import Any, Final

from simulator.control_input import BadControl, Fields, guid
from simulator.state import PRESENCE_ACCOUNTS, Account, App, Cloud, Tenant, stable_id

TENANT: Final = (
    "tenantId displayName users guests consents grants contacts groups privacyMode accessPolicies guestRestricted "
    "denyAdminConsent replicationLag"
)
#: Members of a user that speak about signing in; Graph never shows them.
FLAGS: Final = ("password", "mfa", "locked", "disabled", "passwordExpired", "appRoles")


def set_tenant(cloud: Cloud, tenant_id: str, body: Any) -> None:
    """Replace all that is known of a tenant; what the body leaves out is empty afterwards."""
    fields = Fields(body, "A tenant", TENANT)
    before = cloud.tenants.get(tenant_id)
    users = [_user(tenant_id, user) for user in fields.objects("users")]
    tenant = Tenant(
        tenant_id,
        fields.text("displayName") or (before.display_name if before else ""),
        {str(user["id"]).lower(): user for user in users},
        {str(user["userPrincipalName"]).lower(): user for user in users},
        {upn.lower() for upn in fields.texts("guests")},
        _by_client(fields, "consents", "scopes"),
        _by_client(fields, "grants", "roles"),
        _contacts(fields),
        _groups(fields),
        _policies(fields),
        fields.yes("privacyMode") or False,
        fields.yes("guestRestricted") or False,
        fields.yes("denyAdminConsent") or False,
        fields.whole("replicationLag", least=0) or 0,
    )
    if len(tenant.users) != len(users) or len(tenant.users_by_upn) != len(users):
        raise BadControl("Two users have the same id or the same userPrincipalName.")
    cloud.tenants[tenant_id] = tenant
    _replace_accounts(cloud, tenant)


def described(tenant: Tenant) -> dict[str, Any]:
    """A tenant in the shape it is PUT in; passwords are not shown."""
    return {
        "tenantId": tenant.tenant_id,
        "displayName": tenant.display_name,
        "users": [
            {name: value for name, value in user.items() if name != "password"} for user in tenant.users.values()
        ],
        "guests": sorted(tenant.guests),
        "consents": [{"clientId": key, "scopes": sorted(value)} for key, value in tenant.consents.items()],
        "grants": [{"clientId": key, "roles": sorted(value)} for key, value in tenant.grants.items()],
        "contacts": tenant.contacts,
        "groups": list(tenant.groups.values()),
        "privacyMode": tenant.privacy_mode,
        "accessPolicies": tenant.access_policies,
        "guestRestricted": tenant.guest_restricted,
        "denyAdminConsent": tenant.deny_admin_consent,
        "replicationLag": tenant.replication_lag,
    }


def set_presence(cloud: Cloud, tenant_id: str, body: Any) -> int:
    """Set the presence of the users named; null forgets one. Answers how many were named."""
    if not isinstance(body, dict):
        raise BadControl("Presence must be a JSON object of users.")
    rows: list[tuple[str, Fields | None]] = []
    for user_id, row in body.items():
        if row is None:
            rows.append((user_id, None))
            continue
        fields = Fields(row, f"The presence of {user_id}", "availability activity isOutOfOffice sequenceNumber")
        rows.append((user_id, fields))
        fields.must_text("availability")
        fields.must_text("activity")
    book = cloud.presence_of(tenant_id)
    for user_id, told in rows:
        if told is None:
            book.remove(user_id)
            continue
        # A sequence number of one's own lets a test answer out of order.
        sequence = told.text("sequenceNumber") or cloud.next_sequence()
        availability, activity = told.must_text("availability"), told.must_text("activity")
        book.put(user_id, availability, activity, sequence, out_of_office=told.yes("isOutOfOffice") or False)
    return len(rows)


def set_account(cloud: Cloud, upn: str, body: Any) -> None:
    """Change how an account signs in; a new one needs its home `tenantId`."""
    fields = Fields(
        body, "An account", "password mfa locked disabled passwordExpired revokeTokens tenantId displayName"
    )
    account = cloud.account(upn)
    if account is None:
        if "tenantId" not in fields:
            raise BadControl(f"There is no account {upn}; a new one needs the 'tenantId' of its home.")
        home = guid(fields.text("tenantId"), "'tenantId'")
        account = Account(upn, home, cloud.directory(home).oid_of(upn), fields.text("displayName") or upn)
        cloud.accounts[upn.lower()] = account
    _apply(account, fields)
    if fields.yes("revokeTokens"):
        account.tokens_valid_from = time.time()


def set_app(cloud: Cloud, client_id: str, body: Any) -> None:
    """Register an app, or replace one."""
    fields = Fields(body, "An app", "name secret audience scopes roles")
    cloud.apps[client_id] = App(
        client_id,
        fields.text("name") or client_id,
        fields.text("secret"),
        fields.text("audience"),
        tuple(fields.texts("scopes")),
        tuple(fields.texts("roles")),
    )


def _user(tenant_id: str, told: dict[str, Any]) -> dict[str, Any]:
    fields = Fields(told, "A user")
    upn = fields.text("userPrincipalName") or fields.text("upn")
    if not upn:
        raise BadControl("A user needs a 'userPrincipalName'.")
    user_id = fields.text("id")
    user = {name: value for name, value in told.items() if name != "upn"}
    user["id"] = guid(user_id, f"The id of {upn}") if user_id else stable_id(tenant_id, upn)
    user["userPrincipalName"] = upn
    user.setdefault("displayName", upn.partition("@")[0])
    user.setdefault("mail", upn)
    user.setdefault("accountEnabled", True)
    user.setdefault("userType", "Member")
    user.setdefault("businessPhones", [])
    Fields({name: told[name] for name in FLAGS if name in told}, f"The user {upn}").texts("appRoles")
    return user


def _replace_accounts(cloud: Cloud, tenant: Tenant) -> None:
    gone = [
        upn
        for upn, account in cloud.accounts.items()
        if account.home_tenant == tenant.tenant_id and upn not in PRESENCE_ACCOUNTS
    ]
    for upn in gone:
        del cloud.accounts[upn]
    for upn, user in tenant.users_by_upn.items():
        # A guest listed among the users keeps the account of its home tenant.
        if str(user["userType"]).lower() == "guest" or upn in tenant.guests:
            continue
        account = Account(str(user["userPrincipalName"]), tenant.tenant_id, str(user["id"]), str(user["displayName"]))
        if upn in PRESENCE_ACCOUNTS:
            account.password = PRESENCE_ACCOUNTS[upn]
        _apply(account, Fields(user, f"The user {upn}"))
        account.disabled = account.disabled or user["accountEnabled"] is False
        cloud.accounts[upn] = account


def _apply(account: Account, fields: Fields) -> None:
    account.password = fields.text("password") or account.password
    for name, attribute in (
        ("mfa", "mfa"),
        ("locked", "locked"),
        ("disabled", "disabled"),
        ("passwordExpired", "password_expired"),
    ):
        told = fields.yes(name)
        if told is not None:
            setattr(account, attribute, told)


def _by_client(fields: Fields, name: str, member: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in fields.objects(name):
        told = Fields(row, f"One of '{name}'", f"clientId {member}")
        found.setdefault(guid(told.text("clientId"), "'clientId'"), set()).update(told.texts(member))
    return found


def _contacts(fields: Fields) -> dict[str, list[dict[str, Any]]]:
    contacts = fields.object("contacts")
    told = Fields(contacts, "'contacts'")
    return {user_id.lower(): told.objects(user_id) for user_id in contacts}


def _groups(fields: Fields) -> dict[str, dict[str, Any]]:
    found = {}
    for group in fields.objects("groups"):
        told = Fields(group, "A group")
        told.texts("members")
        found[guid(told.text("id"), "A group's id")] = group
    return found


def _policies(fields: Fields) -> dict[str, Any]:
    told = fields.raw("accessPolicies")
    if isinstance(told, list):
        told = dict.fromkeys(fields.texts("accessPolicies"), True)
    policies = {} if told is None else told
    if not isinstance(policies, dict):
        raise BadControl("'accessPolicies' must be an object of users, or a list of their ids.")
    for user_id, apps in policies.items():
        if not isinstance(apps, bool):
            Fields(policies, "'accessPolicies'").texts(user_id)
    return {user_id.lower(): apps for user_id, apps in policies.items()}
