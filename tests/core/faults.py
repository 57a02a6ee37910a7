"""Storage that fails where a process could die: before a write reaches it, or after, with the answer lost."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, cast
from urllib.parse import urlsplit

from shared.kernel.errors import AppError, StorageDown
from shared.storage.entities import Operation, Row
from shared.storage.tables import Table


class FragileTable(Table):
    """A table of which one transaction fails, ``before`` or ``after`` it took effect; then it is well again.

    ``again`` is what the SDK makes of an answer that got lost: it sends the transaction a second time.

    ``transactions`` remembers what was asked for, ``meanwhile`` runs once, just before the next transaction.
    """

    def __init__(self, inner: Table) -> None:
        self.__dict__.update(inner.__dict__)
        self.fails: str = ""
        self.transactions: list[list[Operation]] = []
        self.meanwhile: Callable[[], None] | None = None

    def transact(self, operations: Sequence[Operation]) -> list[str]:
        fails, self.fails = self.fails, ""
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        if fails == "before":
            raise StorageDown("the process died before the write")
        self.transactions.append(list(operations))
        etags = super().transact(operations)
        if fails == "again":
            return super().transact(operations)
        if fails == "after":
            raise StorageDown("the process died after the write")
        return etags


class SentTwice(Table):
    """A table each single write of which loses its answer, so that the SDK sends it again."""

    def __init__(self, inner: Table) -> None:
        self.__dict__.update(inner.__dict__)

    def insert(self, row: Row) -> str:
        super().insert(row)
        return super().insert(row)

    def replace(self, row: Row, *, etag: str) -> str:
        super().replace(row, etag=etag)
        return super().replace(row, etag=etag)


class Steps:
    """What happens at step ``at`` of a process, a step being one call of the storage, read or write.

    The process dies ``before`` or ``after`` the call, or the answer gets lost and the SDK calls ``twice``. Others act
    ``meanwhile``: before the call, or between the two. ``taken`` counts the steps.
    """

    def __init__(self, at: int = -1, how: str = "", meanwhile: Callable[[], object] = lambda: None) -> None:
        self.taken = 0
        self._at, self._how, self._meanwhile = at, how, meanwhile

    def take(self, call: Callable[[], Any]) -> Any:
        number, self.taken = self.taken, self.taken + 1
        if number != self._at:
            return call()
        if self._how == "twice":
            with suppress(AppError):
                call()
        self._meanwhile()
        if self._how == "before":
            raise StorageDown("the process died before the call")
        if self._how == "after":
            with suppress(AppError):
                call()
            raise StorageDown("the process died after the call")
        return call()


class SteppedTable:
    """A table each call of which is one of ``steps``."""

    def __init__(self, inner: Table, steps: Steps) -> None:
        self._inner, self._steps = inner, steps

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._inner, name)
        return lambda *given, **named: self._steps.take(lambda: call(*given, **named))


def stepped(inner: Table, steps: Steps) -> Table:
    return cast("Table", SteppedTable(inner, steps))


class Wire:
    """Stands between the SDK and the tables. Before ``lose`` answers of transactions the connection breaks, the work
    is done; before ``drop`` of them it breaks and nothing is done.

    ``inserts_into`` names a table whose single inserts are meant instead. ``requests`` counts all, ``seen`` those that
    are meant.
    """

    def __init__(self, target: str) -> None:
        self.lose = 0
        self.drop = 0
        self.seen = 0
        self.inserts_into = ""
        self.requests = 0
        self._target = urlsplit(target)

    def forward(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes] | None:
        """Status, headers and body; None where the connection breaks."""
        self.requests += 1
        place = path.partition("?")[0]
        is_meant = (method, place.rpartition("/")[2]) == ("POST", self.inserts_into or "$batch")
        self.seen += is_meant
        if is_meant and self.drop > 0:
            self.drop -= 1
            return None
        connection = http.client.HTTPConnection(self._target.netloc, timeout=10)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if is_meant and self.lose > 0:
            self.lose -= 1
            return None
        return answer.status, answer.getheaders(), content


@contextmanager
def wire(connection: str) -> Iterator[tuple[Wire, str]]:
    """The wire, and a connection string whose tables are behind it."""
    parts = dict(part.split("=", 1) for part in connection.strip(";").split(";"))
    tap = Wire(parts["TableEndpoint"])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = tap.forward(self.command, self.path, dict(self.headers.items()), body)
            if answer is None:
                self.close_connection = True
                return
            status, headers, content = answer
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in ("transfer-encoding", "content-length", "connection", "keep-alive"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _pass

        def log_message(self, format: str, *args: object) -> None:
            """Tests speak for themselves."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    account = urlsplit(parts["TableEndpoint"]).path
    parts["TableEndpoint"] = f"http://127.0.0.1:{server.server_address[1]}{account}"
    try:
        yield tap, ";".join(f"{name}={value}" for name, value in parts.items()) + ";"
    finally:
        server.shutdown()
        server.server_close()
