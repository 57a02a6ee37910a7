"""Health, the API's description, and paths nobody serves."""

from __future__ import annotations

import pytest

from tests.app.stack import HOME, AppStack


def test_live_and_ready_answer_without_a_token(stack: AppStack) -> None:
    assert stack.call("GET", "/api/health/live", token=None).json() == {"status": "live"}
    ready = stack.call("GET", "/api/health/ready", token=None)
    assert ready.status_code == 200
    assert {row["name"]: row["state"] for row in ready.json()["dependencies"]}["storage"] == "ok"


def test_a_local_run_has_no_warnings_for_its_operator(stack: AppStack) -> None:
    ready = stack.call("GET", "/api/health/ready", token=stack.token(HOME, "Operator"))
    assert (ready.status_code, "warnings" in ready.json()) == (200, False)


def test_queues_and_tables_exist_once_ready(stack: AppStack) -> None:
    for name in ("system", "tenants", "directory", "outbound", "journal", "presence"):
        stack.table(name)  # raises if the table is not there


def test_the_description_names_every_path_and_no_stranger(stack: AppStack) -> None:
    document = stack.call("GET", "/api/openapi.json", token=None).json()
    assert document["openapi"].startswith("3.1")
    assert {"/v1/scheduler-entries", "/api/tenants/{tenantId}/settings", "/api/health/ready"} <= set(document["paths"])
    limit = document["components"]["schemas"]["Outbound"]["properties"]["maxScheduledTasksPerService"]
    assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 50, 20)


def test_the_page_about_the_api_names_every_operation_and_runs_no_script(stack: AppStack) -> None:
    page = stack.call("GET", "/api/docs", token=None)
    assert page.headers["Content-Type"].startswith("text/html")
    assert "script" not in page.headers["Content-Security-Policy"]
    paths = stack.call("GET", "/api/openapi.json", token=None).json()["paths"]
    assert page.text.count("<details>") == sum(len(operations) for operations in paths.values())
    assert "<script" not in page.text


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nowhere"), ("POST", "/api/health/live"), ("GET", "/"), ("DELETE", "/a/b/c?d=e")]
)
def test_an_unknown_path_or_method_is_a_404_problem_with_a_trace_id(stack: AppStack, method: str, path: str) -> None:
    answer = stack.call(method, path, token=None)
    assert (answer.status_code, answer.json()["code"]) == (404, "RouteNotFound")
    assert answer.json()["traceId"] == answer.headers["x-trace-id"]
    assert answer.headers["Content-Type"].startswith("application/problem+json")
