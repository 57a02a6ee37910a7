"""The timer trigger: one runner at a time over all processes of the stack, no tick run twice."""

import asyncio
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from azure.functions.meta import Datum

from devhost.converters import decode
from devhost.indexing import TIMER, Function
from devhost.invocation import Invokes
from devhost.schedule import parse_schedule, under_a_minute

# A sleeping laptop stops the loop's clock; the wall clock is looked at this often, in seconds.
LONGEST_NAP: Final = 30.0
NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass
class Memory:
    """What the stack remembers about a timer. `last` is the last occurrence that was run (ISO, UTC)."""

    schedule: str = ""
    last: str = ""
    run: str = ""

    def last_run(self, otherwise: datetime) -> datetime:
        """`last` as a time."""
        return datetime.fromisoformat(self.last) if self.last else otherwise


class Claim:
    """The right to run a timer, held as a lock on its file; the kernel gives it back if the process dies."""

    def __init__(self, file: int) -> None:
        self._file = file
        try:
            self.memory = Memory(**json.loads(os.pread(file, 65536, 0) or b"{}"))
        except (ValueError, TypeError):
            self.memory = Memory()  # cut off by a crash: the timer starts afresh

    def save(self) -> None:
        """Write the memory; seen by whoever claims next."""
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, json.dumps(asdict(self.memory)).encode(), 0)


@contextmanager
def claim(path: Path) -> Iterator[Claim | None]:
    """Claim a timer, or None while another process runs it."""
    file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield Claim(file)
    finally:
        os.close(file)


class Timer:
    """Runs one timer function when it is due. `run_id` names this run of the stack."""

    def __init__(self, function: Function, *, folder: Path, invoker: Invokes, run_id: str) -> None:
        self._function = function
        self._expression: str = function.trigger["schedule"]
        self._schedule = parse_schedule(self._expression)
        self._path = folder / f"{function.name}.json"
        self._invoker = invoker
        self._run_id = run_id

    async def run(self, stop: asyncio.Event) -> None:
        """Fire until `stop`. Ticks missed while an invocation runs are not made up for."""
        stopping = asyncio.create_task(stop.wait())
        await self._start()
        while True:
            due = self._schedule.after(datetime.now(UTC))
            while (left := (due - datetime.now(UTC)).total_seconds()) > 0:
                if (await asyncio.wait({stopping}, timeout=min(left, LONGEST_NAP)))[0]:
                    return
            if stop.is_set():
                return
            await self._tick(due)

    async def _start(self) -> None:
        """The first process of a run catches up on one missed tick, or runs a timer that wants it at start."""
        now = datetime.now(UTC)
        with claim(self._path) as held:
            if held is None or held.memory.run == self._run_id:
                return
            memory = held.memory
            known = memory.schedule == self._expression and bool(memory.last)
            monitored = self._function.trigger.get("useMonitor", True) and not under_a_minute(self._schedule, now)
            past_due = known and monitored and self._schedule.after(memory.last_run(now)) <= now
            before = memory.last_run(now) if known else now
            held.memory = Memory(self._expression, (now if past_due or not known else before).isoformat(), self._run_id)
            held.save()
            if past_due or self._function.trigger.get("runOnStartup"):
                await self._invoke(before, past_due=past_due)

    async def _tick(self, due: datetime) -> None:
        """Run one occurrence, unless another process runs this timer now or has run this occurrence."""
        with claim(self._path) as held:
            if held is None:
                return
            before = held.memory.last_run(NEVER)
            if before >= due:
                return
            held.memory.last = due.isoformat()
            held.save()
            await self._invoke(before, past_due=False)

    async def _invoke(self, last: datetime, *, past_due: bool) -> None:
        now = datetime.now(UTC)
        told: dict[str, Any] = {
            "IsPastDue": past_due,
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": {
                "Last": last.isoformat(),
                "Next": self._schedule.after(now).isoformat(),
                "LastUpdated": now.isoformat(),
            },
        }
        request = decode(TIMER, Datum(json.dumps(told), "json"))
        await self._invoker.invoke(self._function, {self._function.trigger["name"]: request})
