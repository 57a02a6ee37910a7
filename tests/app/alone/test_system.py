"""What happens when a part is missing or is told to stop."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.app.stack import HOME, ROOT, running
from tests.devhost.stack import eventually, lives, refusal


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


def test_a_start_that_fails_names_every_setting_that_is_wrong(tmp_path: Path) -> None:
    broken = {"API_CLIENT_ID": "", "SECRET_KEYS": "a:b", "PRESENCE_SCHEDULE": "", "AzureWebJobsStorage": ""}
    code, said = refusal(ROOT, STATE_DIR=str(tmp_path), **broken)
    assert code == 2
    assert all(name in said.splitlines()[0] for name in broken)


def test_a_stack_that_is_told_to_stop_leaves_no_process_behind(tmp_path: Path) -> None:
    with running(tmp_path, APP_PROCESSES="2") as stack:
        pids = stack.pids()
        everyone = [pids["supervisor"], pids["azurite"], pids["simulator"], *pids["workers"]]
        assert all(lives(pid) for pid in everyone)
        assert stack.stop() == 0
        eventually(lambda: not any(lives(pid) for pid in everyone), "all are gone")
    with running(tmp_path) as again:  # the same state folder: the demo data is still there
        assert again.call("GET", "/api/tenants", token=again.token(HOME, "Operator")).json()["items"]
