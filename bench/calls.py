"""Calls a second over HTTP, ours against a function that answers a constant (``bench/empty_app``).

Each app has a devhost worker process of its own, and both get the same keep-alive connections from this process.
How many storage operations a call costs is counted apart from the timing, on one more worker whose tables stand
behind ``bench/counting_proxy.py``.
"""

from __future__ import annotations

import json
import re
import socket
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from queue import SimpleQueue
from time import perf_counter
from typing import Any, Final

from bench.cold_start import EMPTY, LIVE
from bench.counting_proxy import counting_proxy
from bench.rounds import Spread, ratio, say, take_turns
from bench.stack import Stack
from bench.windows import RoundTrips, Side, Window, run
from bench.workers import Door, worker
from devhost.checks import ROOT

CONNECTIONS: Final = (1, 8)
# A caller may make 50 calls a second and a tenant 200; so many callers, each of a tenant of its own, may make more than
# one worker can answer.
CALLERS: Final = 16
Ask = tuple[str, dict[str, str]]  # a path and headers
_HOME: Final = "HOME_TENANT_ID"
_PATIENCE: Final = 60  # seconds for one answer
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Called:
    """One kind of call over some connections; ``per_second`` is the ratio ours to the constant."""

    title: str
    connections: int
    per_second: Spread
    ours: Side
    constant: Side


@dataclass(frozen=True, slots=True)
class Counted:
    """HTTP requests to the tables, by table, that so many calls made in so many seconds."""

    title: str
    connections: int
    calls: int
    seconds: float
    operations: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Calls:
    """Both parts of the measurement."""

    timed: list[Called]
    counted: list[Counted]

    @property
    def give_ups(self) -> int:
        """Calls of a timed round that were not answered with 200."""
        return sum(one.ours.give_ups + one.constant.give_ups for one in self.timed)


class Connection:
    """One keep-alive connection, opened when it is first needed and again after a failure."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._socket: socket.socket | None = None

    def ask(self, request: bytes) -> bytes:
        """The body of the answer. Raises RuntimeError if it is no success, OSError if there is none."""
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._door.port), timeout=_PATIENCE)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._socket.sendall(request)
            return self._answer(self._socket)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _answer(self, connection: socket.socket) -> bytes:
        data, end, length = b"", -1, 0
        while end < 0 or len(data) < end + length:
            part = connection.recv(65536)
            if not part:
                raise ConnectionError("the worker closed the connection")
            data += part
            if end < 0 and b"\r\n\r\n" in data:
                end = data.index(b"\r\n\r\n") + 4
                found = _LENGTH.search(data[:end])
                length = int(found[1]) if found else 0
        if not data.startswith(b"HTTP/1.1 20"):
            raise RuntimeError(f"answered with {data[:600]!r}")
        return data[end:]


def measure(stack: Stack, *, rounds: int, length: float, counting: float) -> Calls:
    """``length`` seconds a side and round; the counting takes ``counting`` seconds a kind and number of connections."""
    with ExitStack() as held:
        ours = held.enter_context(worker(ROOT, stack.folder, stack.environ))
        constant = held.enter_context(worker(EMPTY, stack.folder, stack.environ))
        asked = _onboard(stack, ours)
        timed = [
            called
            for connections in CONNECTIONS
            for called in _time(ours, constant, asked, connections, rounds=rounds, length=length)
        ]
    return Calls(timed, _count(stack, asked, counting))


def _time(
    ours: Door,
    constant: Door,
    asked: Mapping[str, Sequence[Ask]],
    connections: int,
    *,
    rounds: int,
    length: float,
) -> list[Called]:
    sides = {title: partial(_window, ours, calls, connections, length) for title, calls in asked.items()}
    sides["constant"] = partial(_window, constant, [(LIVE, {})], connections, length)
    taken = take_turns(sides, rounds=rounds, title=f"calls, connections: {connections}")
    speed = {name: [window.per_second for window in windows] for name, windows in taken.items()}
    bare = Side.of(taken["constant"])
    return [
        Called(title, connections, ratio(speed[title], speed["constant"]), Side.of(taken[title]), bare)
        for title in asked
    ]


def _window(door: Door, calls: Sequence[Ask], connections: int, seconds: float) -> Window:
    """As many threads as connections; each call takes a connection that is free, and the callers take turns."""
    requests = cycle([door.request(path, headers) for path, headers in calls])
    free: SimpleQueue[Connection] = SimpleQueue()
    with ExitStack() as held:
        for _ in range(connections):
            connection = Connection(door)
            held.callback(connection.close)
            free.put(connection)

        def once() -> float:
            connection = free.get()
            began = perf_counter()
            try:
                connection.ask(next(requests))
                return perf_counter() - began
            finally:
                free.put(connection)

        return run(once, RoundTrips(), threads=connections, seconds=seconds)


def _count(stack: Stack, asked: Mapping[str, Sequence[Ask]], seconds: float) -> list[Counted]:
    counted = []
    with counting_proxy(stack.connection) as proxy, ExitStack() as held:
        environ = stack.environ | {"AzureWebJobsStorage": proxy.connection}
        door = held.enter_context(worker(ROOT, stack.folder, environ))
        # The first call of a process opens storage, and that is not what is counted.
        _window(door, next(iter(asked.values())), 1, 0.1)
        for connections in CONNECTIONS:
            for title, calls in asked.items():
                say(f"calls, storage operations: {title}, connections: {connections}")
                proxy.take()
                began = perf_counter()
                window = _window(door, calls, connections, seconds)
                took = perf_counter() - began
                counted.append(Counted(title, connections, len(window.latencies), took, proxy.take()))
    return counted


def _onboard(stack: Stack, door: Door) -> dict[str, list[Ask]]:
    """New tenants, made over HTTP; what is asked about them by title of what is measured, the widget of one alone."""
    tenants = [_tenant(stack, door) for _ in range(CALLERS)]
    path, admin = tenants[0]
    key = _once(door, door.request(f"{path}/interact/widget-key", admin))["widgetKey"]
    return {
        "GET settings": [(f"{path}/settings", admin) for path, admin in tenants],
        "GET interact/widget": [("/api/interact/widget", {"X-Widget-Key": str(key)})],
    }


def _tenant(stack: Stack, door: Door) -> Ask:
    """The path of a new tenant, and the headers of its admin."""
    tenant_id = str(uuid.uuid4())
    operator = _bearer(stack.token(stack.environ[_HOME], "Operator"))
    admin = _bearer(stack.token(tenant_id, "TenantAdmin"))
    tenant = json.dumps({"displayName": "Contoso", "products": ["ContactCenter", "Interact"]})
    path = f"/api/tenants/{tenant_id}"
    _once(door, door.request(path, operator, "PUT", tenant))
    return path, admin


def _once(door: Door, request: bytes) -> Any:
    connection = Connection(door)
    try:
        return json.loads(connection.ask(request))
    finally:
        connection.close()


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def titles(one: Called | Counted) -> str:
    """How a line of the report begins."""
    return f"{one.title}, {one.connections} connection{'s' if one.connections > 1 else ''}"


def operations(counted: Sequence[Counted]) -> list[str]:
    """What was counted, a line each: per call, and the absolute number with its calls and seconds."""
    return [
        f"  {titles(one):<38}"
        + "; ".join(f"{table} {number / one.calls:.2f} a call ({number})" for table, number in one.operations.items())
        + f" - {one.calls} calls in {one.seconds:.1f} s"
        for one in counted
    ]
