"""The seed against a small stand-in for simulator and app."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from devhost.http import RUN_HEADER
from devhost.seed import SeedError, Target, seed
from tests.devhost.stack import Running

DEMO = {
    "simulator": {"tenants": {"t1": {"users": []}}, "acs": {"host": {}}, "presence": {"t1": {}}},
    "app": [
        {"method": "PUT", "path": "/things/1", "body": {"a": 1}, "ok": [201]},
        {"method": "POST", "path": "/things", "body": {}, "ok": [200, 409]},
    ],
}


class StandIn(ThreadingHTTPServer):
    """Remembers calls; a PUT of a thing that is there already is refused with 428."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.calls: list[tuple[str, str]] = []
        self.bodies: list[Any] = []
        self.strangers: list[str] = []

    @property
    def target(self) -> Target:
        base = f"http://127.0.0.1:{self.server_port}"
        return Target(app=base, simulator=base, home_tenant="home", run="s3cret")


class Handler(BaseHTTPRequestHandler):
    server: StandIn

    def do_PUT(self) -> None:
        known = ("PUT", self.path) in self.server.calls and not self.path.startswith("/_simulator")
        self._answer(428 if known else 201)

    def do_POST(self) -> None:
        self._answer(200, {"access_token": "operator"})

    def _answer(self, status: int, body: Any = None) -> None:
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.server.calls.append((self.command, self.path))
        shown = (self.headers.get("Authorization"), self.headers.get(RUN_HEADER))
        if not self.path.startswith("/_simulator") and shown != ("Bearer operator", "s3cret"):
            self.server.strangers.append(self.path)
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with StandIn() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_the_simulator_is_filled_before_the_app_is_called_as_an_operator(stand_in: StandIn) -> None:
    assert seed(DEMO, stand_in.target) == 5
    assert stand_in.calls == [
        ("PUT", "/_simulator/tenants/t1"),
        ("PUT", "/_simulator/acs/host"),
        ("PUT", "/_simulator/presence/t1"),
        ("POST", "/_simulator/token"),
        ("PUT", "/things/1"),
        ("POST", "/things"),
    ]
    assert stand_in.bodies[3]["tenantId"] == "home"
    assert stand_in.bodies[3]["roles"] == ["Operator"]
    assert stand_in.strangers == []


def test_what_belongs_to_a_new_thing_follows_it_once_and_as_the_tenants_admin(stand_in: StandIn) -> None:
    child = {"method": "POST", "path": "/things/2/parts", "body": {}, "ok": [200]}
    demo = {"app": [{"method": "PUT", "path": "/things/2", "body": {}, "ok": [201], "as": "t1", "then": [child]}]}
    assert (seed(demo, stand_in.target), seed(demo, stand_in.target)) == (2, 1)
    assert stand_in.calls.count(("POST", "/things/2/parts")) == 1
    assert (stand_in.bodies[0]["tenantId"], stand_in.bodies[0]["roles"]) == ("t1", ["TenantAdmin"])


def test_what_is_there_already_is_left_alone(stand_in: StandIn) -> None:
    seed(DEMO, stand_in.target)
    assert seed(DEMO, stand_in.target) == 5


def test_an_unexpected_answer_stops_the_seed_and_names_the_call(stand_in: StandIn) -> None:
    wrong = {"app": [{"method": "POST", "path": "/things", "body": {}, "ok": [201]}]}
    with pytest.raises(SeedError, match="/things answered 200"):
        seed(wrong, stand_in.target)


def test_an_app_that_is_not_ours_starts_without_our_demo_data(stack: Running) -> None:
    assert stack.wait_for("ready")
    assert not stack.events("seeded")
