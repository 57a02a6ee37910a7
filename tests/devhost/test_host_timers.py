"""The timer trigger with two worker processes, and its memory between runs."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from devhost.indexing import TIMER, Function
from devhost.invocation import NO_TRACE, Outcome, TraceContext
from devhost.timers import Timer, claim
from tests.devhost.stack import Running


def test_two_processes_run_each_tick_once(stack: Running) -> None:
    ticks = stack.wait_for("log", message="tick", count=5)
    moments = [datetime.fromisoformat(tick["time"]) for tick in ticks]
    elapsed = round((moments[-1] - moments[0]).total_seconds())
    assert elapsed == len(ticks) - 1
    # Each run is told the occurrence before it: no occurrence twice, none left out.
    lasts = [datetime.fromisoformat(tick["extra"]["last"]) for tick in ticks[1:]]
    assert {later - earlier for earlier, later in pairwise(lasts)} == {timedelta(seconds=1)}
    assert not any(tick["extra"]["late"] for tick in ticks)


def test_run_on_startup_means_once_per_run_of_the_stack(stack: Running) -> None:
    stack.wait_for("log", message="tick", count=3)
    assert len(stack.wait_for("log", message="started")) == 1


def test_an_error_does_not_stop_the_schedule(stack: Running) -> None:
    lines = stack.wait_for("invocation", function="failing", count=3)
    assert {line["outcome"] for line in lines} == {"Failed"}


class Recorder:
    """Keeps what a timer function would have been given; ends the timer after `wanted` calls."""

    def __init__(self, stop: asyncio.Event, wanted: int) -> None:
        self._stop = stop
        self._wanted = wanted
        self.requests: list[Any] = []

    async def invoke(
        self, function: Function, arguments: Mapping[str, object], trace: TraceContext = NO_TRACE
    ) -> Outcome:
        self.requests.append(arguments["timer"])
        if len(self.requests) == self._wanted:
            self._stop.set()
        return Outcome(succeeded=True)


def timer_function(schedule: str, **more: object) -> Function:
    trigger = {"type": TIMER, "name": "timer", "direction": "IN", "schedule": schedule, **more}
    return Function("t", TIMER, (trigger,), trigger, {}, lambda timer: None, is_async=False, wants_context=False)


def remember(folder: Path, schedule: str, last: datetime) -> None:
    (folder / "t.json").write_text(json.dumps({"schedule": schedule, "last": last.isoformat(), "run": "earlier"}))


def start(folder: Path, function: Function, run_id: str, *, wanted: int = 1) -> list[Any]:
    """The requests of a timer that is started and stopped after `wanted` calls, or at once if none come at start."""

    async def run() -> list[Any]:
        stop = asyncio.Event()
        recorder = Recorder(stop, wanted)
        timer = asyncio.create_task(Timer(function, folder=folder, invoker=recorder, run_id=run_id).run(stop))
        if not wanted:
            stop.set()
        await asyncio.wait_for(timer, 10)
        return recorder.requests

    return asyncio.run(run())


DAILY = "0 0 0 * * *"


def test_while_one_process_runs_a_timer_no_other_does_and_it_is_free_again_afterwards(tmp_path: Path) -> None:
    wants_to_run = timer_function(DAILY, runOnStartup=True)
    with claim(tmp_path / "t.json") as ours:
        assert ours is not None
        assert start(tmp_path, wants_to_run, "run", wanted=0) == []
    assert len(start(tmp_path, wants_to_run, "run")) == 1


def test_missed_ticks_are_made_up_for_once_and_marked(tmp_path: Path) -> None:
    remember(tmp_path, DAILY, datetime.now(UTC) - timedelta(days=5))
    [request] = start(tmp_path, timer_function(DAILY), "run")
    assert request.past_due
    assert start(tmp_path, timer_function(DAILY), "run", wanted=0) == []
    assert start(tmp_path, timer_function(DAILY), "next run", wanted=0) == []


@pytest.mark.parametrize(
    "function",
    [timer_function("*/20 * * * * *"), timer_function(DAILY, useMonitor=False), timer_function("0 0 1 * * *")],
)
def test_nothing_is_made_up_for_without_a_memory_of_this_schedule(tmp_path: Path, function: Function) -> None:
    known = DAILY if function.trigger["schedule"] == "0 0 1 * * *" else function.trigger["schedule"]
    remember(tmp_path, known, datetime.now(UTC) - timedelta(days=5))
    assert start(tmp_path, function, "run", wanted=0) == []


def test_a_first_run_remembers_when_it_began(tmp_path: Path) -> None:
    assert start(tmp_path, timer_function(DAILY), "run", wanted=0) == []
    last = datetime.fromisoformat(json.loads((tmp_path / "t.json").read_text())["last"])
    assert datetime.now(UTC) - last < timedelta(minutes=1)


def test_a_memory_cut_off_by_a_crash_is_a_fresh_start(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text('{"schedule": "0 0')
    [request] = start(tmp_path, timer_function("* * * * * *"), "run")
    assert not request.past_due
