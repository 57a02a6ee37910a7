"""Stands in front of Azurite's tables or queues, and counts each request under the name of its table or queue."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import requests

_NAME: Final = re.compile(r"/[^/]+/([A-Za-z0-9-]+)")
_OF_ONE_HOP: Final = ("connection", "transfer-encoding", "content-length", "keep-alive")
_TIMEOUT: Final = 30  # seconds


@dataclass(slots=True)
class CountingProxy:
    """``url`` is where it answers, ``connection`` the connection string with its tables or queues behind it."""

    url: str
    connection: str
    _counts: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> Counter[str]:
        """HTTP requests by name since the last look; ``$batch`` and the like count as "other"."""
        with self._lock:
            taken, self._counts = self._counts, Counter()
        return taken

    def note(self, path: str) -> None:
        found = _NAME.match(path)
        with self._lock:
            self._counts[found[1] if found else "other"] += 1


@contextmanager
def counting_proxy(connection: str, endpoint: str = "TableEndpoint") -> Iterator[CountingProxy]:
    """On a free port of loopback, for the tables (or ``QueueEndpoint``: the queues) of that connection string."""
    found = re.search(rf"{endpoint}=(http://[^/;]+)", connection)
    if found is None:
        raise RuntimeError(f"the connection string names no {endpoint}")
    target = found[1]
    local = threading.local()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _forward(self) -> None:
            proxy.note(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if not hasattr(local, "session"):
                local.session = requests.Session()
                local.session.trust_env = False
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _OF_ONE_HOP}
            answer = local.session.request(
                self.command, target + self.path, data=body, headers=headers, stream=True, timeout=_TIMEOUT
            )
            content = answer.raw.read(decode_content=False)
            self.send_response(answer.status_code, answer.reason)
            for name, value in answer.headers.items():
                if name.lower() not in (*_OF_ONE_HOP, "date", "server"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_MERGE = do_DELETE = _forward

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the counts are what is wanted."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        url = f"http://127.0.0.1:{server.server_port}"
        proxy = CountingProxy(url, connection.replace(target, url))
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            serving.join()
