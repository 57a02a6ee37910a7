"""The one place every request passes: who asks, what goes wrong, who answers, and the row in the journal."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from simulator import acs, control, entra, graph, graph_access, hooks
from simulator.faults import reply_of
from simulator.journal import timestamp, without_secrets
from simulator.state import Cloud
from simulator.wire import Call, Reply, json_reply

LOGIN: Final = frozenset({"login.microsoftonline.com", "login.windows.net", "sts.windows.net"})
GRAPH: Final = "graph.microsoft.com"
ACS_SUFFIX: Final = ".communication.azure.com"

log = logging.getLogger("simulator")


class Simulator:
    """The ASGI app. Hosts answer in plain functions under the cloud's lock; only waiting happens here.

    `drop` closes the connection of a request; the server's protocol class knows how, see `run.py`.
    """

    def __init__(self, cloud: Cloud, drop: Callable[[Scope], None]) -> None:
        self.cloud = cloud
        self._drop = drop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        began, now = time.perf_counter(), datetime.now(UTC)
        call = _call(scope, await _body(receive))
        if call.host == control.PREFIX:
            await self._send(self._guarded(control.answer, call), scope, receive, send)
            return
        account, tenant_id, reply = self._decide(call)
        if reply.delay_ms:
            with suppress(TimeoutError):
                await asyncio.wait_for(_gone(receive), reply.delay_ms / 1000)
        if reply.hang:
            await _gone(receive)
        with self.cloud.lock:
            self.cloud.journal.add(
                {
                    "time": timestamp(now),
                    "method": call.method,
                    "host": call.host,
                    "path": call.path,
                    "query": without_secrets(call.query_string),
                    "account": account,
                    "tenantId": tenant_id,
                    "status": reply.status,
                    "durationMs": round((time.perf_counter() - began) * 1000, 3),
                }
            )
        await self._send(reply, scope, receive, send)

    def _decide(self, call: Call) -> tuple[str | None, str | None, Reply]:
        """Who asks, for which tenant, and the answer: that of a fault if one strikes, else the host's."""
        with self.cloud.lock:
            account, tenant_id = _who(self.cloud, call)
            fault = self.cloud.faults.take(call, account)
            if fault is None:
                return account, tenant_id, self._guarded(_host, call)
            reply = self._guarded(_host, call) if fault.only_delays else reply_of(fault, call)
            reply.delay_ms += fault.delay_ms
            return account, tenant_id, reply

    def _guarded(self, answer: Callable[[Cloud, Call], Reply], call: Call) -> Reply:
        """The answer, or a 500 that says it is the simulator's own mistake."""
        with self.cloud.lock:
            try:
                return answer(self.cloud, call)
            except Exception:
                log.exception("the simulator failed at %s %s%s", call.method, call.host, call.path)
                return json_reply({"error": "The simulator itself failed; its log says why."}, 500)

    async def _send(self, reply: Reply, scope: Scope, receive: Receive, send: Send) -> None:
        if reply.drop or reply.hang:
            self._drop(scope)
            await _gone(receive)
            return
        headers = {"Content-Type": reply.media_type, **reply.headers} if reply.body else reply.headers
        await Response(reply.body, reply.status, headers)(scope, receive, send)


def _host(cloud: Cloud, call: Call) -> Reply:
    if call.host in LOGIN:
        return entra.answer(cloud, call)
    if call.host == GRAPH:
        return graph.answer(cloud, call)
    if call.host.endswith(ACS_SUFFIX):
        return acs.answer(cloud, call)
    if hooks.is_hook_host(call.host):
        return cloud.webhooks.caught(call)
    return json_reply({"error": f"The simulated cloud has no host '{call.host}'."}, 502)


def _who(cloud: Cloud, call: Call) -> tuple[str | None, str | None]:
    if call.host in LOGIN:
        return entra.who_asks(cloud, call)
    if call.host == GRAPH:
        return graph_access.who_asks(cloud, call)
    return None, None


def _call(scope: Scope, body: bytes) -> Call:
    headers = _headers(scope["headers"])
    raw = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    host, _, path = raw.lstrip("/").partition("/")
    if host == control.PREFIX:
        path = f"{host}/{path}"
    return Call(
        scope["method"],
        host.lower().removesuffix(":443"),
        f"/{path}",
        scope["query_string"].decode("latin-1"),
        headers,
        body,
    )


def _headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in pairs}


async def _body(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    while True:
        message: Any = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


async def _gone(receive: Callable[[], Awaitable[Any]]) -> None:
    """Wait until the caller has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
