"""A worker process dies in the middle of a storm of submissions."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from tests.app.partition import walk
from tests.app.stack import running
from tests.devhost.stack import eventually


def test_a_killed_worker_leaves_no_slot_without_entry_and_loses_no_accepted_task(tmp_path: Path) -> None:
    with running(tmp_path, "--in-memory", APP_PROCESSES="2") as stack:
        tenant = stack.new_tenant(services=4, limit=25)
        accepted: set[str] = set()
        many_are_in = threading.Event()

        def submit(number: int) -> None:
            try:
                answer = tenant.submit(number % 4)
            except requests.ConnectionError:
                return  # the worker died under this call: its caller does not know, and must not have to
            assert answer.status_code in (200, 409, 503), answer.text
            if answer.status_code == 200:
                accepted.add(answer.json()["schedulerEntryId"])
            if len(accepted) > 20:
                many_are_in.set()

        with ThreadPoolExecutor(16) as pool:
            storm = pool.map(submit, range(120))
            assert many_are_in.wait(30)
            os.kill(stack.pids()["workers"][0], signal.SIGKILL)
            list(storm)

        held = walk(stack, tenant.id)
        listed = {row["schedulerEntryId"] for service in range(4) for row in tenant.unfinished(service)}
        assert accepted <= listed
        assert held == len(listed) <= 100
        eventually(lambda: stack.call("GET", "/api/health/ready", token=None).status_code == 200, "the worker is back")
        with ThreadPoolExecutor(16) as pool:
            deleted = list(pool.map(lambda e: tenant.call("DELETE", f"/v1/scheduler-entries/{e}"), listed))
        assert {answer.status_code for answer in deleted} == {200}
        assert walk(stack, tenant.id) == 0
