"""The worker processes behind the app's port: started, watched, started again when they die."""

import asyncio
import json
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from devhost import children
from devhost.errors import CannotStart
from devhost.job import Job
from devhost.lines import Lines

START_PATIENCE: Final = 60.0  # seconds for importing function_app
STOP_PATIENCE: Final = 13.0  # seconds: a worker gives its invocations 10 and needs a moment itself
# Seconds before the next start of a worker that keeps dying young.
PAUSES: Final = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
YOUNG: Final = 30.0  # seconds
_LINE_LIMIT: Final = 4 * 1024 * 1024  # bytes; a worker describes all its functions in one line


class WorkerSlot:
    """One worker process and its successors."""

    def __init__(self, job: Job, *, environ: Mapping[str, str], lines: Lines, changed: Callable[[], None]) -> None:
        self._job = job
        self._environ = environ
        self._lines = lines
        self._changed = changed
        self._channel: asyncio.StreamWriter | None = None
        self._open = False
        self._stopping = False
        self._keeper: asyncio.Task[None] | None = None
        self.process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        return self.process.pid if self.process and self.process.returncode is None else None

    async def start(self) -> list[dict[str, str]]:
        """Start the first process; returns the summary of the app's functions. Raises CannotStart."""
        functions = await self._launch()
        self._keeper = asyncio.create_task(self._keep())
        return functions

    def open_door(self) -> None:
        """Let requests in and timers and queues run, in this process and its successors."""
        self._open = True
        self._say_open()

    async def stop(self) -> None:
        """Ask for an orderly end, then make sure of it."""
        self._stopping = True
        if self._keeper:
            self._keeper.cancel()
        if self.process and not await children.end(self.process, patience=STOP_PATIENCE):
            self._lines.event("worker_killed", f"worker {self._job.number} did not stop and was killed")

    async def _launch(self) -> list[dict[str, str]]:
        ours, theirs = socket.socketpair()
        self.process = await children.start(
            [sys.executable, "-m", "devhost.worker"],
            environ=self._environ,
            folder=Path(self._job.app_dir),
            stdin=theirs.fileno(),
            keep_open=[self._job.listen_fd],
            on_orphaned=signal.SIGKILL,
        )
        theirs.close()
        reader, self._channel = await asyncio.open_connection(sock=ours, limit=_LINE_LIMIT)
        self._channel.write(json.dumps(asdict(replace(self._job, door_open=self._open))).encode() + b"\n")
        self._changed()
        try:
            answer = await asyncio.wait_for(reader.readline(), START_PATIENCE)
        except TimeoutError:
            children.kill(self.process)
            raise CannotStart(f"function_app.py was not imported within {START_PATIENCE:.0f} s.") from None
        if not answer:
            raise CannotStart(f"A worker ended with exit code {await self.process.wait()} while starting.")
        told: dict[str, Any] = json.loads(answer)
        if not told["ready"]:
            raise CannotStart(told["why"])
        self._say_open()
        functions: list[dict[str, str]] = told["functions"]
        return functions

    def _say_open(self) -> None:
        if self._open and self._channel and not self._channel.is_closing():
            self._channel.write(b"open\n")

    async def _keep(self) -> None:
        """Start the worker again whenever it ends, as the real host does with its language worker."""
        loop = asyncio.get_running_loop()
        young_deaths = 0
        while True:
            started = loop.time()
            assert self.process is not None
            code = await self.process.wait()
            if self._stopping:
                return
            if self._channel:
                self._channel.close()
            young_deaths = young_deaths + 1 if loop.time() - started < YOUNG else 1
            pause = PAUSES[min(young_deaths, len(PAUSES)) - 1]
            self._report_death(code, pause)
            await asyncio.sleep(pause)
            try:
                await self._launch()
            except CannotStart as error:
                self._lines.event("worker_broken", f"worker {self._job.number}: {error}", worker=self._job.number)
            else:
                self._lines.event("worker_started", f"worker {self._job.number} is back", worker=self._job.number)

    def _report_death(self, code: int, pause: float) -> None:
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        then = f"in {pause:.1f} s" if pause else "now"
        number = self._job.number
        self._lines.event(
            "worker_died", f"worker {number} {how}; it is started again {then}", worker=number, code=code, pause=pause
        )
