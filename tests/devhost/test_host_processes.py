"""Starting, dying, stopping: what the supervisor promises about processes."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from devhost import children
from devhost.checks import lock_state
from devhost.errors import CannotStart
from devhost.ports import free_ports
from devhost.worker import Answer
from tests.devhost.stack import ROOT, Running, children_of, eventually, lives, refusal, running, write_app

APP = """
import logging
import threading
from pathlib import Path

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route("quick")
def quick(req: func.HttpRequest) -> str:
    return "quick"


@app.route("slow", methods=["POST"])
def slow(req: func.HttpRequest) -> str:
    logging.info("slow began")
    while not Path(req.get_body().decode()).exists():
        threading.Event().wait(0.02)
    return "slow"
"""


def everyone(stack: Running) -> set[int]:
    """All processes of the stack."""
    pids = stack.pids
    found = {stack.process.pid, pids["azurite"], *pids["workers"]} | children_of(stack.process.pid)
    assert len(found) >= 3
    return found


def all_gone(pids: set[int]) -> bool:
    return not any(lives(pid) for pid in pids)


def test_a_killed_worker_is_replaced_and_sigterm_then_ends_everything_in_order(tmp_path: Path) -> None:
    release = tmp_path / "release"
    with running(write_app(tmp_path / "app", APP)) as stack:
        [old] = stack.pids["workers"]
        os.kill(old, signal.SIGKILL)
        assert stack.call("GET", "/api/quick").text == "quick"  # waits in the port's queue for the new worker
        [death] = stack.wait_for("worker_died")
        assert (death["worker"], death["code"]) == (0, -signal.SIGKILL)
        assert stack.pids["workers"] != [old]

        pids = everyone(stack)
        with socket.create_connection(("127.0.0.1", stack.app_port), 10) as client:
            body = str(release).encode()
            client.sendall(b"POST /api/slow HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            stack.wait_for("log", message="slow began")
            stack.process.send_signal(signal.SIGTERM)
            stack.wait_for("stopping")
            eventually(lambda: _refused(stack.app_port), "the port is closed")
            release.touch()
            answer = client.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200")
        assert stack.process.wait(20) == 0
        eventually(lambda: all_gone(pids), "all processes end")
        assert not (stack.state / "run.json").exists()


def _refused(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_dead_azurite_is_said_loudly_and_workers_do_not_outlive_a_killed_supervisor(tmp_path: Path) -> None:
    with running(write_app(tmp_path, APP), APP_PROCESSES="2") as stack:
        os.kill(stack.pids["azurite"], signal.SIGKILL)
        [death] = stack.wait_for("helper_died")
        assert (death["helper"], death["code"]) == ("azurite", -signal.SIGKILL)
        assert stack.call("GET", "/api/quick").text == "quick"
        pids = everyone(stack)
        os.kill(stack.process.pid, signal.SIGKILL)
        eventually(lambda: all_gone(pids - {stack.process.pid}), "the children end")


def test_azurite_ends_with_a_killed_supervisor_and_keeps_what_was_stored(tmp_path: Path) -> None:
    app = write_app(tmp_path, APP)
    with running(app, in_memory=False) as stack:
        stack.queue("kept").create_queue()
        pids = everyone(stack)
        os.kill(stack.process.pid, signal.SIGKILL)
        eventually(lambda: all_gone(pids - {stack.process.pid}), "the children end")
    with running(app, in_memory=False) as stack:
        assert stack.queue("kept").get_queue_properties().name == "kept"


def test_a_stop_while_starting_leaves_nothing_either(tmp_path: Path) -> None:
    stack = Running(write_app(tmp_path, APP), "--in-memory")
    children = eventually(lambda: children_of(stack.process.pid), "Azurite is started")
    assert stack.stop() == 0
    assert all_gone(children)


def test_a_port_in_use_is_named_with_its_variable(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = refusal(write_app(tmp_path, APP), APP_PORT=str(port))
    assert code == 2
    assert f"Port {port}" in said
    assert "APP_PORT" in said
    assert "Traceback" not in said


def test_a_missing_node_is_said_before_anything_starts(tmp_path: Path) -> None:
    code, said = refusal(write_app(tmp_path, APP), PATH=str(tmp_path))
    assert code == 2
    assert "install Node.js" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import not_there\n", "No module named 'not_there'"),
        ("x = 1\n", "no object named app"),
        (APP.replace('"quick"', '"admin/quick"', 1), "keeps admin and runtime for itself"),
        (APP.replace("def quick(req", "def quick(other, req"), "have no binding"),
        ("import sys\n\nsys.exit(4)\n", "function_app.py itself ended the process: sys.exit(4)"),
        (APP.replace('"slow", methods=["POST"]', '"quick"'), "share any method quick"),
    ],
)
def test_an_app_the_host_would_not_take_is_refused_with_the_reason(tmp_path: Path, source: str, reason: str) -> None:
    with socket.socket() as blob, socket.socket() as queue, socket.socket() as table:
        first = _listen_in_a_row(blob, queue, table)
        code, said = refusal(write_app(tmp_path, source), "--no-storage", STORAGE_PORT=str(first))
    assert code == 2
    assert reason in said


def _listen_in_a_row(*sockets: socket.socket) -> int:
    """Something that looks like a storage already there."""
    first = free_ports(len(sockets))
    for port, one in enumerate(sockets, first):
        one.bind(("127.0.0.1", port))
        one.listen()
    return first


def test_a_folder_without_an_app_is_said(tmp_path: Path) -> None:
    code, said = refusal(tmp_path)
    assert code == 2
    assert "--app" in said


def test_a_state_folder_that_is_a_file_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(CannotStart, match=r"state, .*: it is not a folder"):
        lock_state(tmp_path / "state")


@pytest.mark.parametrize("name", ["logs", "timers"])
def test_a_file_in_the_place_of_a_folder_of_the_state_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / name).touch()
    with socket.socket() as blob, socket.socket() as queue, socket.socket() as table:
        first = _listen_in_a_row(blob, queue, table)
        code, said = refusal(write_app(tmp_path, APP), "--no-storage", STORAGE_PORT=str(first))
    assert code == 2
    assert f"{tmp_path / 'state' / name}, a folder for this run's state, cannot be used: it is not a folder" in said
    assert said.count("\n") == 1


def test_what_breaks_a_worker_is_told_to_the_supervisor_until_it_is_ready_and_logged_afterwards(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        Answer(theirs).failed("too early")
        assert b"too early" in ours.recv(65536)
        answer = Answer(theirs)
        answer.ready([])
        assert b"true" in ours.recv(65536)
        answer.failed("too late")
        assert "too late" in caplog.text
        ours.setblocking(False)
        with pytest.raises(BlockingIOError):
            ours.recv(65536)


def test_a_program_the_system_does_not_start_is_named_with_the_reason(tmp_path: Path) -> None:
    program = tmp_path / "program"
    start = children.start([str(program)], environ={}, folder=tmp_path, stdin=subprocess.DEVNULL)
    with pytest.raises(CannotStart, match=f"{program} cannot be started: .*No such file"):
        asyncio.run(start)


@pytest.mark.parametrize(
    ("version", "said"),
    [("echo v18.20.0", "is Node.js v18.20.0; Azurite needs Node.js 20"), ("true", "does not tell its version")],
)
def test_a_node_that_cannot_run_azurite_is_told_which_one_is_needed(tmp_path: Path, version: str, said: str) -> None:
    node = tmp_path / "bin" / "node"
    node.parent.mkdir()
    node.write_text(f'#!/bin/sh\ntest "$1" = --version && {version}\nexit 1\n')
    node.chmod(0o755)
    code, told = refusal(write_app(tmp_path, APP), PATH=f"{node.parent}:{os.environ['PATH']}")
    assert code == 2
    assert f"{node} {said}" in told
    assert told.count("\n") == 1


def test_ctrl_c_while_the_devhost_is_still_imported_ends_it_without_a_traceback(tmp_path: Path) -> None:
    # Stands before Python's own module of that name and keeps the import from going on.
    (tmp_path / "secrets.py").write_text("import sys\n\nprint('importing', flush=True)\nsys.stdin.read()\n")
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-m", "devhost"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        text=True,
    ) as starting:
        assert starting.stdout is not None
        assert starting.stdout.readline() == "importing\n"
        starting.send_signal(signal.SIGINT)
        _, said = starting.communicate(timeout=20)
    assert (starting.returncode, said) == (-signal.SIGINT, "")  # a shell shows 130
