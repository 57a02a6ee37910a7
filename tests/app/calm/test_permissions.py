"""Permissions from outside: the catalogue, a tenant's check, the consent link, and the command that provisions."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from devhost.settings import storage_connection
from tests.app.stack import CONTOSO, FABRIKAM, HOME, ROOT, AppStack, NewTenant

NIMBUS_APP = "a0000000-0000-4000-8000-000000000002"
ALEX = "alex.admin@contoso.example"
COMMAND_LINE = {
    "clientId": "14d82eec-204b-4c2f-b7e8-296a70dab67e",
    "scopes": [
        "Application.ReadWrite.All",
        "AppRoleAssignment.ReadWrite.All",
        "DelegatedPermissionGrant.ReadWrite.All",
    ],
}


def by_component(stack: AppStack, path: str, **more: Any) -> dict[str, dict[str, Any]]:
    answer = stack.call("GET", path, **more)
    assert answer.status_code == 200, answer.text
    return {row["component"]: row for row in answer.json()["components"]}


def test_the_catalogue_is_served_and_filtered(stack: AppStack) -> None:
    answer = stack.call("GET", "/api/permissions").json()
    assert (len(answer["items"]), answer["continuation"], answer["version"]) == (37, None, "1")
    (row,) = stack.call("GET", "/api/permissions?component=Nimbus%20App&type=Delegated&product=ContactCenter").json()[
        "items"
    ][:1]
    assert row == {
        "component": "Nimbus App",
        "permission": "User.Read",
        "type": "Delegated",
        "grantedBy": "User",
        "products": {
            "AdvancedRouting": True,
            "EnterpriseRouting": True,
            "ContactCenter": True,
            "AttendantConsole": False,
            "Interact": False,
            "Assistant": False,
        },
        "purpose": "Reads who is signed in.",
        "optional": False,
        "note": None,
    }


def test_filters_nobody_knows_are_all_named(stack: AppStack) -> None:
    answer = stack.call("GET", "/api/permissions?product=Telegraph&component=Nimbus%20Ap&type=%00%F0%9F%98%80")
    assert (answer.status_code, answer.json()["code"]) == (422, "UnknownName")
    assert [finding["path"] for finding in answer.json()["errors"]] == ["product", "component", "type"]


def test_admins_and_operators_read_and_nobody_else(stack: AppStack) -> None:
    mine = f"/api/tenants/{CONTOSO}/permissions"
    operator = stack.token(HOME, "Operator")
    for path in ("/api/permissions", mine):
        assert stack.call("GET", path, token=operator).status_code == 200
        assert stack.call("GET", path, token=None).status_code == 401
        for role in ("ServiceOwner", "Agent"):
            assert stack.call("GET", path, token=stack.token(CONTOSO, role)).status_code == 403
    assert stack.call("GET", mine, token=stack.token(FABRIKAM)).json()["code"] == "WrongTenant"
    stranger = stack.token("33333333-3333-4333-8333-333333333333")
    assert stack.call("GET", "/api/permissions", token=stranger).json()["code"] == "TenantNotOnboarded"


def test_where_graph_refuses_or_fails_the_answer_says_so(stack: AppStack) -> None:
    tenant = NewTenant(stack, services=0, limit=None)
    path = f"/api/tenants/{tenant.id}/permissions"
    grants = [{"clientId": NIMBUS_APP, "roles": ["Presence.Read.All"]}]
    stack.control("PUT", f"tenants/{tenant.id}", {"grants": grants})
    found = by_component(stack, path, token=tenant.token)
    assert {row["state"] for name, row in found.items() if name != "Nimbus App"} == {"unknown"}
    assert (found["Nimbus App"]["state"], found["Nimbus App"]["granted"]) == ("gaps", ["Presence.Read.All"])
    before = tenant.call("GET", f"/api/tenants/{tenant.id}/overview").json()["permissions"]
    # No status of Graph's own becomes a 500 of ours.
    for status, answered in ((503, 504), (429, 503), (500, 502), (400, 502)):
        down = {"host": "graph.microsoft.com", "pathPrefix": "/v1.0/servicePrincipals", "status": status}
        stack.control("POST", "faults", down)
        assert tenant.call("GET", path).status_code == answered
    assert tenant.call("GET", f"/api/tenants/{tenant.id}/overview").json()["permissions"] == before


def test_the_consent_link_closes_the_gap_it_stands_beside_and_the_overview_follows(stack: AppStack) -> None:
    tenant = NewTenant(stack, services=0, limit=None)
    reads = ["Application.Read.All", "DelegatedPermissionGrant.Read.All"]
    stack.control("PUT", f"tenants/{tenant.id}", {"grants": [{"clientId": NIMBUS_APP, "roles": reads}]})
    path = f"/api/tenants/{tenant.id}/permissions"
    bot = by_component(stack, path, token=tenant.token)["Calling Bot"]
    assert (bot["state"], len(bot["missing"])) == ("gaps", 4)
    overview = tenant.call("GET", f"/api/tenants/{tenant.id}/overview").json()["permissions"]
    assert {"component": "Calling Bot", "missing": bot["missing"]} in overview["gaps"]

    local = stack.simulator.removesuffix("_simulator") + bot["consentUrl"].removeprefix("https://")
    back = stack.http.get(local, allow_redirects=False, timeout=20)
    assert back.headers["Location"].startswith(f"{stack.base}/api/consent/callback?admin_consent=True")
    assert by_component(stack, path, token=tenant.token)["Calling Bot"]["state"] == "complete"
    landed = stack.http.get(back.headers["Location"], timeout=20)
    assert (landed.status_code, landed.headers["Content-Type"].partition(";")[0]) == (200, "text/html")
    assert "permissions are checked in the portal" in landed.text
    lied = stack.http.get(f"{stack.base}/api/consent/callback?error=access_denied&tenant={CONTOSO}&state=", timeout=20)
    assert (lied.status_code, lied.text) == (200, landed.text)  # what the browser says is not looked at


def provision(stack: AppStack, tenant_id: str, *flags: str) -> tuple[int, str, str]:
    """Run the command as a person does, signing in as ``ALEX`` when it asks for it: exit code, table, progress."""
    settings = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
    env = settings | {
        "AzureWebJobsStorage": storage_connection(stack.storage_port),
        "MICROSOFT_CLOUD_GATEWAY": stack.simulator.removesuffix("/_simulator"),
    }
    command: Sequence[str] = [sys.executable, "-m", "tools.provision", "--tenant", tenant_id, *flags]
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, env=inherited | env, stdout=pipe, stderr=pipe, text=True) as run:
        assert run.stderr is not None
        asks = run.stderr.readline()
        if code := re.search(r"enter the code (\w+)", asks):
            stack.control("POST", f"devicecodes/{code[1]}", {"upn": ALEX})
        table, progress = run.communicate(timeout=60)
        return run.returncode, table, asks + progress


def test_the_command_signs_an_administrator_in_grants_what_is_missing_and_prints_what_it_did(stack: AppStack) -> None:
    tenant = NewTenant(stack, services=0, limit=None)
    body = {"users": [{"upn": ALEX}], "consents": [COMMAND_LINE]}
    stack.control("PUT", f"tenants/{tenant.id}", body)
    code, table, progress = provision(stack, tenant.id)
    assert code == 0, progress
    assert re.search(r"^Calling Bot +Calls.Initiate.All +Application +granted$", table, re.MULTILINE), table
    assert table.splitlines()[-1] == "15 granted"
    assert "granted: Calls.Initiate.All of Calling Bot" in progress

    code, table, progress = provision(stack, tenant.id, "--dry-run")
    assert (code, table.splitlines()[-1]) == (0, "nothing to do: 15 was there"), progress


def test_the_command_says_in_a_sentence_what_keeps_it_from_working(stack: AppStack) -> None:
    stranger = "33333333-3333-4333-8333-333333333333"
    code, table, said = provision(stack, stranger)
    assert (code, table, said) == (2, "", "not started: there is no such tenant\n")
    tenant = NewTenant(stack, services=0, limit=None)
    code, table, said = provision(stack, tenant.id)
    assert (code, table) == (2, "")
    assert "AADSTS90002" in said
    assert "Traceback" not in said
    code, table, said = provision(stack, tenant.id, "--settings", "package.json")
    assert (code, table, said) == (2, "", "not started: package.json has no object Values\n")
