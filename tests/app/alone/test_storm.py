"""A small storm with every run; ``make soak`` has the large one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.app.stack import running
from tests.app.storm import Size, Storm, overlaps

SMALL = Size(
    services=10,
    submissions=1_000,
    limit=4,
    agents=8,
    kills=2,
    submitters=16,
    due=1,
    pause=0.2,
    forgets=0.0,  # a task that times out takes longer than all others together; the large storm has them
    patience=60,
)


def test_in_a_storm_each_accepted_task_ends_once_though_two_workers_are_killed(tmp_path: Path) -> None:
    # A lease of 2 s brings back soon what a killed process held; agents and agenda bring the rest.
    with running(
        tmp_path, "--in-memory", APP_PROCESSES="2", PRESENCE_SCHEDULE="*/2 * * * * *", DEVHOST_QUEUE_LEASE_SECONDS="2"
    ) as stack:
        figures = Storm(stack, SMALL, seed=17).pass_over()
    assert sum(figures.endings.values()) == sum(SMALL.accepted) == 38


def test_two_holds_of_one_agent_at_once_would_be_found() -> None:
    def task(name: str, *steps: tuple[str, str]) -> dict[str, Any]:
        rows = [{"state": state, "at": at, "agentUserId": "ann"} for state, at in steps]
        return {"id": name, "history": rows}

    first = task("first", ("Queued", "10:00"), ("Offered", "10:01"), ("InProgress", "10:02"), ("Completed", "10:05"))
    later = task("later", ("Queued", "10:00"), ("Offered", "10:05"), ("Queued", "10:07"))
    at_once = task("at once", ("Queued", "10:00"), ("Offered", "10:04"), ("Queued", "10:07"))
    assert overlaps([first, later]) == []
    assert len(overlaps([first, at_once])) == 1
