"""Starting, dying, stopping: what the supervisor promises about processes."""

import os
import signal
import socket
from pathlib import Path

import pytest

from devhost.ports import free_ports
from tests.devhost.stack import Running, children_of, eventually, lives, refusal, running, write_app

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
