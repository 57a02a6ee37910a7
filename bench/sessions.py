"""Starts of sessions a second, against the two calls each of them makes outside: a user with a token, and a meeting.

Ours runs in a devhost worker; the outside calls alone go to the same simulator over connections of their own, one after
the other, as a start makes them. The rest of a start is ours: HTTP, the widget key, the directory, two rows.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from email.utils import formatdate
from queue import SimpleQueue
from time import perf_counter
from typing import Any, Final
from urllib.parse import urlsplit

import requests

from bench.calls import Connection
from bench.rounds import Spread, ratio, take_turns
from bench.stack import Stack
from bench.windows import RoundTrips, Side, Window, run
from bench.workers import Door, worker
from devhost.checks import ROOT

CONNECTIONS: Final = (1, 8)
# Each widget key may start 20 sessions a second; so many keys together pass what two cores can do.
TENANTS: Final = 16

_GRAPH_CLIENT: Final = "a0000000-0000-4000-8000-000000000002"
_ACS: Final = "contoso.communication.azure.com"
_KEY: Final = base64.b64encode(bytes([1]) * 64).decode()
_SIGNED: Final = "x-ms-date;host;x-ms-content-sha256"


@dataclass(frozen=True, slots=True)
class Started:
    """``latency`` is the ratio of the medians, ours to the outside calls alone, and ``p99`` that of the 99th parts."""

    connections: int
    per_second: Spread
    ours: Side
    outside: Side

    @property
    def latency(self) -> float:
        return self.ours.p50 / self.outside.p50

    @property
    def p99(self) -> float:
        return self.ours.p99 / self.outside.p99


def measure(stack: Stack, *, rounds: int, length: float) -> list[Started]:
    """``length`` seconds a side and round."""
    with ExitStack() as held:
        door = held.enter_context(worker(ROOT, stack.folder, stack.environ))
        tenants = [_onboard(stack, door) for _ in range(TENANTS)]
        return [_measure(stack, door, tenants, connections, rounds, length) for connections in CONNECTIONS]


@dataclass(frozen=True, slots=True)
class _Tenant:
    tenant_id: str
    organizer: str
    start: bytes
    graph: Mapping[str, str]


def _measure(stack: Stack, door: Door, tenants: list[_Tenant], connections: int, rounds: int, length: float) -> Started:
    cloud = Door(int(urlsplit(stack.simulator).port or 0), "")
    taken = take_turns(
        {
            "ours": lambda: _starts(door, tenants, connections, length),
            "outside": lambda: _outside_calls(cloud, tenants, connections, length),
        },
        rounds=rounds,
        title=f"session starts, connections: {connections}",
    )
    speed = {name: [window.per_second for window in windows] for name, windows in taken.items()}
    return Started(
        connections, ratio(speed["ours"], speed["outside"]), Side.of(taken["ours"]), Side.of(taken["outside"])
    )


def _starts(door: Door, tenants: list[_Tenant], connections: int, seconds: float) -> Window:
    return _window(door, [[tenant.start] for tenant in tenants], connections, seconds)


def _outside_calls(cloud: Door, tenants: list[_Tenant], connections: int, seconds: float) -> Window:
    # Signed once: the simulator takes a date of up to a quarter of an hour ago.
    calls = [[_new_user(cloud), _new_meeting(cloud, tenant)] for tenant in tenants]
    return _window(cloud, calls, connections, seconds)


def _window(door: Door, calls: list[list[bytes]], connections: int, seconds: float) -> Window:
    """Each cycle sends one of ``calls``, request by request, over a connection that is free."""
    free: SimpleQueue[Connection] = SimpleQueue()
    waiting: SimpleQueue[list[bytes]] = SimpleQueue()
    for call in calls:
        waiting.put(call)
    with ExitStack() as held:
        for _ in range(connections):
            connection = Connection(door)
            held.callback(connection.close)
            free.put(connection)

        def once() -> float:
            connection, call = free.get(), waiting.get()
            began = perf_counter()
            try:
                for request in call:
                    connection.ask(request)
                return perf_counter() - began
            finally:
                free.put(connection)
                waiting.put(call)

        return run(once, RoundTrips(), threads=connections, seconds=seconds)


def _onboard(stack: Stack, door: Door) -> _Tenant:
    """A tenant with Interact set up, made over HTTP, and its directory in the simulated cloud."""
    tenant_id, organizer = str(uuid.uuid4()), str(uuid.uuid4())
    path, desk = f"/api/tenants/{tenant_id}", "desk@bench.example"
    operator = _bearer(stack.token(stack.environ["HOME_TENANT_ID"], "Operator"))
    admin = _bearer(stack.token(tenant_id, "TenantAdmin"))
    directory = {
        "users": [{"id": organizer, "userPrincipalName": f"organizer@{tenant_id[:8]}.example"}],
        "grants": [{"clientId": _GRAPH_CLIENT, "roles": ["OnlineMeetings.ReadWrite.All"]}],
        "accessPolicies": [organizer],
    }
    _control(stack, "PUT", f"tenants/{tenant_id}", directory)
    _ask(door, path, operator, "PUT", {"displayName": "Shop", "products": ["ContactCenter", "Interact"]})
    _ask(door, f"{path}/services/{desk}", admin, "PUT", {"displayName": "Desk", "licence": "ContactCenter"})
    acs = f"endpoint=https://{_ACS}/;accesskey={_KEY}"
    interact = {"enabled": True, "acsConnectionString": acs, "o365UserId": organizer}
    _ask(door, f"{path}/settings", admin | {"If-Match": '"1"'}, "PATCH", {"interact": interact})
    key = _ask(door, f"{path}/interact/widget-key", admin)["widgetKey"]
    wanted = json.dumps({"conversation": "service", "target": desk})
    start = door.request("/api/interact/sessions", {"X-Widget-Key": str(key)}, "POST", wanted)
    wish = {
        "tenantId": tenant_id,
        "audience": "https://graph.microsoft.com",
        "appOnly": True,
        "roles": ["OnlineMeetings.ReadWrite.All"],
    }
    graph = _bearer(str(_control(stack, "POST", "token", wish)["access_token"]))
    return _Tenant(tenant_id, organizer, start, graph)


def _new_user(cloud: Door) -> bytes:
    """The request of a user with a token, signed as the SDK signs it."""
    target, date = "/identities?api-version=2023-10-01", formatdate(usegmt=True)
    body = json.dumps({"createTokenWithScopes": ["voip.join", "chat.join.limited"], "expiresInMinutes": 60})
    digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
    text = f"POST\n{target}\n{date};{_ACS};{digest}"
    signature = base64.b64encode(hmac.digest(base64.b64decode(_KEY), text.encode(), hashlib.sha256)).decode()
    headers = {
        "x-ms-date": date,
        "x-ms-content-sha256": digest,
        "Authorization": f"HMAC-SHA256 SignedHeaders={_SIGNED}&Signature={signature}",
    }
    return cloud.request(f"/{_ACS}{target}", headers, "POST", body)


def _new_meeting(cloud: Door, tenant: _Tenant) -> bytes:
    body = json.dumps({"subject": "Bench", "lobbyBypassSettings": {"scope": "everyone"}})
    path = f"/graph.microsoft.com/v1.0/users/{tenant.organizer}/onlineMeetings"
    return cloud.request(path, tenant.graph, "POST", body)


def _ask(door: Door, path: str, headers: Mapping[str, str], method: str = "GET", body: object = None) -> Any:
    connection = Connection(door)
    try:
        return json.loads(connection.ask(door.request(path, headers, method, json.dumps(body) if body else "")))
    finally:
        connection.close()


def _control(stack: Stack, method: str, path: str, body: object) -> Any:
    answer = requests.request(method, f"{stack.simulator}/_simulator/{path}", json=body, timeout=10)
    answer.raise_for_status()
    return answer.json()


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
