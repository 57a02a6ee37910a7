"""One stack from its first check to its last process: storage, simulator, workers, seed, door."""

import asyncio
import functools
import json
import os
import secrets
import signal
import socket
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from devhost import checks, children, greeting
from devhost.errors import CannotStart
from devhost.job import Job
from devhost.lines import Lines
from devhost.options import Options
from devhost.settings import AZURE_SIGNS, flaws, read_values, worker_environment
from devhost.workers import WorkerSlot

STORAGE_PATIENCE: Final = 30.0  # seconds; Azurite needs about one
SIMULATOR_PATIENCE: Final = 30.0
SEED_PATIENCE: Final = 120.0
KILLED: Final = 130  # the shell's exit code for a second Ctrl-C
DEMO: Final = Path(__file__).with_name("demo.json")


class Stack:
    """Everything one run starts. `start` may be cancelled at any point; `stop` ends whatever is there."""

    def __init__(self, options: Options, lines: Lines, door: socket.socket) -> None:
        self._options = options
        self._lines = lines
        self._socket = door
        self._secret = secrets.token_hex(16)
        self._began = time.monotonic()
        self._stopping = False
        self._slots: list[WorkerSlot] = []
        self._helpers: dict[str, asyncio.subprocess.Process] = {}
        self._watchers: set[asyncio.Task[None]] = set()
        self._lifeline, self._held = os.pipe()  # children read the one end; the other is only here
        self._logs = checks.make_folder(options.state_dir / "logs")
        self._ours = options.app == checks.ROOT
        kept = {name: value for name, value in os.environ.items() if name not in AZURE_SIGNS}
        self._environ = {
            **kept,
            "PYTHONPATH": os.pathsep.join(filter(None, (str(checks.ROOT), kept.get("PYTHONPATH")))),
        }
        self._app_environ = worker_environment(
            read_values(options.app),
            self._environ,
            app_port=options.app_port,
            simulator_port=options.simulator_port,
            storage_port=options.storage_port,
        )

    async def start(self) -> None:
        """Start all parts side by side and open the door last. Raises CannotStart, with every setting that is wrong."""
        try:
            await self._start()
        except CannotStart as reason:
            if self._ours and (found := flaws(self._app_environ)):
                raise CannotStart(f"app settings need attention: {'; '.join(found)}.\n  {reason}") from reason
            raise

    async def _start(self) -> None:
        """Workers index the app while storage starts and call no function yet: a mistake in it is told at once."""
        self._say_cleared()
        checks.listen(self._socket)
        self._slots = [self._slot(number) for number in range(self._options.processes)]
        helpers = [
            *([self._start_storage()] if self._options.storage else []),
            *([self._start_simulator()] if self._options.simulator else []),
        ]
        workers = asyncio.gather(*(slot.start() for slot in self._slots))
        await asyncio.gather(workers, *helpers)
        self._show(workers.result()[0])
        seeded = self._options.seed and self._ours  # another app has none of our routes
        if seeded:
            await self._seed()
        for slot in self._slots:
            slot.open_door()
        seconds = time.monotonic() - self._began
        url = f"http://127.0.0.1:{self._options.app_port}/"
        if seeded:
            self._lines.plain(greeting.welcome(self._options, greeting.people_of(json.loads(DEMO.read_text("utf-8")))))
        self._lines.event("ready", f"ready after {seconds:.1f} s: {url} (Ctrl-C stops)", url=url, seconds=seconds)

    async def stop(self) -> None:
        """No new connections; running invocations end; workers, simulator and storage go in that order."""
        self._stopping = True
        self._lines.event("stopping", "stopping")
        self._socket.close()
        await asyncio.gather(*(slot.stop() for slot in self._slots))
        for name in ("seed", "simulator", "azurite"):
            if name in self._helpers and not await children.end(self._helpers[name], patience=10):
                self._lines.event("helper_killed", f"{name} did not stop and was killed", helper=name)
        self._run_file.unlink(missing_ok=True)
        self._lines.event("stopped", "stopped, nothing is left running")

    def kill(self) -> None:
        """End every child at once."""
        for process in [*(slot.process for slot in self._slots), *self._helpers.values()]:
            if process:
                children.kill(process)

    async def _start_storage(self) -> None:
        options, port = self._options, self._options.storage_port
        place = ["--inMemoryPersistence"] if options.in_memory else ["--location", str(options.state_dir / "azurite")]
        node = checks.find_node(self._environ.get("PATH"))
        command = [
            *(node, "--require", str(Path(__file__).with_name("leash.cjs"))),
            *(str(checks.find_azurite()), "--silent", "--disableTelemetry", "--skipApiVersionCheck", *place),
            *("--blobHost", "127.0.0.1", "--queueHost", "127.0.0.1", "--tableHost", "127.0.0.1"),
            *("--blobPort", str(port), "--queuePort", str(port + 1), "--tablePort", str(port + 2)),
        ]

        async def listens() -> bool:
            return all([await children.connects(one) for one in range(port, port + 3)])

        try:
            await self._start_helper("azurite", command, {}, listens, STORAGE_PATIENCE)
        except CannotStart:
            checks.check_node(node)
            raise

    async def _start_simulator(self) -> None:
        port = self._options.simulator_port
        told = {"SIMULATOR_PORT": str(port), "STATE_DIR": str(self._options.state_dir)}

        async def healthy() -> bool:
            return await children.answers_ok(port, "/_simulator/health")

        command = [sys.executable, "-m", "devhost.leash", "simulator"]
        await self._start_helper("simulator", command, told, healthy, SIMULATOR_PATIENCE)

    async def _start_helper(
        self, name: str, command: list[str], told: dict[str, str], ready: Callable[[], Awaitable[bool]], patience: float
    ) -> None:
        log = self._logs / f"{name}.log"
        process = await children.start(
            command, environ={**self._environ, **told}, folder=checks.ROOT, stdin=self._lifeline, log=log
        )
        self._helpers[name] = process
        self._write_run_file()
        await children.until_ready(process, ready, name=name, patience=patience, log=log)
        watcher = asyncio.create_task(self._mourn(name, process, log))
        self._watchers.add(watcher)

    async def _mourn(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        """Say loudly that a helper died. The rest keeps running: the app's own readiness tells what is missing."""
        code = await process.wait()
        if not self._stopping:
            advice = "stop this run with Ctrl-C and start it again"
            text = f"!!! {name} died (exit code {code}); the app runs without it: {advice}.{children.tail(log)}"
            self._lines.event("helper_died", text, helper=name, code=code)

    def _slot(self, number: int) -> WorkerSlot:
        job = Job(
            number=number,
            app_dir=str(self._options.app),
            state_dir=str(self._options.state_dir),
            listen_fd=self._socket.fileno(),
            as_json=self._options.as_json,
            verbose=self._options.verbose,
            run_id=self._run_id,
            secret=self._secret,
        )
        return WorkerSlot(job, environ=self._app_environ, lines=self._lines, changed=self._write_run_file)

    async def _seed(self) -> None:
        """Fill in the demo data while the door is still closed to others."""
        log = self._logs / "seed.log"
        told = {
            **self._app_environ,
            "DEVHOST_RUN": self._secret,
            "APP_PORT": str(self._options.app_port),
            "SIMULATOR_PORT": str(self._options.simulator_port),
        }
        process = await children.start(
            [sys.executable, "-m", "devhost.seed"], environ=told, folder=checks.ROOT, stdin=self._lifeline, log=log
        )
        self._helpers["seed"] = process
        try:
            code = await asyncio.wait_for(process.wait(), SEED_PATIENCE)
        except TimeoutError:
            raise CannotStart(f"Seeding did not end within {SEED_PATIENCE:.0f} s.{children.tail(log)}") from None
        if code:
            raise CannotStart(f"Seeding failed with exit code {code}; --no-seed leaves it out.{children.tail(log)}")
        self._lines.event("seeded", "the demo data is there")

    def _show(self, functions: list[dict[str, str]]) -> None:
        if self._options.as_json:
            self._lines.event("functions", f"{len(functions)} functions", functions=functions)
            return
        if self._options.functions:
            self._lines.plain(greeting.functions(functions))
        self._lines.plain(greeting.addresses(self._options))
        if "DEVHOST_FUNCTION_KEY" not in self._app_environ and any("(key)" in one["detail"] for one in functions):
            self._lines.plain("Functions marked (key) answer 401 until DEVHOST_FUNCTION_KEY is set.\n")

    def _say_cleared(self) -> None:
        cleared = [name for name in AZURE_SIGNS if os.environ.get(name)]
        if cleared:
            names = ", ".join(cleared)
            self._lines.event("cleared", f"{names} is set, which says Azure; cleared for this run", names=cleared)

    @property
    def _run_file(self) -> Path:
        return self._options.state_dir / "run.json"

    @functools.cached_property
    def _run_id(self) -> str:
        return str(uuid.uuid4())

    def _write_run_file(self) -> None:
        """Who runs where, for tests and tools; replaced as a whole."""
        options = self._options
        pids = {name: process.pid for name, process in self._helpers.items() if name != "seed"}
        content = {
            "supervisor": os.getpid(),
            "workers": [slot.pid for slot in self._slots],
            "azurite": pids.get("azurite"),
            "simulator": pids.get("simulator"),
            "ports": {"app": options.app_port, "simulator": options.simulator_port, "storage": options.storage_port},
        }
        fresh = self._run_file.with_suffix(".new")
        fresh.write_text(json.dumps(content, indent=1))
        fresh.replace(self._run_file)


async def supervise(options: Options, lines: Lines, door: socket.socket) -> None:
    """Run one stack until SIGINT, SIGTERM or SIGHUP; a second signal kills everything at once."""
    stack = Stack(options, lines, door)
    stop = asyncio.Event()

    def signalled() -> None:
        if stop.is_set():
            stack.kill()
            os._exit(KILLED)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, signalled)
    starting, stopping = asyncio.create_task(stack.start()), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            await stopping
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
    finally:
        await stack.stop()


def run(options: Options) -> None:
    """Check, then supervise. Raises CannotStart with one clear sentence."""
    checks.check_python()
    if options.storage:
        checks.find_node(os.environ.get("PATH"))
        checks.find_azurite()
    else:
        checks.check_storage(options.storage_port)
    lock = checks.lock_state(options.state_dir)
    door = checks.bind_app_port(options)
    try:
        asyncio.run(
            supervise(
                options, Lines(as_json=options.as_json, verbose=options.verbose, state_dir=options.state_dir), door
            )
        )
    finally:
        os.close(lock)
