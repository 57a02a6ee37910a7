"""A real Azurite for tests: started once, in memory, gone with the tests."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import requests

from devhost.ports import free_ports
from devhost.settings import storage_connection
from tests.devhost.stack import eventually
from tests.leaks import WATCH

SCRIPT = Path(__file__).parents[1] / "node_modules/azurite/dist/src/azurite.js"


@contextmanager
def azurite() -> Iterator[str]:
    """Gives the connection string of an empty storage account."""
    port = free_ports(3)
    flags = ["--silent", "--disableTelemetry", "--skipApiVersionCheck", "--inMemoryPersistence"]
    ports = ["--blobPort", str(port), "--queuePort", str(port + 1), "--tablePort", str(port + 2)]
    process = subprocess.Popen(["node", str(SCRIPT), *flags, *ports])
    try:
        eventually(lambda: _answers(port + 1) and _answers(port + 2), "Azurite answers")
        connection = storage_connection(port)
        with WATCH.on(partial(WATCH.rows, connection)):
            yield connection
    finally:
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    try:
        requests.get(f"http://127.0.0.1:{port}/", timeout=1)
    except requests.ConnectionError:
        return False
    return True
