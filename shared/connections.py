"""Connections that outlive the pauses between calls.

What stands between the app and the internet in Azure forgets a connection that was silent for 4 minutes, and tells
neither end: the next call on it would wait for its whole time limit. So the kernel asks the far side in between.
"""

from __future__ import annotations

import socket
from typing import Any, Final

from requests.adapters import HTTPAdapter

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
