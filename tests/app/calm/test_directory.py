"""Tenants, services and users over HTTP."""

from __future__ import annotations

import uuid

from tests.app.stack import HOME, AppStack
from tests.devhost.stack import eventually


def test_a_service_is_created_replaced_and_deleted(stack: AppStack) -> None:
    tenant = stack.new_tenant(services=0)
    path = f"/api/tenants/{tenant.id}/services/Help@{tenant.id[:8]}.example"
    body = {"displayName": "Help", "licence": "ContactCenter", "outboundEnabled": True}
    created = tenant.call("PUT", path, body)
    assert (created.status_code, created.headers["ETag"]) == (201, '"1"')
    assert created.json()["upn"].startswith("Help@")
    assert created.json()["distribution"] == {"whileBusy": False, "whileInMeeting": False, "whileAway": False}
    assert tenant.call("PUT", path, body).status_code == 428
    replaced = tenant.call("PUT", path.replace("Help@", "help@"), body | {"displayName": "Aid"}, etag='"1"')
    assert (replaced.status_code, replaced.headers["ETag"]) == (200, '"2"')
    assert replaced.json()["upn"].startswith("Help@")  # the stored spelling
    assert tenant.call("PUT", path.replace("Help", "Other"), body, etag='"1"').status_code == 412
    assert tenant.call("PUT", path.replace("Help", "Other"), body, etag="*").status_code == 428
    assert tenant.call("DELETE", path, etag='"1"').status_code == 412
    assert tenant.call("DELETE", path, etag='"2"').status_code == 204
    assert tenant.call("GET", path).json()["code"] == "ServiceNotFound"
    again = tenant.call("PUT", path, body)
    assert (again.status_code, again.headers["ETag"]) == (201, '"3"')


def test_a_service_with_unfinished_tasks_stays(stack: AppStack) -> None:
    tenant = stack.new_tenant()
    created = tenant.submit().json()
    path = f"/api/tenants/{tenant.id}/services/{tenant.services[0]}"
    assert tenant.call("DELETE", path).json()["code"] == "ServiceInUse"
    tenant.call("DELETE", f"/v1/scheduler-entries/{created['schedulerEntryId']}")
    assert tenant.call("DELETE", path).status_code == 204


def test_bad_content_of_a_service_is_422_with_all_findings(stack: AppStack) -> None:
    tenant = stack.new_tenant(services=0)
    body = {"licence": "Gold", "owners": ["me"], "pstnNumber": "044", "colour": "red"}
    answer = tenant.call("PUT", f"/api/tenants/{tenant.id}/services/a@b.example", body)
    assert answer.status_code == 422
    assert {f["path"] for f in answer.json()["errors"]} == {
        "displayName",
        "licence",
        "owners.0",
        "pstnNumber",
        "colour",
    }
    assert tenant.call("PUT", f"/api/tenants/{tenant.id}/services/nonsense", {}).status_code == 422


def test_a_upn_belongs_to_one_user(stack: AppStack) -> None:
    tenant = stack.new_tenant(services=0)
    one, two = (f"/api/tenants/{tenant.id}/users/{uuid.uuid4()}" for _ in range(2))
    body = {"upn": "ann_partner.example#EXT#@contoso.example", "displayName": "Ann"}
    assert tenant.call("PUT", one, body).status_code == 201
    taken = tenant.call("PUT", two, body | {"upn": body["upn"].upper()})
    assert (taken.status_code, taken.json()["code"]) == (409, "UpnInUse")
    assert tenant.call("PUT", one, body | {"upn": "ann@contoso.example"}, etag='"1"').status_code == 200
    assert tenant.call("PUT", two, body).status_code == 201
    assert tenant.call("PUT", f"/api/tenants/{tenant.id}/users/nonsense", body).status_code == 422
    assert tenant.call("GET", f"/api/tenants/{tenant.id}/users/nonsense").status_code == 404


def test_lists_are_paged_and_complete(stack: AppStack) -> None:
    tenant = stack.new_tenant(services=7)
    path = f"/api/tenants/{tenant.id}/services"
    seen: list[str] = []
    continuation = None
    for _ in range(4):
        page = tenant.call("GET", path, params={"top": 2, "continuation": continuation}).json()
        seen += [item["upn"] for item in page["items"]]
        continuation = page["continuation"]
    assert continuation is None
    assert seen == sorted(tenant.services)
    for bad in ("0", "1001", "x", "-1"):
        assert tenant.call("GET", f"{path}?top={bad}").status_code == 422


def test_offboarding_closes_a_tenant_at_once_and_removes_it(stack: AppStack) -> None:
    tenant = stack.new_tenant(services=2)
    assert tenant.submit().status_code == 200
    tenant.call("PUT", f"/api/tenants/{tenant.id}/users/{uuid.uuid4()}", {"upn": "u@c.example", "displayName": "U"})
    operator = stack.token(HOME, "Operator")
    path = f"/api/tenants/{tenant.id}"
    asked = stack.call("DELETE", path, token=operator)
    assert (asked.status_code, asked.json()["state"]) == (202, "offboarding")
    assert tenant.submit().json()["code"] == "TenantNotOnboarded"
    eventually(lambda: stack.call("DELETE", path, token=operator).status_code == 404, "the tenant is gone")
    for table in ("tenants", "directory", "outbound", "journal", "presence"):
        assert not [row for row in stack.table(table) if tenant.id in row["PartitionKey"] + row["RowKey"]]
    body = {"displayName": "Again", "products": []}
    assert stack.call("PUT", path, body, token=operator).status_code == 201


def test_only_operators_manage_tenants(stack: AppStack) -> None:
    assert stack.call("GET", "/api/tenants").status_code == 403
    operator = stack.token(HOME, "Operator")
    names = {item["displayName"] for item in stack.call("GET", "/api/tenants?top=1000", token=operator).json()["items"]}
    assert {"Contoso", "Fabrikam"} <= names
