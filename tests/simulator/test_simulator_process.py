"""The simulator as a process: how it starts, what it keeps, how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from simulator.keys import KeyRing, KeysLost
from tests.simulator.cloud_client import CONTOSO, GRAPH, CloudClient, bearer, running

ROOT = Path(__file__).parents[2]


@contextmanager
def started(
    tmp_path: Path, *, port: int = 0, parent_fd: int | None = None
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    told = {"SIMULATOR_PORT": str(port), "STATE_DIR": str(tmp_path)}
    told |= {} if parent_fd is None else {"SIMULATOR_PARENT_FD": str(parent_fd)}
    with subprocess.Popen(
        [sys.executable, "-m", "simulator"],
        cwd=ROOT,
        env={**os.environ, **told},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=() if parent_fd is None else (parent_fd,),
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip().rpartition(" ")[2]
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_even_while_a_request_hangs(tmp_path: Path, number: signal.Signals) -> None:
    with started(tmp_path) as (process, url):
        cloud = CloudClient(url)
        cloud.control("PUT", "acs/platform.communication.azure.com", {"state": "hang"})
        cloud.control("POST", "faults", {"host": "graph.microsoft.com", "delayMs": 60000, "times": 1})
        waiting = [HTTPConnection(url.partition("//")[2], timeout=5) for _ in range(2)]
        waiting[0].request("POST", "/platform.communication.azure.com/identities")
        waiting[1].request("GET", "/graph.microsoft.com/v1.0/users")
        cloud.control("GET", "health")
        process.send_signal(number)
        assert process.wait(timeout=3) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_it_ends_when_its_parent_lets_go_of_the_pipe(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with started(tmp_path, parent_fd=reading) as (process, url):
        os.close(reading)
        CloudClient(url).control("GET", "health")
        os.close(writing)
        assert process.wait(timeout=3) == 0


def test_a_port_in_use_is_said_in_one_line(tmp_path: Path) -> None:
    with started(tmp_path) as (_, url), started(tmp_path, port=int(url.rpartition(":")[2])) as (second, _):
        assert second.wait(timeout=5) == 1
        assert second.stderr is not None
        assert "cannot be used" in second.stderr.read()


def test_keys_that_cannot_be_read_are_named_with_the_remedy_in_one_line(tmp_path: Path) -> None:
    keys = tmp_path / "simulator" / "keys.json"
    keys.parent.mkdir()
    keys.write_text("{")
    with started(tmp_path) as (process, _):
        assert process.wait(timeout=5) == 1
        assert process.stderr is not None
        said = process.stderr.read()
    assert said.startswith(f"simulator: {keys} holds no signing keys that can be read; delete it")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"seal": "", "keys": []}', '{"seal": "", "keys": ["x"]}', '{"seal": 1, "keys": [2]}']
)
def test_keys_of_every_wrong_shape_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "keys.json").write_text(content)
    with pytest.raises(KeysLost):
        KeyRing(tmp_path)


def test_tokens_outlive_a_restart(tmp_path: Path) -> None:
    with running(tmp_path) as cloud:
        access = cloud.graph_app("User.Read.All")
        refresh = cloud.sign_in().json()["refresh_token"]
    with running(tmp_path) as cloud:
        assert cloud.http.get(f"{GRAPH}/v1.0/users", headers=access, timeout=10).ok
        fresh = cloud.sign_in(CONTOSO, grant_type="refresh_token", refresh_token=refresh).json()
        assert cloud.http.get(f"{GRAPH}/v1.0/users", headers=bearer(fresh["access_token"]), timeout=10).ok


def test_the_witness_imports_nothing_of_ours() -> None:
    ours = ("shared", "functions", "devhost", "function_app", "bench")
    for module in (ROOT / "simulator").glob("*.py"):
        for line in module.read_text().splitlines():
            words = line.split()
            if words[:1] in (["import"], ["from"]):
                assert words[1].split(".")[0] not in ours, f"{module.name}: {line}"
