"""Hostile calls of a widget at a fixed rate, from many addresses, with the key that stands in the website's source.

The rate is a schedule: each address knows when each of its calls is due and sends it then, or as soon as the one
before is answered.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import count, cycle, islice
from typing import Any, Final

from tests.app.interact_world import InteractTenant, Session

LARGE: Final = 8 * 1024  # bytes, the largest body a widget may send


@dataclass(frozen=True)
class Hostile:
    """A request as strangers send it."""

    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Storm:
    """``addresses`` call ``per_second`` times together, for ``seconds``."""

    addresses: int
    per_second: int
    seconds: int

    @property
    def calls(self) -> int:
        return self.per_second * self.seconds

    def pass_over(self, shop: InteractTenant, victim: Session) -> Counter[int]:
        """Returns how many hostile calls got which status."""
        each = self.calls // self.addresses
        wishes = hostile_calls(shop, victim)
        began = time.monotonic()

        def attack(number: int) -> list[int]:
            address, due = f"203.{number}.113.7", began + number / self.per_second
            moments = [due + turn * self.addresses / self.per_second for turn in range(each)]
            mine = islice(cycle(wishes), number, None)  # each address is at another kind
            return _send(shop.stack.app_port, address, list(zip(moments, mine, strict=False)))

        with ThreadPoolExecutor(self.addresses) as pool:
            return Counter(status for found in pool.map(attack, range(self.addresses)) for status in found)


def hostile_calls(shop: InteractTenant, victim: Session) -> list[Hostile]:
    """Eight starts of ten, since starts are what strangers can take from others; the rest is guessing."""
    key = {"X-Widget-Key": shop.key, "Content-Type": "application/json"}
    guess = key | {"X-Session-Secret": "guess"}

    def start(**body: Any) -> Hostile:
        return Hostile("POST", "sessions", json.dumps(body).encode(), key)

    nobody, real = {"conversation": "service", "target": "nobody@shop.example"}, {"conversation": "service"}
    large = start(**nobody, customer={"text": "x" * (LARGE - 100)})
    return [
        start(),
        start(**real, target=shop.desk),
        Hostile("GET", "widget", headers={"X-Widget-Key": str(uuid.uuid4())}),
        start(**nobody),
        large,
        Hostile("POST", f"sessions/{victim.id}/events", b'{"type": "ended"}', guess),
        start(),
        start(),
        start(),
        start(**nobody),
    ]


def _send(port: int, address: str, plan: list[tuple[float, Hostile]]) -> list[int]:
    """Sends each request at its moment over one connection; returns the statuses."""
    statuses, clock = [], threading.Event()
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        for moment, wish in plan:
            clock.wait(max(0.0, moment - time.monotonic()))
            headers = wish.headers | {"X-Forwarded-For": address, "Content-Length": str(len(wish.body))}
            connection.request(wish.method, f"/api/interact/{wish.path}", wish.body or None, headers)
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
    finally:
        connection.close()
    return statuses


class Visitor:
    """An honest visitor at an address of its own, who has one conversation after the other while ``going_on``."""

    def __init__(self, shop: InteractTenant, number: int) -> None:
        self._shop = shop
        self._address = f"198.51.100.{number}"
        self.served = 0
        self.refused: list[str] = []

    def converse(self, going_on: threading.Event, *, every: float) -> None:
        """Starts, reads, leaves, comes back, renews and ends, each ``every`` seconds from the first."""
        began, pause = time.monotonic(), threading.Event()
        for turn in count():
            if turn and not going_on.is_set():
                return
            pause.wait(max(0.0, began + turn * every - time.monotonic()))
            self._conversation()

    def _conversation(self) -> None:
        started = self._call("POST", "sessions", {"conversation": "direct", "target": self._shop.upn})
        if started is None:
            return
        path, secret = f"sessions/{started['sessionId']}", str(started["sessionSecret"])
        self._call("GET", "widget", None)
        for method, tail, body in (
            ("GET", "", None),
            ("POST", "/events", {"type": "customerLeft"}),
            ("POST", "/events", {"type": "customerRejoined"}),
            ("POST", "/token", None),
            ("POST", "/events", {"type": "ended"}),
        ):
            self._call(method, path + tail, body, secret)

    def _call(self, method: str, path: str, body: Any, secret: str = "") -> dict[str, Any] | None:
        answer = self._shop.page(method, path, body, X_Forwarded_For=self._address, X_Session_Secret=secret)
        if not answer.ok:
            self.refused.append(f"{method} {path}: {answer.status_code} {answer.text}")
            return None
        self.served += 1
        return dict(answer.json())
