"""What an admin sees of the two accounts, tries with them, and grants them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from devhost.settings import storage_connection
from tests.app.polled.test_presence import read, watched_user
from tests.app.stack import CONTOSO, HOME, ROOT, AppStack, NewTenant
from tests.devhost.stack import eventually

CLIENT = "a0000000-0000-4000-8000-000000000002"
ONE, TWO = "presence1@nimbus.example", "presence2@nimbus.example"


def directory(tenant: NewTenant, user: str, **changes: Any) -> dict[str, Any]:
    """The tenant at Microsoft: the user, both guests, everything granted."""
    scopes = ["Presence.Read.All", "User.Read", "User.ReadBasic.All"]
    roles = ["Presence.Read.All", "User.Read.All", "Application.Read.All", "DelegatedPermissionGrant.Read.All"]
    return {
        "users": [{"id": user, "userPrincipalName": f"u@{tenant.id[:8]}.example", "displayName": "U"}],
        "guests": [ONE, TWO],
        "consents": [{"clientId": CLIENT, "scopes": scopes}],
        "grants": [{"clientId": CLIENT, "roles": roles}],
    } | changes


def presence_path(tenant: NewTenant, *parts: str) -> str:
    return "/".join([f"/api/tenants/{tenant.id}/presence", *parts])


def trial(tenant: NewTenant) -> dict[str, Any]:
    answer = tenant.call("POST", presence_path(tenant, "test"), {"upn": f"u@{tenant.id[:8]}.example"})
    assert answer.status_code == 200, answer.text
    return {row["account"]: row for row in answer.json()["accounts"]}


def test_a_trial_reads_with_each_account_and_says_what_to_do_about_one_that_fails(stack: AppStack) -> None:
    tenant = stack.new_tenant()
    user = watched_user(stack, tenant, {"availability": "Busy", "activity": "InACall"})
    stack.control("PUT", f"tenants/{tenant.id}", directory(tenant, user, guests=[TWO]))
    rows = trial(tenant)
    assert (rows["account1"]["ok"], rows["account1"]["code"], rows["account1"]["reason"]) == (
        False,
        "NotAddedAsGuest",
        "AADSTS50020",
    )
    assert "Invite" in rows["account1"]["remedy"]
    good = rows["account2"]
    assert (good["ok"], good["state"], good["availability"], good["activity"]) == (True, "InACall", "Busy", "InACall")
    stack.control("PUT", f"tenants/{tenant.id}", directory(tenant, user))
    assert trial(tenant)["account1"]["ok"], "an admin who has just invited the account sees it at once"
    unknown = tenant.call("POST", presence_path(tenant, "test"), {"upn": "nobody@contoso.example"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "UserNotFound")
    assert tenant.call("POST", presence_path(tenant, "test"), {"upn": "nobody"}).status_code == 422


def test_the_accounts_page_and_the_figures_follow_the_polls(stack: AppStack) -> None:
    tenant = stack.new_tenant()
    rows = tenant.call("GET", presence_path(tenant, "accounts")).json()["accounts"]
    assert [(row["account"], row["upn"], row["ok"], row["code"]) for row in rows] == [
        ("account1", ONE, False, "NotTried"),
        ("account2", TWO, False, "NotTried"),
    ]
    user = watched_user(stack, tenant, {"availability": "Available", "activity": "Available"})
    stack.control("PUT", f"tenants/{tenant.id}", directory(tenant, user, guests=[ONE]))
    tenant.set(presenceTracking={"trackOverGuestAccounts": True})
    eventually(lambda: read(tenant, user, source="account1"), "account 1 reads")
    first, second = tenant.call("GET", presence_path(tenant, "accounts")).json()["items"]
    assert (first["ok"], first["active"], first["guest"], first["code"]) == (True, True, "Accepted", None)
    assert (second["ok"], second["active"], second["guest"]) == (False, False, "NotInvited")
    health = tenant.call("GET", presence_path(tenant, "health")).json()
    assert (health["activeAccount"], health["degraded"], health["usersRead"], health["graphCalls"]) == (
        "account1",
        False,
        1,
        1,
    )
    assert health["throttled"] == 0
    assert 0 <= health["ageSeconds"] < 60
    overview = tenant.call("GET", f"/api/tenants/{tenant.id}/overview").json()
    assert {"DistributeWhileBusy"} == {one["code"] for one in overview["recommendations"]}


def test_a_consent_is_believed_from_the_grants_and_not_from_the_browser(stack: AppStack) -> None:
    tenant = stack.new_tenant()
    user = watched_user(stack, tenant, {"availability": "Available", "activity": "Available"})
    stack.control("PUT", f"tenants/{tenant.id}", directory(tenant, user, consents=[]))
    assert trial(tenant)["account1"]["code"] == "PermissionNotGranted"

    def link() -> SplitResult:
        link = tenant.call("GET", presence_path(tenant, "grant-permission")).json()
        assert link["permissions"] == ["Presence.Read.All", "User.Read", "User.ReadBasic.All"]
        return urlsplit(str(link["url"]))

    asked = link()
    assert (asked.netloc, asked.path) == ("login.microsoftonline.com", f"/{tenant.id}/v2.0/adminconsent")
    (state,) = parse_qs(asked.query)["state"]

    def land(accept: str = "*/*", **query: str) -> Any:
        headers = {"Accept": accept}
        return stack.http.get(f"{stack.base}/api/consent/callback", params=query, headers=headers, timeout=30)

    lied = land(admin_consent="True", tenant=tenant.id, state=state)
    assert (lied.status_code, "Permissions are missing" in lied.text) == (200, True)
    used = land(admin_consent="True", tenant=tenant.id, state=state)
    assert (used.status_code, used.json()["code"]) == (400, "ConsentStateInvalid")
    shown = land("text/html,*/*;q=0.8", admin_consent="True", tenant=tenant.id, state=state)
    assert (shown.status_code, "ask for a new link" in shown.text) == (400, True)
    assert shown.headers["Content-Type"].startswith("text/html")
    asked = link()
    granted = stack.http.get(
        f"{stack.simulator.removesuffix('/_simulator')}/{asked.netloc}{asked.path}?{asked.query}",
        allow_redirects=False,
        timeout=30,
    )
    back = urlsplit(granted.headers["Location"])
    assert back.path == "/api/consent/callback"
    landed = land(**{name: values[0] for name, values in parse_qs(back.query).items()})
    assert (landed.status_code, "Permissions granted" in landed.text) == (200, True)
    assert landed.headers["Content-Type"].startswith("text/html")
    assert trial(tenant)["account1"]["ok"]
    for forged in ("v1.local1.AAAA.AAAA", state[:-3] + "AAA", "x" * 5000):
        refused = land(state=forged, tenant=CONTOSO, admin_consent="True")
        assert (refused.status_code, refused.json()["code"]) == (400, "ConsentStateInvalid")


def test_accounts_are_signed_in_so_often_a_minute_and_the_consent_page_says_when_to_come_back(stack: AppStack) -> None:
    """Tests, permission checks and returns from a consent link count together."""
    tenant = stack.new_tenant()
    link = urlsplit(tenant.call("GET", presence_path(tenant, "grant-permission")).json()["url"])
    state = {"state": parse_qs(link.query)["state"][0]}
    permissions = f"/api/tenants/{tenant.id}/permissions"
    for _ in range(30):
        assert tenant.call("GET", permissions).status_code != 429
    for method, path, body in (
        ("GET", permissions, None),
        ("POST", presence_path(tenant, "test"), {"upn": "somebody@contoso.example"}),
    ):
        refused = tenant.call(method, path, body)
        assert (refused.status_code, refused.json()["code"]) == (429, "RateLimited")
    page = stack.http.get(f"{stack.base}/api/consent/callback", params=state, timeout=30)
    assert (page.status_code, "Reload this page" in page.text) == (429, True)
    assert 1 <= int(page.headers["Retry-After"]) <= 60


def test_the_addresses_for_a_trusted_location_are_those_of_the_app_settings(stack: AppStack) -> None:
    answer = stack.call("GET", f"/api/tenants/{CONTOSO}/presence/outbound-addresses")
    assert answer.json() == {"addresses": ["203.0.113.10", "203.0.113.11"]}


def test_available_users_is_for_admins_routing_and_operators(stack: AppStack) -> None:
    tenant = stack.new_tenant()
    path = f"/api/tenants/{tenant.id}/services/{tenant.services[0]}/available-users"
    assert tenant.call("GET", path).json() == {"items": [], "continuation": None}
    agent = stack.token(tenant.id, "Agent")
    assert stack.call("GET", path, token=agent).status_code == 403
    assert stack.call("GET", path, token=stack.token(HOME, "Operator")).status_code == 200
    missing = tenant.call("GET", f"/api/tenants/{tenant.id}/services/nothing@contoso.example/available-users")
    assert (missing.status_code, missing.json()["code"]) == (404, "ServiceNotFound")


def test_an_account_is_signed_in_once_by_hand_and_its_token_is_kept_sealed(stack: AppStack) -> None:
    values = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
    values["MICROSOFT_CLOUD_GATEWAY"] = stack.simulator.removesuffix("/_simulator")
    values["AzureWebJobsStorage"] = storage_connection(stack.storage_port)
    values["PRESENCE_ACCOUNT_2_UPN"] = "by-hand@nimbus.example"  # the other tests' accounts keep their passwords
    stack.control("POST", "accounts/by-hand@nimbus.example", {"tenantId": HOME, "mfa": True})
    command = [sys.executable, "-m", "tools.presence_signin", "2"]
    environ = {"PATH": os.environ["PATH"], **values}
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True) as signing_in:
        assert signing_in.stdout is not None
        said = signing_in.stdout.readline() + signing_in.stdout.readline()
        code = re.search(r"enter the code (\w+)", said)
        assert code, said
        stack.control("POST", f"devicecodes/{code[1]}", {"upn": "by-hand@nimbus.example"})
        assert signing_in.wait(30) == 0
    (row,) = [row for row in stack.table("signins") if "by-hand" in row["RowKey"]]
    assert row["sealed"].startswith("v2.")


def test_a_watched_group_brings_its_members(stack: AppStack) -> None:
    tenant = stack.new_tenant()
    path, group, user = presence_path(tenant, "watch-group"), str(uuid.uuid4()), str(uuid.uuid4())
    assert tenant.call("GET", path).json()["code"] == "WatchGroupNotFound"
    assert tenant.call("PUT", path, {"groupId": "sales"}).status_code == 422
    grants = [{"clientId": CLIENT, "roles": ["GroupMember.Read.All", "User.Read.All"]}]
    groups = [{"id": group, "members": [user]}]
    stack.control("PUT", f"tenants/{tenant.id}", directory(tenant, user, groups=groups, grants=grants))
    assert tenant.call("PUT", path, {"groupId": group}).status_code == 200
    eventually(lambda: tenant.call("GET", path).json()["brought"] == 1, "the member is brought")
    assert tenant.call("GET", f"/api/tenants/{tenant.id}/users/{user}").status_code == 200
    assert tenant.call("DELETE", path).status_code == 204
