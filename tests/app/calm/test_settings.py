"""The settings document over HTTP."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.app.stack import FABRIKAM, HOME, AppStack, NewTenant


@pytest.fixture
def tenant(stack: AppStack) -> NewTenant:
    return stack.new_tenant()


@pytest.fixture
def path(tenant: NewTenant) -> str:
    return f"/api/tenants/{tenant.id}/settings"


def test_a_new_tenant_has_the_defaults(tenant: NewTenant, path: str) -> None:
    answer = tenant.call("GET", path)
    assert answer.headers["ETag"] == '"1"'
    assert answer.json()["outbound"] == {"maxScheduledTasksPerService": 20}
    assert answer.json()["presenceTracking"] == {"trackOverGuestAccounts": False}
    assert answer.json()["interact"] == {
        "enabled": False,
        "acsConnectionString": {"set": False, "endpoint": None, "fingerprint": None, "lastCheck": None},
        "o365UserId": None,
        "sessionRecoveryTimeoutSeconds": 20,
        "authorization": "None",
        "tokenClientIds": [],
        "restrictOrigins": False,
        "allowedOrigins": [],
    }
    assert answer.json()["attendantConsole"] == {"contactSearchFilter": "", "teamVisibility": "OwnMembers"}
    assert answer.json()["effective"]["outbound"] == {"effective": True, "because": []}
    assert answer.json()["warnings"] == []


def test_one_section_can_be_read(tenant: NewTenant, path: str) -> None:
    section = tenant.call("GET", f"{path}/outbound")
    assert (section.json(), section.headers["ETag"]) == ({"maxScheduledTasksPerService": 20}, '"1"')
    assert tenant.call("GET", f"{path}/nonsense").json()["code"] == "SectionNotFound"


def test_the_schema_carries_titles_bounds_and_defaults(stack: AppStack) -> None:
    schema = stack.call("GET", "/api/settings/schema").json()
    limit = schema["$defs"]["Outbound"]["properties"]["maxScheduledTasksPerService"]
    assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 50, 20)
    assert all(
        field["title"] and field["description"] for d in schema["$defs"].values() for field in d["properties"].values()
    )
    assert schema["$defs"]["Interact"]["properties"]["acsConnectionString"]["writeOnly"] is True


def test_a_patch_changes_what_it_names_and_null_goes_back_to_the_default(tenant: NewTenant, path: str) -> None:
    patched = tenant.call("PATCH", path, {"outbound": {"maxScheduledTasksPerService": 7}}, etag='"1"')
    assert (patched.status_code, patched.headers["ETag"]) == (200, '"2"')
    assert patched.json()["outbound"] == {"maxScheduledTasksPerService": 7}
    back = tenant.call("PATCH", path, {"outbound": None}, etag='"2"')
    assert back.json()["outbound"] == {"maxScheduledTasksPerService": 20}


def test_putting_back_what_was_read_changes_nothing(tenant: NewTenant, path: str) -> None:
    read = tenant.call("GET", path)
    put = tenant.call("PUT", path, read.json(), etag=read.headers["ETag"])
    assert (put.status_code, put.headers["ETag"]) == (200, read.headers["ETag"])
    assert put.json() == read.json()


def test_a_write_must_name_the_version_it_replaces(tenant: NewTenant, path: str) -> None:
    assert tenant.call("PUT", path, {}).status_code == 428
    assert tenant.call("PUT", path, {}, etag="*").status_code == 428
    stale = tenant.call("PUT", path, {}, etag='"41"')
    assert (stale.status_code, stale.headers["ETag"], stale.json()["etag"]) == (412, '"1"', '"1"')
    assert tenant.call("PUT", path, {}, etag='W/"1"').status_code == 412
    assert tenant.call("PUT", path, {}, etag="nonsense").status_code == 412


def test_all_findings_of_a_write_come_together_and_nothing_is_saved(tenant: NewTenant, path: str) -> None:
    body = {
        "outbound": {"maxScheduledTasksPerService": 51, "maxScheduledTaskPerService": 3},
        "presenceTracking": {"trackOverGuestAccounts": "yes"},
        "presenceTraking": {},
    }
    answer = tenant.call("PATCH", path, body, etag='"1"')
    assert answer.status_code == 422
    findings = {finding["path"]: finding for finding in answer.json()["errors"]}
    assert set(findings) == {
        "outbound.maxScheduledTasksPerService",
        "outbound.maxScheduledTaskPerService",
        "presenceTracking.trackOverGuestAccounts",
        "presenceTraking",
    }
    assert "presenceTracking" in findings["presenceTraking"]["message"]
    assert "maxScheduledTasksPerService" in findings["outbound.maxScheduledTaskPerService"]["message"]
    assert tenant.call("GET", path).headers["ETag"] == '"1"'


@pytest.mark.parametrize("value", [0, 51, -1, 2.5, "20", True, [], {}, 10**400])
def test_a_limit_out_of_bounds_or_of_another_type_is_422(tenant: NewTenant, path: str, value: Any) -> None:
    answer = tenant.call("PATCH", path, {"outbound": {"maxScheduledTasksPerService": value}}, etag='"1"')
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"].startswith("outbound.maxScheduledTasksPerService")


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"outbound": NaN}', "application/json", 400),
        (b'{"outbound": {}, "outbound": {}}', "application/json", 400),
        (b"[" * 10_000 + b"]" * 10_000, "application/json", 400),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "application/json", 400),
        (b'{"outbound": "\\ud800"}', "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"n": ' + b"9" * 5000 + b"}", "application/json", 400),
        (b"[]", "application/json", 422),
        (b"null", "application/json", 422),
        (b"{}", "text/plain", 415),
        (b"{}", "", 415),
        (b'{"x": "' + b"x" * 300_000 + b'"}', "application/json", 413),
        (b"{}", "application/merge-patch+json; charset=utf-8", 200),
    ],
)
def test_a_body_that_is_not_what_it_says_is_refused(
    stack: AppStack, tenant: NewTenant, path: str, data: bytes, content_type: str, status: int
) -> None:
    headers = {"Authorization": f"Bearer {tenant.token}", "If-Match": '"1"', "Content-Type": content_type}
    answer = stack.http.patch(stack.base + path, data=data, headers=headers, timeout=20)
    assert answer.status_code == status, answer.text
    assert answer.headers["x-trace-id"]


def test_an_unlicensed_section_can_be_set_and_says_that_it_has_no_effect(stack: AppStack, tenant: NewTenant) -> None:
    operator = stack.token(HOME, "Operator")
    home = f"/api/tenants/{tenant.id}"
    etag = stack.call("GET", home, token=operator).headers["ETag"]
    body = {"displayName": "Test", "products": ["Interact"]}
    assert stack.call("PUT", home, body, token=operator, etag=etag).status_code == 200
    tenant.set(outbound={"maxScheduledTasksPerService": 5})
    effective = tenant.call("GET", f"{home}/settings").json()["effective"]
    assert effective["outbound"] == {"effective": False, "because": ["ProductNotLicensed"]}
    warnings = tenant.call("GET", f"{home}/settings").json()["warnings"]
    assert [(warning["path"], warning["code"]) for warning in warnings] == [("outbound", "NotEffective")]


def test_effective_follows_the_licences_of_services_and_users(stack: AppStack) -> None:
    tenant = stack.new_tenant(services=0)
    path = f"/api/tenants/{tenant.id}"

    def because(section: str) -> list[str]:
        reasons: list[str] = tenant.call("GET", f"{path}/settings").json()["effective"][section]["because"]
        return reasons

    assert because("outbound") == ["NoLicensedService"]
    service = {"displayName": "S", "licence": "ContactCenter", "outboundEnabled": False}
    tenant.call("PUT", f"{path}/services/s@t.example", service)
    assert because("outbound") == ["OutboundNotEnabled"]
    tenant.call("PUT", f"{path}/services/s@t.example", service | {"outboundEnabled": True}, etag='"1"')
    assert because("outbound") == []
    assert because("attendantConsole") == ["ProductNotLicensed", "NoLicensedUser"]
    user = f"{path}/users/{uuid.uuid4()}"
    tenant.call("PUT", user, {"upn": "u@t.example", "displayName": "U", "licences": ["AttendantConsole"]})
    assert because("attendantConsole") == ["ProductNotLicensed"]
    tenant.call("DELETE", user)
    assert because("attendantConsole") == ["ProductNotLicensed", "NoLicensedUser"]


def test_another_tenants_settings_are_out_of_reach(stack: AppStack, path: str) -> None:
    for method in ("GET", "PUT", "PATCH"):
        answer = stack.call(method, path, {}, token=stack.token(FABRIKAM), etag='"1"')
        assert (answer.status_code, answer.json()["code"]) == (403, "WrongTenant")
