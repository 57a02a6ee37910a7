"""The check through the real SDK: against the simulated resource in each of its states, and against a drip."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from contextlib import contextmanager
from socket import create_server, socket
from threading import Event, Thread
from typing import Any

import pytest

from shared.clients.acs import AcsIdentities
from shared.http.gateway import open_session
from shared.interact.acs.connection_check import AcsChecks, CheckResult
from shared.storage.account import StorageAccount
from tests.core.acs_world import BOX, FOREIGN, HOST, SUFFIXES, AcsWorld
from tests.core.test_connection_string import MALFORMED
from tests.core.world import FakeClock
from tests.devhost.stack import eventually
from tests.simulator.cloud_client import CloudClient, running

RIGHT = f"endpoint=https://{HOST}/;accesskey={base64.b64encode(bytes([1]) * 64).decode()}"
FORMER = f"endpoint=https://{HOST}/;accesskey={base64.b64encode(bytes([2]) * 64).decode()}"
NOBODY = RIGHT.replace("contoso", "nobody")
SHORT = 1.0  # seconds


class CloudWorld(AcsWorld):
    """The same tenant and rows, with identities at a real far side."""

    def __init__(self, account: StorageAccount, clock: FakeClock, cloud: CloudClient) -> None:
        super().__init__(account, clock)
        self.cloud = cloud
        cloud.control("POST", "reset")
        self.session = open_session(cloud.gateway)
        self._journal = account.table("journal")

    def at(self, gateway: str | None = None, total: float = 10) -> AcsChecks:
        session = open_session(gateway) if gateway else self.session
        return AcsChecks(AcsIdentities(session), self.table, BOX, self, self.clock, self._journal, total=total)

    def state(self, state: str) -> None:
        self.cloud.control("PUT", f"acs/{HOST}", {"state": state})

    def fault(self, **fault: Any) -> None:
        """Strikes the next call to a user that is there: its token first, its deletion then."""
        self.cloud.control("POST", "faults", {"host": HOST, "pathPrefix": "/identities/", **fault})

    def ask(self, text: str = RIGHT, total: float = 10) -> CheckResult:
        return self.at(total=total).check(self.tenant, "interact", text, SUFFIXES)

    def calls(self) -> list[tuple[str, str, int]]:
        """Method, path and status of each call to anything but the simulator's own control."""
        rows = self.cloud.control("GET", "requests")
        return [(row["method"], row["path"], row["status"]) for row in rows]

    def living(self) -> int:
        """Users that were made and not deleted, as the journal tells."""
        calls = self.calls()
        made = sum(call == ("POST", "/identities", 201) for call in calls)
        return made - sum(method == "DELETE" and status == 204 for method, _, status in calls)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudClient]:
    with running(tmp_path_factory.mktemp("simulator")) as client:
        yield client


@pytest.fixture
def acs(account: StorageAccount, clock: FakeClock, started: CloudClient) -> Iterator[CloudWorld]:
    world = CloudWorld(account, clock, started)
    yield world
    world.session.close()
    world.clear()


def test_a_good_string_makes_a_user_and_a_token_and_deletes_both(acs: CloudWorld) -> None:
    assert acs.ask().outcome == "TokenIssued"
    assert [(method, status) for method, _, status in acs.calls()] == [("POST", 201), ("POST", 200), ("DELETE", 204)]
    assert acs.living() == 0
    assert acs.rows() == []


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        ("denied", "Denied"),
        ("forbidden", "InsufficientPermissions"),
        ("throttled", "Throttled"),
        ("drop", "Unreachable"),
        ("hang", "Unreachable"),
        ("garbage", "Failed"),
    ],
)
def test_each_state_of_a_resource_has_its_outcome(acs: CloudWorld, state: str, outcome: str) -> None:
    acs.state(state)
    result = acs.ask(total=SHORT if state == "hang" else 10)
    assert result.outcome == outcome
    assert result.duration_ms < 5000
    acs.state("ok")
    assert acs.ask().ok
    assert acs.living() == 0


@pytest.mark.parametrize(("text", "outcome"), [(FORMER, "Denied"), (NOBODY, "Unreachable")])
def test_a_former_key_is_denied_and_a_resource_that_is_gone_unreachable(
    acs: CloudWorld, text: str, outcome: str
) -> None:
    assert acs.ask(text).outcome == outcome
    assert acs.living() == 0


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ({"status": 401}, "Denied"),
        ({"status": 403}, "InsufficientPermissions"),
        ({"status": 429, "retryAfter": 30}, "Throttled"),
        ({"status": 500}, "Failed"),
        ({"status": 302}, "Failed"),
        ({"status": 200, "body": "<html>"}, "Failed"),
        ({"status": 200, "body": {"token": "t.o.k", "expiresOn": []}}, "Failed"),
        ({"drop": True}, "Unreachable"),
    ],
)
def test_a_user_goes_although_its_token_fails(acs: CloudWorld, fault: dict[str, Any], outcome: str) -> None:
    acs.fault(**fault)
    assert acs.ask().outcome == outcome
    assert acs.living() == 0
    assert acs.rows() == []


def test_a_user_goes_although_its_token_comes_too_late(acs: CloudWorld) -> None:
    acs.fault(delayMs=3000)
    assert acs.ask(total=2 * SHORT).outcome == "Unreachable"
    assert acs.living() == 0


def test_a_user_that_comes_after_the_check_has_ended_goes(acs: CloudWorld) -> None:
    acs.cloud.control("POST", "faults", {"host": HOST, "delayMs": 700})
    assert acs.ask(total=0.3).outcome == "Unreachable"
    eventually(lambda: "DELETE" in [method for method, _, _ in acs.calls()], "it was made, and is deleted")
    assert acs.living() == 0
    eventually(lambda: acs.rows() == [], "its note is gone")


@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 429}, {"drop": True}])
def test_a_user_that_could_not_be_deleted_is_swept(acs: CloudWorld, fault: dict[str, Any]) -> None:
    acs.fault(status=500)
    acs.fault(**fault)
    result = acs.ask()
    assert result.outcome == "Failed"
    assert "could not be deleted yet" in result.detail
    assert acs.living() == 1
    acs.clock.move(minutes=2)
    assert acs.at().sweep() == 1
    assert acs.living() == 0


def test_nothing_is_sent_for_a_string_that_is_refused(acs: CloudWorld) -> None:
    for text in [FOREIGN, *(text for text, _ in MALFORMED)]:
        acs.clock.move(seconds=6)
        assert acs.ask(text).outcome in ("InvalidConnectionString", "HostNotAllowed")
    assert acs.calls() == []


@contextmanager
def drip(answer: bytes) -> Iterator[str]:
    """A server that begins with ``answer`` and then sends one byte after the other, for ever."""
    over = Event()
    listener = create_server(("127.0.0.1", 0))
    connections: list[socket] = []

    def serve() -> None:
        connection, _ = listener.accept()
        connections.append(connection)
        try:
            connection.sendall(answer)
            while not over.wait(0.05):
                connection.sendall(b"1")
        except OSError:
            return

    thread = Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        thread.join(5)
        for opened in (*connections, listener):
            opened.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 201 Created\r\nX-Long: ",
        b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n",
    ],
    ids=["status", "header", "body"],
)
def test_a_far_side_that_drips_is_not_waited_for(acs: CloudWorld, answer: bytes) -> None:
    with drip(answer) as gateway:
        began = time.monotonic()
        result = acs.at(gateway, total=SHORT).check(acs.tenant, "interact", RIGHT, SUFFIXES)
        assert time.monotonic() - began < SHORT + 2
    assert result.outcome == "Unreachable"
