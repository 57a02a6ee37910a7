"""The webhook catcher: flows' callback URLs land here, and the next answers can be chosen."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from simulator.journal import timestamp
from simulator.wire import Call, NotJson, Reply, json_reply, read_json

HOST_SUFFIXES: Final = (".logic.azure.com", ".api.powerplatform.com")
ROWS_AT_MOST: Final = 20_000
#: What a flow's callback answers when nothing else was asked for.
ACCEPTED: Final = 202


def is_hook_host(host: str) -> bool:
    """Whether callbacks to that host are caught."""
    return host.endswith(HOST_SUFFIXES)


@dataclass
class Behaviour:
    """How callbacks under a path are answered, `times` times; None means until it is changed."""

    path_prefix: str
    status: int = ACCEPTED
    delay_ms: int = 0
    times: int | None = None
    body: Any = None


class Webhooks:
    """Caught callbacks, oldest first, and the chosen answers."""

    def __init__(self) -> None:
        self.rows: deque[dict[str, Any]] = deque(maxlen=ROWS_AT_MOST)
        self._behaviours: list[Behaviour] = []

    def choose(self, behaviours: list[Behaviour]) -> None:
        """Answer in this order from now on; earlier choices for the same prefixes end."""
        prefixes = {behaviour.path_prefix for behaviour in behaviours}
        kept = [behaviour for behaviour in self._behaviours if behaviour.path_prefix not in prefixes]
        self._behaviours = kept + behaviours

    def forget_choices(self) -> None:
        """Answer 202 to everything again."""
        self._behaviours.clear()

    def caught(self, call: Call) -> Reply:
        """Keep the callback and give the chosen answer."""
        behaviour = self._next(call.path)
        self.rows.append(
            {
                "time": timestamp(),
                "method": call.method,
                "host": call.host,
                "path": call.path,
                "query": call.query_string,
                "headers": call.headers,
                "body": _content(call.body),
                "status": behaviour.status,
            }
        )
        reply = Reply(behaviour.status) if behaviour.body is None else json_reply(behaviour.body, behaviour.status)
        reply.delay_ms = behaviour.delay_ms
        return reply

    def _next(self, path: str) -> Behaviour:
        for behaviour in self._behaviours:
            if path.startswith(behaviour.path_prefix):
                if behaviour.times is not None:
                    behaviour.times -= 1
                    if behaviour.times <= 0:
                        self._behaviours.remove(behaviour)
                return behaviour
        return Behaviour("")


def _content(body: bytes) -> Any:
    """JSON if it is JSON, else text."""
    try:
        return read_json(body) if body else None
    except NotJson:
        return body.decode(errors="replace")
