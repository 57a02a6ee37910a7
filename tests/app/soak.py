"""``make soak``: the storm at full size, and how soon a due task is offered; prints figures for docs/benchmarks.md.

Takes about half an hour on two cores. Exit code 0 means that every claim held.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from tests.app.contact_centre import ContactCentre
from tests.app.stack import AppStack, entry, running
from tests.app.storm import Size, Storm
from tests.devhost.stack import eventually

LARGE: Final = Size(
    services=100,
    submissions=10_000,
    limit=20,
    agents=40,
    kills=10,
    submitters=16,
    due=240,
    pause=2.0,
    forgets=0.01,
    patience=3600,
)
SPREAD: Final = 20  # seconds over which tasks come due, so that they meet every phase of timer and polls
LATEST: Final = 15.0  # seconds after its due time a task is offered at the latest


def main() -> int:
    parser = argparse.ArgumentParser(prog="soak", description="The storm at full size, then the latency of offers.")
    parser.add_argument("--submissions", type=int, default=LARGE.submissions, help="of the storm; 0 leaves it out")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started ends too
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {text}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        if chosen.submissions:
            with _stack(Path(folder) / "storm", processes=4) as stack:
                say("four workers are ready")
                figures = Storm(stack, replace(LARGE, submissions=chosen.submissions), seed=17, say=say).pass_over()
            print(f"storm: {figures}")
        with _stack(Path(folder) / "calm", processes=2) as stack:
            for services, each in ((1, 20), (20, 5), (100, 1)):
                say(f"latency with {services} services")
                late = sorted(latencies(stack, services, each))
                p50, p99 = late[len(late) // 2], late[int(0.99 * len(late))]
                print(f"due to offer, {services} services: p50 {p50:.1f} s, p99 {p99:.1f} s, of {len(late)}")
                assert late[-1] < LATEST
    return 0


def latencies(stack: AppStack, services: int, each: int) -> list[float]:
    """Seconds from due to offer of ``each`` tasks in each service, with a free agent for each of them."""
    members: Sequence[Sequence[int]] = [range(number * each, (number + 1) * each) for number in range(services)]
    centre = ContactCentre(stack, members, limit=each, tracking=False)
    centre.be("Available")
    eventually(lambda: centre.sees("Available"), "the agents are seen", 60)
    first = datetime.now(UTC) + timedelta(seconds=5 + services * each * 0.1)
    total = services * each

    def submit(number: int) -> str:
        due = (first + timedelta(seconds=SPREAD * number / total)).isoformat().replace("+00:00", "Z")
        upn = centre.tenant.services[number % services]
        answer = centre.tenant.call("POST", "/v1/scheduler-entries", entry(upn, dueDateTimeUtc=due))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["schedulerEntryId"])

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(submit, range(total)))
        last = first + timedelta(seconds=SPREAD + LATEST)
        eventually(lambda: datetime.now(UTC) > last, "all should have been offered", 120)
        return list(pool.map(lambda task_id: _lateness(centre, task_id), ids))


def _lateness(centre: ContactCentre, task_id: str) -> float:
    task = centre.history(task_id)
    offered = next((step["at"] for step in task["history"] if step["event"] == "Offered"), "9999-12-31T00:00:00Z")
    return (datetime.fromisoformat(offered) - datetime.fromisoformat(task["dueDateTimeUtc"])).total_seconds()


def _stack(state: Path, *, processes: int) -> AbstractContextManager[AppStack]:
    return running(state, "--in-memory", APP_PROCESSES=str(processes), PRESENCE_SCHEDULE="*/10 * * * * *")


if __name__ == "__main__":
    sys.exit(main())
