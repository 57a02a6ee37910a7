"""Starts the simulator in uvicorn, in a process of its own or in a thread of a test."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final, cast

import uvicorn
from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

from simulator.keys import KeyRing
from simulator.server import Simulator
from simulator.state import Cloud

HOST: Final = "127.0.0.1"
# Clients keep connections in a pool; a server that closes them early makes calls fail that nobody wanted to fail.
KEEP_ALIVE_SECONDS: Final = 120

_transports: dict[tuple[str, int], asyncio.Transport] = {}


class _Protocol(H11Protocol):
    """uvicorn's HTTP/1.1, which also remembers how to cut a connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.client is not None:
            _transports[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.client is not None:
            _transports.pop(self.client, None)


class Server(uvicorn.Server):
    """A server that leaves signals to its starter and does not wait for callers when it ends."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Change no signal handler."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Cut every connection, so that requests which hang or wait end as well."""
        for connection in list(self.server_state.connections):
            cast(H11Protocol, connection).transport.abort()
        await super().shutdown(sockets)

    def end(self) -> None:
        """Stop within a moment, also while requests hang."""
        self.should_exit = True
        self.force_exit = True


def cut(scope: Scope) -> None:
    """Close the connection of a request without an answer."""
    transport = _transports.get(cast(Any, scope["client"]))
    if transport is not None:
        transport.abort()


def make_server(state_dir: Path) -> tuple[Server, Cloud]:
    """A server that is not listening yet, and the cloud it shows."""
    cloud = Cloud(KeyRing(state_dir / "simulator"))
    config = uvicorn.Config(
        Simulator(cloud, cut),
        http=_Protocol,
        lifespan="off",
        log_level="warning",
        access_log=False,
        ws="none",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,
    )
    return Server(config), cloud


def listen(port: int) -> socket.socket:
    """A socket on loopback; OSError if the port is in use."""
    # asyncio switches Nagle's delay off only where the protocol is named; without it every answer takes 40 ms more.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((HOST, port))
        sock.listen(256)
    except OSError:
        sock.close()
        raise
    return sock


async def serve(server: Server, sock: socket.socket, parent_fd: int | None) -> None:
    """Serve until SIGTERM, SIGINT, or the end of the pipe a parent holds."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.end)
    if parent_fd is not None:
        loop.add_reader(parent_fd, server.end)
    await server.serve(sockets=[sock])
