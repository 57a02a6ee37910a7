"""What stands around the measured thing: a real Azurite in memory, the simulated cloud, settings of a local run.

Everything lives in a temporary folder and on free ports, and ends with this process, however it ends.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import requests

from devhost.checks import ROOT, find_azurite, find_node
from devhost.ports import answers, free_ports
from devhost.settings import storage_connection, worker_environment

PATIENCE: Final = 30.0  # seconds a helper may take to answer
_LEASH: Final = ROOT / "devhost" / "leash.cjs"
# Of this process's environment; app settings a developer has exported are none of a measurement's business.
_INHERITED: Final = ("PATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT")


@dataclass(frozen=True)
class Stack:
    """One storage account, one simulated cloud, and the environment of a worker that uses both."""

    connection: str
    simulator: str
    folder: Path
    environ: dict[str, str]

    def token(self, tenant_id: str, role: str) -> str:
        """An access token for our API, as Entra would give it to a user of that tenant."""
        wish = {"tenantId": tenant_id, "roles": [role]}
        answer = requests.post(f"{self.simulator}/_simulator/token", json=wish, timeout=10)
        answer.raise_for_status()
        return str(answer.json()["access_token"])


@contextmanager
def stack() -> Iterator[Stack]:
    """Azurite and the simulator, both answering. Raises CannotStart if Node.js or Azurite is not installed."""
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        log = held.enter_context((folder / "helpers.log").open("wb"))
        first = free_ports(4)
        simulator = f"http://127.0.0.1:{first + 3}"
        held.enter_context(helper(_azurite(first), log, lambda: all(answers(first + n) for n in range(3))))
        told = {"SIMULATOR_PORT": str(first + 3), "STATE_DIR": str(folder)}
        command = [sys.executable, "-m", "devhost.leash", "simulator"]
        held.enter_context(helper(command, log, lambda: answers(first + 3), **told))
        environ = clean_environment() | {"PYTHONPATH": str(ROOT)}
        told = worker_environment(
            _example_values(), environ, app_port=7071, simulator_port=first + 3, storage_port=first
        )
        yield Stack(storage_connection(first), simulator, folder, told)


def clean_environment() -> dict[str, str]:
    """Of this process's environment, what any program needs."""
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}


def _azurite(first: int) -> list[str]:
    ports = ("--blobPort", str(first), "--queuePort", str(first + 1), "--tablePort", str(first + 2))
    flags = ("--silent", "--disableTelemetry", "--skipApiVersionCheck", "--inMemoryPersistence")
    return [find_node(os.environ.get("PATH")), "--require", str(_LEASH), str(find_azurite()), *flags, *ports]


def _example_values() -> dict[str, str]:
    """The published example, never local.settings.json: that may name a real storage account."""
    content: dict[str, Any] = json.loads((ROOT / "local.settings.json.example").read_text("utf-8"))
    return {str(name): str(value) for name, value in content["Values"].items()}


@contextmanager
def helper(
    command: Sequence[str], log: IO[bytes], ready: Callable[[], bool], *, user: str | None = None, **told: str
) -> Iterator[None]:
    """A child process that answers, and is ended afterwards; ``user`` is whom root lets it run as."""
    process = subprocess.Popen(
        command,
        cwd="/" if user else ROOT,
        env=clean_environment() | told,
        user=user,
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
    )
    try:
        deadline = time.monotonic() + PATIENCE
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[-1]} does not answer: {Path(log.name).read_text('utf-8', 'replace')}")
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        yield
    finally:
        process.terminate()
        process.wait(10)
