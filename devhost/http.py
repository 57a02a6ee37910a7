"""The HTTP trigger: an ASGI app that turns requests into invocations as the host does."""

import asyncio
import hmac
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qsl

from azure.functions.meta import Datum

from devhost.converters import decode
from devhost.indexing import HTTP, Function
from devhost.invocation import Invokes, TraceContext
from devhost.replies import Headers, Reply
from devhost.routing import Route, find, in_host_order, parse_template

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

LINE_LIMIT: Final = 8 * 1024  # Kestrel's, in bytes
HEADER_LIMIT: Final = 32 * 1024  # Kestrel's, in bytes for all headers together
RUN_HEADER: Final = "x-devhost-run"  # lets the seed in while the door is closed
STARTING: Final = Reply(
    503,
    json.dumps({"code": "Starting"}).encode(),
    [(b"content-type", b"application/json"), (b"retry-after", b"1")],
)

log = logging.getLogger("host")


class HttpApp:
    """Answers with 503 until `door` is open; only requests with the run's secret come in before.

    A body of more than `body_limit` bytes is refused unread.
    """

    def __init__(
        self,
        functions: Iterable[Function],
        *,
        prefix: str,
        invoker: Invokes,
        door: asyncio.Event,
        secret: str,
        key: str | None,
        body_limit: int,
    ) -> None:
        mine = [function for function in functions if function.trigger_type == HTTP]
        self._functions = {function.name: function for function in mine}
        self._routes = in_host_order(_route(function, prefix) for function in mine)
        self._invoker = invoker
        self._door = door
        self._secret = secret
        self._key = key
        self._body_limit = body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request (ASGI 3)."""
        reply = await self._answer(scope, receive)
        headers: Headers = list(reply.headers)
        if reply.status not in (204, 304):
            headers.append((b"content-length", str(len(reply.body)).encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _answer(self, scope: Scope, receive: Receive) -> Reply:
        if len(scope["raw_path"]) + len(scope["query_string"]) > LINE_LIMIT:
            return Reply(414)
        if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADER_LIMIT:
            return Reply(431)
        headers = _joined((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
        if not self._door.is_set() and not _same(headers.get(RUN_HEADER, ""), self._secret):
            return STARTING
        found = find(self._routes, scope["method"], scope["raw_path"])
        if found is None:
            log.info("%s %s: no function has this route and method, 404", scope["method"], scope["path"])
            return Reply(404)
        route, parameters = found
        function = self._functions[route.function]
        query = _query(scope["query_string"])
        if not self._admits(function, headers, query):
            log.info("%s %s: %s needs a function key, 401", scope["method"], scope["path"], function.name)
            return Reply(401)
        length = int(headers.get("content-length", 0))
        if length > self._body_limit:
            return Reply(413)
        body = await _body(receive) if length else b""
        request = _request(scope, headers, query, parameters, body)
        trace = TraceContext(headers.get("traceparent", ""), headers.get("tracestate", ""))
        outcome = await self._invoker.invoke(function, {function.trigger["name"]: request}, trace)
        return outcome.reply or Reply(500)

    def _admits(self, function: Function, headers: Mapping[str, str], query: Mapping[str, str]) -> bool:
        """Anonymous functions take everyone, others the key of DEVHOST_FUNCTION_KEY (without one: nobody)."""
        if function.anonymous:
            return True
        shown = headers.get("x-functions-key") or query.get("code", "")
        return bool(self._key) and _same(shown, self._key or "")


def _route(function: Function, prefix: str) -> Route:
    methods = function.trigger.get("methods")
    template = parse_template(f"{prefix}/{function.trigger['route'].strip('/')}")
    return Route(function.name, template, frozenset(method.upper() for method in methods) if methods else None)


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Header names in lower case; repeated ones joined with a comma, as the host hands them over."""
    joined: dict[str, str] = {}
    for name, value in pairs:
        name = name.lower()
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _query(raw: bytes) -> dict[str, str]:
    """Query parameters: empty values dropped, repeated names (in any case) joined with a comma."""
    values: dict[str, str] = {}
    spelled: dict[str, str] = {}
    for name, value in parse_qsl(raw.decode("latin-1"), errors="replace"):
        first = spelled.setdefault(name.lower(), name)
        values[first] = f"{values[first]},{value}" if first in values else value
    return values


async def _body(receive: Receive) -> bytes:
    """The whole body; what came so far if the client goes away."""
    chunks: list[bytes] = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


def _request(
    scope: Scope, headers: Mapping[str, str], query: Mapping[str, str], parameters: Mapping[str, str], body: bytes
) -> Any:
    """func.HttpRequest, made by azure-functions' own converter."""
    host = headers.get("host", "127.0.0.1")
    path = scope["raw_path"].decode("latin-1")
    question = "?" + scope["query_string"].decode("latin-1") if scope["query_string"] else ""
    values = {
        "method": _text(scope["method"]),
        "url": _text(f"{scope['scheme']}://{host}{path}{question}"),
        "headers": {name: _text(value) for name, value in headers.items()},
        "query": {name: _text(value) for name, value in query.items()},
        "params": {name: _text(value) for name, value in parameters.items()},
        "body": Datum(body, "bytes"),
    }
    return decode(HTTP, Datum(values, "http"))


def _text(value: str) -> Datum:
    return Datum(value, "string")


def _same(shown: str, wanted: str) -> bool:
    return hmac.compare_digest(shown.encode(), wanted.encode())
