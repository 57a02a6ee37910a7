"""Connections that outlive the pauses between calls.

What stands between the app and the internet in Azure forgets a connection that was silent for 4 minutes, and tells
neither end: the next call on it would wait for its whole time limit. So the kernel asks the far side in between.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# A whole answer, headers and body, may take so many times as long as one silence in it.
ANSWER: Final = 2.0
IDLE: Final = 60  # seconds of silence before the first question
EVERY: Final = 20  # seconds between questions; the third without an answer ends the connection
# Each system knows some of them; TCP_KEEPALIVE is how macOS calls TCP_KEEPIDLE.
_TCP: Final = {"TCP_KEEPIDLE": IDLE, "TCP_KEEPALIVE": IDLE, "TCP_KEEPINTVL": EVERY, "TCP_KEEPCNT": 3}
_OPTIONS: Final = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),  # what urllib3 sets if it is told nothing
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *((socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in _TCP.items() if hasattr(socket, name)),
]


class AwakeAdapter(HTTPAdapter):
    """What a Session sends with."""

    def init_poolmanager(self, *given: Any, **named: Any) -> None:
        super().init_poolmanager(*given, socket_options=_OPTIONS, **named)

    def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
        return super().proxy_manager_for(proxy, socket_options=_OPTIONS, **named)


class TimedAdapter(AwakeAdapter):
    """Limits the time of a whole answer as well.

    Python's limits count from byte to byte: a far side that sends one now and then would hold a thread for ever. Here
    reading stops after ANSWER times the read timeout of the call, and the connection is closed.
    """

    def init_poolmanager(self, *given: Any, **named: Any) -> None:
        super().init_poolmanager(*given, **named)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **named)
        manager.pool_classes_by_scheme = _POOLS
        return manager


class _TimedReader(io.RawIOBase):
    """The bytes of one answer. Raises TimeoutError for a silence as the socket does, and once the time is over."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._silence = sock.gettimeout()
        self._end = time.monotonic() + ANSWER * (self._silence or 0.0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        if self._silence is None:
            return self._raw.readinto(buffer)
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer takes too long")
        self._sock.settimeout(min(left, self._silence))
        try:
            return self._raw.readinto(buffer)
        finally:
            with suppress(OSError):  # it is closed
                self._sock.settimeout(self._silence)  # for the next request

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Source:
    """All that an answer needs of its socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002 - always "rb"
        return io.BufferedReader(_TimedReader(self._sock))


class _Answer(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *given: Any, **named: Any) -> None:
        source: Any = _Source(sock)
        super().__init__(source, *given, **named)


class _Connection(HTTPConnection):
    response_class = _Answer


class _SecureConnection(HTTPSConnection):
    response_class = _Answer


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS: Final = {"http": _Pool, "https": _SecurePool}
