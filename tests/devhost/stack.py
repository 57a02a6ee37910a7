"""Starts `python -m devhost` on a small app and watches its JSON lines."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from azure.storage.queue import QueueClient

from devhost.ports import free_ports
from devhost.settings import storage_connection

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 20.0  # seconds a condition may take on a slow machine
Event = dict[str, Any]


def eventually(condition: Callable[[], Any], what: str, within: float = PATIENCE, every: float = 0.02) -> Any:
    """The first true value of the condition, asked `every` so many seconds; fails after `within` seconds."""
    deadline = time.monotonic() + within
    pause = threading.Event()
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {within} s: {what}"
        pause.wait(every)
    return value


def lives(pid: int) -> bool:
    """Whether the process is there and not only a zombie."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return bool(state) and not state.startswith("Z")


def children_of(pid: int) -> set[int]:
    """The processes a process has started."""
    table = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in table.splitlines()]
    return {int(child) for child, parent in rows if int(parent) == pid}


def write_app(folder: Path, source: str, host: Mapping[str, Any] | None = None) -> Path:
    """A function app with the settings of a local run."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "function_app.py").write_text(source)
    (folder / "host.json").write_text(json.dumps({"version": "2.0", **(host or {})}))
    values = {"AzureWebJobsStorage": "UseDevelopmentStorage=true"}
    (folder / "local.settings.json").write_text(json.dumps({"Values": values}))
    return folder


class Running:
    """One devhost with its own ports and state folder."""

    def __init__(self, app: Path, *flags: str, **environ: str) -> None:
        self.state = app / "state"
        self.app_port = free_ports(1)
        self.storage_port = free_ports(3)
        self.base = f"http://127.0.0.1:{self.app_port}"
        self._events: list[Event] = []
        self._noise: list[str] = []
        told = {
            "APP_PORT": str(self.app_port),
            "STORAGE_PORT": str(self.storage_port),
            "STATE_DIR": str(self.state),
            **environ,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "devhost", "--app", str(app), "--no-simulator", "--json", *flags],
            cwd=ROOT,
            env={**os.environ, **told},
            stdout=subprocess.PIPE,
            stderr=(app / "stderr").open("w"),
            text=True,
        )
        self._stderr = app / "stderr"
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            try:
                self._events.append(json.loads(line))
            except ValueError:
                self._noise.append(line)

    @property
    def noise(self) -> list[str]:
        """Lines that were not one JSON object each."""
        return list(self._noise)

    def events(self, name: str, **fields: object) -> list[Event]:
        """The events so far with that name and those fields."""
        return [
            event
            for event in list(self._events)
            if event["event"] == name and all(event.get(key) == value for key, value in fields.items())
        ]

    def wait_for(self, name: str, *, count: int = 1, **fields: object) -> list[Event]:
        """The events once there are `count` of them."""

        def enough() -> list[Event]:
            if self.process.poll() is not None and len(self.events(name, **fields)) < count:
                raise AssertionError(f"the devhost ended: {self._stderr.read_text()} {self._events[-3:]}")
            found = self.events(name, **fields)
            return found if len(found) >= count else []

        found: list[Event] = eventually(enough, f"{count} x {name} {fields}")
        return found

    def logged(self, message: str) -> list[Event]:
        """Log records of the app with that message."""
        return self.events("log", message=message)

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        """One request on a connection of its own."""
        with requests.Session() as session:
            session.trust_env = False
            return session.request(method, self.base + path, timeout=PATIENCE, **more)

    def queue(self, name: str) -> QueueClient:
        """The queue in this stack's Azurite, with text as it is on the wire."""
        return QueueClient.from_connection_string(storage_connection(self.storage_port), name)

    @property
    def pids(self) -> dict[str, Any]:
        """What run.json says."""
        content: dict[str, Any] = json.loads((self.state / "run.json").read_text())
        return content

    def stop(self) -> int:
        """SIGTERM and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@contextmanager
def running(app: Path, *flags: str, in_memory: bool = True, **environ: str) -> Iterator[Running]:
    """A stack that is ready; it is stopped at the end, whatever happens."""
    stack = Running(app, *(("--in-memory",) if in_memory else ()), *flags, **environ)
    try:
        stack.wait_for("ready")
        yield stack
    finally:
        if stack.process.poll() is None:
            stack.process.terminate()
            try:
                stack.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                stack.process.kill()
                stack.process.wait()


def refusal(app: Path, *flags: str, **environ: str) -> tuple[int, str]:
    """Exit code and stderr of a devhost that does not start."""
    told = {"APP_PORT": str(free_ports(1)), "STORAGE_PORT": str(free_ports(3)), "STATE_DIR": str(app / "state")}
    done = subprocess.run(
        [sys.executable, "-m", "devhost", "--app", str(app), "--no-simulator", "--no-seed", "--in-memory", *flags],
        cwd=ROOT,
        env={**os.environ, **told, **environ},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return done.returncode, done.stderr
