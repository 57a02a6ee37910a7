"""Far sides that drip, never end or send too much: over real HTTP, each holds a thread for a bounded time."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from shared.clients.webhook import CallbackSender
from shared.concurrency.deadlines import Latecomers
from shared.http.gateway import open_session
from shared.http.upstream_answers import reaching
from shared.kernel.errors import Broken, Unreachable
from tests.clients.fake_cloud import Answer, FakeCloud, TurnedClock
from tests.devhost.stack import eventually

URL = "https://prod-1.logic.azure.com/workflows/1/invoke?sig=s"
SILENCE = 0.2  # seconds between two bytes that a session allows here
SLACK = 2.0  # seconds for a busy machine
LONGEST = 5.0  # seconds until a server gives up, so that a test fails rather than hangs


class Dripping:
    """A server that answers each request with ``first`` and then a byte at a time for LONGEST. ``open`` counts the
    connections that neither side has closed.
    """

    def __init__(self, server: socket.socket, first: bytes) -> None:
        self.open = 0
        self.accepted = 0
        self._server = server
        self._first = first
        self._over = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def gateway(self) -> str:
        return f"http://127.0.0.1:{self._server.getsockname()[1]}"

    def stop(self) -> None:
        self._over.set()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                self.accepted += 1
                self.open += 1
                threading.Thread(target=self._drip, args=(connection,), daemon=True).start()

    def _drip(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.recv(65_536)
            connection.sendall(self._first)
            end = time.monotonic() + LONGEST
            while time.monotonic() < end and not self._over.wait(SILENCE / 10):
                connection.sendall(b"x")
        self.open -= 1


@contextmanager
def dripping(first: bytes) -> Iterator[Dripping]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        drips = Dripping(server, first)
        try:
            yield drips
        finally:
            drips.stop()


HEADERS = b"HTTP/1.1 200 OK\r\nX-Long: "
BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n"
ENDLESS = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.mark.parametrize("first", [b"", HEADERS, BODY, CHUNKS, ENDLESS])
def test_an_answer_that_drips_ends_after_twice_the_silence_and_its_connection_is_closed(first: bytes) -> None:
    with dripping(first) as drips, open_session(drips.gateway, read_timeout=SILENCE) as session:
        began = time.monotonic()
        with pytest.raises(Unreachable), reaching("it"):
            session.get("https://a.example/")
        assert SILENCE < time.monotonic() - began < 2 * SILENCE + SLACK
        eventually(lambda: drips.open == 0, "the connection is closed")


def test_a_receiver_that_drips_leaves_no_thread_and_no_connection_of_a_post(clock: TurnedClock) -> None:
    late = Latecomers(per_lane=3)
    with dripping(HEADERS) as drips, open_session(drips.gateway, read_timeout=SILENCE) as session:
        sender = CallbackSender(session, clock)

        def post() -> object:
            return sender.post(URL, b"{}", "id")

        for _ in range(5):
            with pytest.raises(Unreachable):
                late.in_time("hook", SILENCE / 20, post, undo=lambda _: None)
        assert sum(thread.name == "act" for thread in threading.enumerate()) <= 3, "at most three posts wait on"
        eventually(lambda: all(thread.name != "act" for thread in threading.enumerate()), "the posts end")
        eventually(lambda: drips.open == 0, "their connections are closed")
        assert drips.accepted <= 3, "the others were not begun"


def test_a_slow_answer_that_comes_in_time_is_whole_and_its_connection_is_used_again(cloud: FakeCloud) -> None:
    cloud.on("/a.example/", Answer(body=b"x" * 200_000))
    with open_session(cloud.url, read_timeout=5.0) as session:
        for _ in range(2):
            assert len(session.get("https://a.example/").content) == 200_000
        manager = session.get_adapter("https://a.example/").poolmanager  # type: ignore[attr-defined]
        (key,) = manager.pools.keys()
        assert manager.pools[key].num_connections == 1
        assert manager.pools[key].pool.queue[-1].sock.gettimeout() == 5.0, "the next request has its whole time"


@pytest.mark.parametrize("packed", [False, True])
def test_an_answer_that_is_too_large_is_not_read_to_its_end(cloud: FakeCloud, packed: bool) -> None:
    body = bytes(3_000_000)
    headers = {"Content-Encoding": "gzip"} if packed else {}
    cloud.on("/a.example/", Answer(body=gzip.compress(body) if packed else body, headers=headers))
    with open_session(cloud.url, most_bytes=1_000_000) as session, pytest.raises(Broken), reaching("it"):
        session.get("https://a.example/")
    with open_session(cloud.url, most_bytes=3_000_000) as session:
        assert session.get("https://a.example/").content == body
