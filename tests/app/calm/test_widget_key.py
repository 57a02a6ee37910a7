"""The widget key: handed out to admins, checked at each call of a widget."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.app.stack import HOME, AppStack, NewTenant
from tests.devhost.stack import eventually


@pytest.fixture
def tenant(stack: AppStack) -> NewTenant:
    return stack.new_tenant(services=0)


def widget(stack: AppStack, key: str | None) -> Any:
    headers = {} if key is None else {"X-Widget-Key": key}
    return stack.call("GET", "/api/interact/widget", token=None, headers=headers)


def fresh(stack: AppStack, key: str) -> int:
    """The status on a connection of its own, so that either process may answer."""
    return requests.get(f"{stack.base}/api/interact/widget", headers={"X-Widget-Key": key}, timeout=20).status_code


def key_path(tenant: NewTenant) -> str:
    return f"/api/tenants/{tenant.id}/interact/widget-key"


def test_a_tenant_has_a_key_from_the_start_and_its_case_does_not_matter(stack: AppStack, tenant: NewTenant) -> None:
    key = tenant.call("GET", key_path(tenant)).json()
    assert set(key) == {"widgetKey", "createdAt"}
    answer = widget(stack, key["widgetKey"].upper())
    assert answer.json() == {"enabled": False, "authorization": "None", "sessionRecoveryTimeoutSeconds": 20}


def test_a_refreshed_key_replaces_the_old_one_within_5_seconds_everywhere(stack: AppStack, tenant: NewTenant) -> None:
    old = tenant.call("GET", key_path(tenant)).json()["widgetKey"]
    assert all(fresh(stack, old) == 200 for _ in range(20))  # both processes believe it now
    new = tenant.call("POST", f"{key_path(tenant)}/refresh").json()["widgetKey"]
    assert new != old
    assert widget(stack, new).status_code == 200

    def gone() -> bool:
        return all(fresh(stack, old) == 401 for _ in range(20))

    # The 5 s are held against a clock in tests/core; here a busy machine may add the time of a call.
    eventually(gone, "no process believes the old key", within=20)
    history = tenant.call("GET", f"/api/tenants/{tenant.id}/settings/history?section=widgetKey").json()["items"]
    assert [row["changes"] for row in history] == [[{"path": "widgetKey", "old": None, "new": "changed"}]]


def test_a_missing_malformed_unknown_and_former_key_get_one_identical_answer(
    stack: AppStack, tenant: NewTenant
) -> None:
    former = tenant.call("GET", key_path(tenant)).json()["widgetKey"]
    tenant.call("POST", f"{key_path(tenant)}/refresh")
    trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    keys = (None, "", "abc", "12345678-1234-4123-8123-123456789012", "x" * 5000, former)
    answers = [
        stack.call(
            "GET", "/api/interact/widget", token=None, headers=trace | ({} if key is None else {"X-Widget-Key": key})
        )
        for key in keys
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert answers[0].json()["code"] == "WidgetKeyInvalid"
    assert {answer.content for answer in answers} == {answers[0].content}  # byte for byte
    headers = [{name: value for name, value in answer.headers.items() if name.lower() != "date"} for answer in answers]
    assert all(one == headers[0] for one in headers)


def test_operators_cannot_read_a_widget_key(stack: AppStack, tenant: NewTenant) -> None:
    operator = stack.token(HOME, "Operator")
    assert stack.call("GET", key_path(tenant), token=operator).status_code == 403
    assert stack.call("POST", f"{key_path(tenant)}/refresh", token=operator).status_code == 403
    # Somebody who administers the home tenant besides is no admin of another one.
    both = stack.token(HOME, "Operator", "TenantAdmin")
    for method, path in (("GET", key_path(tenant)), ("POST", f"{key_path(tenant)}/refresh")):
        refused = stack.call(method, path, token=both)
        assert (refused.status_code, refused.json()["code"]) == (403, "WrongTenant")
    assert stack.call("GET", f"/api/tenants/{tenant.id}/settings", token=both).status_code == 200


def test_a_widget_sees_the_settings_as_they_are_now(stack: AppStack, tenant: NewTenant) -> None:
    key = tenant.call("GET", key_path(tenant)).json()["widgetKey"]
    tenant.set(interact={"sessionRecoveryTimeoutSeconds": 45, "authorization": "VerifyToken"})
    assert widget(stack, key).json() == {
        "enabled": False,
        "authorization": "VerifyToken",
        "sessionRecoveryTimeoutSeconds": 45,
    }
