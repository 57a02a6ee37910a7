"""Who changed what, and two admins at once."""

from __future__ import annotations

import csv
import io
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import requests

from tests.app.stack import ADMIN, HOME, AppStack
from tests.scale import scaled


def test_each_change_is_listed_newest_first_with_author_path_and_values(stack: AppStack) -> None:
    tenant = stack.new_tenant(services=0)
    path = f"/api/tenants/{tenant.id}/settings"
    tenant.set(outbound={"maxScheduledTasksPerService": 3})
    tenant.set(interact={"authorization": "VerifyToken", "restrictOrigins": True})
    newest, oldest = tenant.call("GET", f"{path}/history").json()["items"]
    assert oldest["by"] == {"oid": ADMIN, "name": "Alex Admin", "tid": tenant.id}
    assert oldest["changes"] == [{"path": "outbound.maxScheduledTasksPerService", "old": 20, "new": 3}]
    assert [change["path"] for change in newest["changes"]] == ["interact.authorization", "interact.restrictOrigins"]
    assert (oldest["revision"], newest["revision"]) == (2, 3)
    assert len(tenant.call("GET", f"{path}/history?section=outbound").json()["items"]) == 1
    assert len(tenant.call("GET", f"{path}/history?by={ADMIN.upper()}").json()["items"]) == 2
    assert tenant.call("GET", f"{path}/history?by={tenant.id}").json()["items"] == []
    first = tenant.call("GET", f"{path}/history?top=1").json()
    second = tenant.call("GET", f"{path}/history", params={"top": 1, "continuation": first["continuation"]}).json()
    assert [first["items"], second["items"]] == [[newest], [oldest]]


def test_a_spreadsheet_gets_one_line_per_changed_field(stack: AppStack) -> None:
    tenant = stack.new_tenant(services=0)
    tenant.set(attendantConsole={"contactSearchFilter": "=cmd()", "teamVisibility": "None"})
    answer = tenant.call("GET", f"/api/tenants/{tenant.id}/settings/history?format=csv")
    assert answer.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert {row["path"]: row["new"] for row in rows} == {
        "attendantConsole.contactSearchFilter": "'=cmd()",  # not a formula
        "attendantConsole.teamVisibility": "None",
    }
    assert tenant.call("GET", f"/api/tenants/{tenant.id}/settings/history?format=xml").status_code == 422


def test_the_tenant_sees_when_an_operator_looked_and_what_it_did(stack: AppStack) -> None:
    tenant = stack.new_tenant(services=0)
    path = f"/api/tenants/{tenant.id}"
    operator = stack.token(HOME, "Operator", name="Ola Operator")
    for read in ("settings", "users", "services", "presence", "outbound", "settings/history", "settings/interact") * 2:
        assert stack.call("GET", f"{path}/{read}", token=operator).status_code == 200
    service = {"displayName": "Desk", "licence": "ContactCenter"}
    assert stack.call("PUT", f"{path}/services/a@b.example", service, token=operator).status_code == 201
    etag = stack.call("GET", path, token=operator).headers["ETag"]
    licences = {"displayName": "Test", "products": ["Interact"], "cluster": ""}
    assert stack.call("PUT", path, licences, token=operator, etag=etag).status_code == 200
    tenant.set(outbound={"maxScheduledTasksPerService": 3})
    items = tenant.call("GET", f"{path}/settings/history?section=operator").json()["items"]
    changes = [(item["by"]["name"], item["by"]["tid"], *item["changes"][0].values()) for item in items]
    calls = [change for change in changes if change[2] == "operator.call"]
    assert calls == [
        ("Ola Operator", HOME, "operator.call", None, f"PUT {path}"),
        ("Ola Operator", HOME, "operator.call", None, f"PUT {path}/services/a@b.example"),
    ]
    hours = [change[4] for change in changes if change[2] == "operator.read"]
    assert len(hours) in (1, 2)  # two around a full hour
    assert len(set(hours)) == len(hours)
    table = tenant.call("GET", f"{path}/settings/history?section=operator&format=csv").text
    assert table.count("operator.") == len(items)
    assert len(tenant.call("GET", f"{path}/settings/history?by=Ola Operator").json()["items"]) == len(items)


def test_an_operators_write_of_the_settings_is_seen_as_a_read_too_and_still_writes(stack: AppStack) -> None:
    tenant = stack.new_tenant(services=0)
    path = f"/api/tenants/{tenant.id}/settings"
    operator = stack.token(HOME, "Operator", name="Ola Operator")
    etag = tenant.call("GET", path).headers["ETag"]

    def told() -> set[str]:
        items = tenant.call("GET", f"{path}/history?by=Ola Operator").json()["items"]
        return {change["path"] for item in items for change in item["changes"]}

    answer = stack.call("PATCH", path, {}, token=operator, etag=etag)
    assert (answer.status_code, answer.headers["ETag"]) == (200, etag)
    assert told() == {"operator.read"}
    wish = {"outbound": {"maxScheduledTasksPerService": 4}}
    assert stack.call("PATCH", path, wish, token=operator, etag=etag).status_code == 200
    assert told() == {"operator.read", "outbound.maxScheduledTasksPerService"}


def test_an_operators_first_write_adds_the_line_and_the_change(stack: AppStack) -> None:
    tenant = stack.new_tenant(services=0)
    path = f"/api/tenants/{tenant.id}/settings"
    etag = tenant.call("GET", path).headers["ETag"]
    wish = {"outbound": {"maxScheduledTasksPerService": 4}}
    answer = stack.call("PATCH", path, wish, token=stack.token(HOME, "Operator"), etag=etag)
    assert (answer.status_code, answer.json()["outbound"]["maxScheduledTasksPerService"]) == (200, 4)
    items = tenant.call("GET", f"{path}/history").json()["items"]
    assert [item["changes"][0]["path"] for item in items][:2] == [
        "outbound.maxScheduledTasksPerService",
        "operator.read",
    ]


def test_two_processes_patching_side_by_side_lose_no_update_and_audit_each(stack: AppStack) -> None:
    each = scaled(40, 100)
    tenant = stack.new_tenant(services=0)
    url = f"{stack.base}/api/tenants/{tenant.id}/settings"
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        saved = [etag for etags in pool.map(_admin, [url] * 2, [tenant.token] * 2, [each] * 2) for etag in etags]
    assert len(saved) == len(set(saved)) == 2 * each
    rows: list[Any] = []
    continuation = None
    while True:
        params = {"top": 50, "continuation": continuation}
        page = tenant.call("GET", f"/api/tenants/{tenant.id}/settings/history", params=params).json()
        rows += page["items"]
        continuation = page["continuation"]
        if continuation is None:
            break
    assert [row["revision"] for row in rows] == sorted(saved, reverse=True) == list(range(2 * each + 1, 1, -1))
    final = requests.get(url, headers={"Authorization": f"Bearer {tenant.token}"}, timeout=20).json()
    chain = [(change["old"], change["new"]) for row in rows for change in row["changes"]]
    assert final["outbound"]["maxScheduledTasksPerService"] == chain[0][1]
    # Each saw what the one before left: a lost update would break the chain.
    assert all(new == old % 50 + 1 for old, new in chain)
    assert [old for old, _ in chain] == [*(new for _, new in chain[1:]), 20]


def _admin(url: str, token: str, writes: int) -> list[int]:
    """Reads, changes, and on 412 reads again, until ``writes`` of its own got through; their ETags."""
    saved: list[int] = []
    with requests.Session() as http:
        http.trust_env = False
        http.headers["Authorization"] = f"Bearer {token}"
        while len(saved) < writes:
            read = http.get(url, timeout=20)
            limit = read.json()["outbound"]["maxScheduledTasksPerService"]
            body: dict[str, Any] = {"outbound": {"maxScheduledTasksPerService": limit % 50 + 1}}
            answer = http.patch(url, json=body, headers={"If-Match": read.headers["ETag"]}, timeout=20)
            assert answer.status_code in (200, 412), answer.text
            if answer.status_code == 200:
                saved.append(int(answer.headers["ETag"].strip('"')))
    return saved


def test_the_overview_says_it_all_in_one_call(stack: AppStack) -> None:
    tenant = stack.new_tenant(services=2, limit=5)
    tenant.submit(1)
    overview = tenant.call("GET", f"/api/tenants/{tenant.id}/overview").json()
    assert set(overview) == {"sections", "presence", "outbound", "permissions", "recentChanges", "recommendations"}
    assert overview["sections"]["outbound"] == {"effective": True, "because": []}
    assert overview["sections"]["interact"]["because"] == ["ProductNotLicensed", "NoLicensedUser", "SwitchedOff"]
    assert [(row["serviceUpn"], row["scheduled"], row["free"]) for row in overview["outbound"]] == [
        (tenant.services[1], 1, 4),
        (tenant.services[0], 0, 5),
    ]
    assert overview["recentChanges"][0]["changes"][0]["path"] == "outbound.maxScheduledTasksPerService"
