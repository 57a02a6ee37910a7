"""The order of refusals: what the path names, then whether the body can be read, then its content, then the state."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
import requests

import function_app
from functions.http.endpoints import ENDPOINTS, Endpoint
from tests.app.interact_world import InteractTenant
from tests.app.stack import CONTOSO, HOME, AppStack, NewTenant, entry

assert function_app.app, "importing the app is what fills ENDPOINTS"
NOWHERE = str(uuid.uuid4())
JSON = {"Content-Type": "application/json"}
BAD: dict[str, dict[str, Any]] = {
    "not said to be JSON": {"data": "x", "headers": {"Content-Type": "text/plain"}},
    "too large": {"data": '{"x": "' + "x" * 300_000 + '"}', "headers": JSON},
    "not JSON": {"data": "{bad", "headers": JSON},
    "without content": {"data": "{}", "headers": JSON},
    "no object": {"data": "5", "headers": JSON},
}
UNREADABLE = {"not said to be JSON": 415, "too large": 413, "not JSON": 400, "no object": 422}
IMPOSSIBLE = {"serviceUpn": "other@contoso.example", "dueDateTimeUtc": "2020-01-01T00:00:00Z", "maxAttempts": 11}


def names_something(endpoint: Endpoint) -> bool:
    """Whether its path names a thing that has to be there, and its body says what to do with it."""
    named = {*re.findall(r"{(\w+)}", endpoint.path)} - {"tenantId"}
    makes_it = endpoint.method == "PUT" and endpoint.versioned
    return bool(named and endpoint.roles and endpoint.body is not None and not makes_it)


NAMING = [endpoint for endpoint in ENDPOINTS.values() if names_something(endpoint)]
assert NAMING


@pytest.fixture(scope="module")
def tenant(stack: AppStack) -> NewTenant:
    return stack.new_tenant(limit=50)


@pytest.fixture(scope="module")
def shop(stack: AppStack) -> InteractTenant:
    return InteractTenant(stack)


@pytest.fixture
def entry_id(tenant: NewTenant) -> str:
    return str(tenant.submit().json()["schedulerEntryId"])


def told(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("endpoint", NAMING, ids=lambda endpoint: endpoint.name)
def test_what_the_path_names_and_is_not_there_is_404_whatever_the_body(
    stack: AppStack, endpoint: Endpoint, bad: str
) -> None:
    path = re.sub(r"{(\w+)}", lambda name: CONTOSO if name[1] == "tenantId" else NOWHERE, endpoint.path)
    assert stack.call(endpoint.method, f"/{path}", **BAD[bad]).status_code == 404


@pytest.mark.parametrize("bad", BAD)
def test_a_session_nobody_started_is_404_whatever_is_told_of_it(
    stack: AppStack, shop: InteractTenant, bad: str
) -> None:
    path = f"/api/interact/sessions/{NOWHERE}/events"
    headers = BAD[bad]["headers"]
    page = headers | {"X-Widget-Key": shop.key, "X-Session-Secret": "guess"}
    assert told(stack.call("POST", path, token=None, data=BAD[bad]["data"], headers=page)) == (404, "SessionNotFound")
    back_end = stack.token(shop.id, "Integration", appOnly=True)
    answer = stack.call("POST", path, token=back_end, **BAD[bad])
    assert told(answer) == (404, "SessionNotFound")


@pytest.mark.parametrize("bad", BAD)
def test_who_does_not_own_the_tasks_service_is_told_so_whatever_the_body(
    stack: AppStack, tenant: NewTenant, entry_id: str, bad: str
) -> None:
    stranger = stack.token(tenant.id, "ServiceOwner", oid=NOWHERE)
    for path in (f"/v1/tasks/{entry_id}", f"/v1/scheduler-entries/{entry_id}"):
        assert told(stack.call("PUT", path, token=stranger, **BAD[bad])) == (403, "NotServiceOwner")


@pytest.mark.parametrize("bad", UNREADABLE)
def test_a_body_that_cannot_be_read_is_refused_before_the_state_is_looked_at(
    tenant: NewTenant, entry_id: str, bad: str
) -> None:
    assert tenant.call("DELETE", f"/v1/scheduler-entries/{entry_id}").status_code == 200
    release = f"/api/tenants/{tenant.id}/outbound/entries/{entry_id}/release"
    calls = [("PUT", f"/v1/tasks/{entry_id}"), ("PUT", f"/v1/scheduler-entries/{entry_id}"), ("POST", release)]
    for method, path in calls:
        assert tenant.call(method, path, **BAD[bad]).status_code == UNREADABLE[bad]


@pytest.mark.parametrize(("name", "value"), IMPOSSIBLE.items())
def test_content_no_task_may_have_is_refused_before_it_is_said_that_the_task_is_finished(
    tenant: NewTenant, name: str, value: object
) -> None:
    good = entry(tenant.services[0])
    path = "/v1/scheduler-entries/" + tenant.call("POST", "/v1/scheduler-entries", good).json()["schedulerEntryId"]
    assert tenant.call("DELETE", path).status_code == 200
    refused = tenant.call("PUT", path, good | {name: value})
    assert (refused.status_code, [finding["path"] for finding in refused.json()["errors"]]) == (422, [name])
    assert told(tenant.call("PUT", path, good)) == (409, "OutboundTaskFinished")


def test_a_finished_task_takes_no_update_and_no_release_once_their_content_is_good(
    tenant: NewTenant, entry_id: str
) -> None:
    assert tenant.call("DELETE", f"/v1/scheduler-entries/{entry_id}").status_code == 200
    update, release = f"/v1/tasks/{entry_id}", f"/api/tenants/{tenant.id}/outbound/entries/{entry_id}/release"
    assert tenant.call("PUT", update, {"customer": 5}).status_code == 422
    assert told(tenant.call("PUT", update, {})) == (409, "OutboundTaskFinished")
    assert tenant.call("POST", release, {"reason": ""}).status_code == 422
    assert told(tenant.call("POST", release, {"reason": "stuck"})) == (409, "OutboundTaskFinished")


@pytest.mark.parametrize("bad", BAD)
def test_who_is_no_user_of_the_tenant_has_no_duty_to_switch_whatever_the_body(
    stack: AppStack, tenant: NewTenant, bad: str
) -> None:
    agent = stack.token(tenant.id, "Agent", oid=NOWHERE)
    assert told(stack.call("PUT", "/api/me/active", token=agent, **BAD[bad])) == (404, "UserNotFound")


def test_a_tenant_that_leaves_is_told_so_once_what_is_wanted_is_good(stack: AppStack) -> None:
    leaving, operator = stack.new_tenant(), stack.token(HOME, "Operator")
    path = f"/api/tenants/{leaving.id}"
    stack.call("DELETE", path, token=operator)
    assert stack.call("PUT", path, {}, token=operator).status_code == 422


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "interact/acs-check"), ("PATCH", "settings"), ("POST", "presence/test")]
)
def test_a_body_in_chunks_is_told_to_come_with_its_length(stack: AppStack, method: str, path: str) -> None:
    """The host hands none of it over. Taken for no body, a check would test the stored string and not the one sent."""
    chunks = iter([b'{"connectionString": ', b'"endpoint=https://x.communication.azure.com/;accesskey=eA=="}'])
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {stack.admin_token}", "If-Match": '"1"'}
    url = f"{stack.base}/api/tenants/{CONTOSO}/{path}"
    answer = requests.request(method, url, data=chunks, headers=headers, timeout=20)
    assert (answer.status_code, answer.json()["code"]) == (411, "LengthRequired")


def test_a_widget_may_send_8_kib_once_its_key_is_good(shop: InteractTenant) -> None:
    body = {"conversation": "direct", "target": shop.upn, "customer": {"name": "x" * 9_000}}
    assert told(shop.page("POST", "sessions", body, X_Widget_Key=NOWHERE)) == (401, "WidgetKeyInvalid")
    assert told(shop.page("POST", "sessions", body)) == (413, "BodyTooLarge")
    assert shop.page("POST", "sessions", body | {"customer": {"name": "x" * 7_000}}).status_code != 413


def test_of_thousands_of_unknown_fields_a_hundred_are_told_and_few_get_a_suggestion(stack: AppStack) -> None:
    path = f"/api/tenants/{CONTOSO}/services/large@contoso.example"
    refused = stack.call("PUT", path, {f"displayName{number}": 0 for number in range(10_000)})
    assert refused.status_code == 422
    messages = [finding["message"] for finding in refused.json()["errors"]]
    assert len(messages) == 100
    assert sum("did you mean displayName?" in message for message in messages) == 5


@pytest.mark.parametrize("bad", ["not said to be JSON", "too large", "not JSON"])
@pytest.mark.parametrize("endpoint", [one for one in ENDPOINTS.values() if one.versioned and one.body is not None])
def test_a_body_is_read_before_the_version_it_replaces_is_judged(
    stack: AppStack, tenant: NewTenant, endpoint: Endpoint, bad: str
) -> None:
    known = {"tenantId": tenant.id, "serviceUpn": tenant.services[0]}
    path = re.sub(r"{(\w+)}", lambda name: known.get(name[1], NOWHERE), endpoint.path)
    token = stack.token(HOME, "Operator") if endpoint.name == "put_tenant" else tenant.token
    headers = BAD[bad]["headers"]
    for version in ({}, {"If-Match": '"999"'}):
        answer = stack.call(endpoint.method, f"/{path}", token=token, data=BAD[bad]["data"], headers=headers | version)
        assert answer.status_code == UNREADABLE[bad]
