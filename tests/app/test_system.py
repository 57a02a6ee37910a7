"""Health, the API's description, and what happens when a part is missing."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.app.stack import HOME, AppStack, running
from tests.devhost.stack import eventually, lives


def test_live_and_ready_answer_without_a_token(stack: AppStack) -> None:
    assert stack.call("GET", "/api/health/live", token=None).json() == {"status": "live"}
    ready = stack.call("GET", "/api/health/ready", token=None)
    assert ready.status_code == 200
    assert {row["name"]: row["state"] for row in ready.json()["dependencies"]}["storage"] == "ok"


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


def test_storage_that_dies_is_told_by_ready_within_5_seconds(tmp_path: Path) -> None:
    with running(tmp_path, "--in-memory") as stack:
        os.kill(stack.pids()["azurite"], signal.SIGKILL)
        eventually(
            lambda: stack.call("GET", "/api/health/ready", token=None).status_code == 503, "ready tells", within=5
        )
        answer = stack.call("GET", "/api/health/ready", token=None)
        assert {row["name"]: row["state"] for row in answer.json()["dependencies"]}["storage"] == "down"
        assert "Azure Storage" not in answer.text  # details are for operators
        spelled = {"Authorization": f"bearer {stack.token(HOME, 'Operator')}"}
        told = stack.call("GET", "/api/health/ready", token=None, headers=spelled).text
        assert "Azure Storage does not answer" in told
        failed = stack.call("GET", "/api/tenants", token=stack.token(HOME, "Operator"))
        assert (failed.status_code, failed.json()["code"]) == (503, "StorageUnavailable")


def test_app_settings_that_are_missing_or_malformed_are_named_all_at_once(tmp_path: Path) -> None:
    broken = {"API_CLIENT_ID": "x", "SECRET_KEYS": "a:b", "PRESENCE_ACCOUNT_2_UPN": " "}
    with running(tmp_path, "--in-memory", "--no-seed", **broken) as stack:
        answer = stack.call("GET", "/api/health/ready", token=None)
        assert answer.status_code == 503
        said = " ".join(answer.json()["settings"])
        assert all(name in said for name in broken)
        assert stack.call("GET", "/api/health/live", token=None).status_code == 200
        refused = stack.call("GET", "/api/tenants", token=stack.token(HOME, "Operator"))
        assert (refused.status_code, refused.json()["code"]) == (503, "ConfigurationError")


def test_a_stack_that_is_told_to_stop_leaves_no_process_behind(tmp_path: Path) -> None:
    with running(tmp_path, APP_PROCESSES="2") as stack:
        pids = stack.pids()
        everyone = [pids["supervisor"], pids["azurite"], pids["simulator"], *pids["workers"]]
        assert all(lives(pid) for pid in everyone)
        assert stack.stop() == 0
        eventually(lambda: not any(lives(pid) for pid in everyone), "all are gone")
    with running(tmp_path) as again:  # the same state folder: the demo data is still there
        assert again.call("GET", "/api/tenants", token=again.token(HOME, "Operator")).json()["items"]
