"""Lists of Graph that are filtered: page by page, with a refused filter as an answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

import requests

from shared.clients.graph.graph import answer_of
from shared.http.upstream_answers import object_in, reaching
from shared.kernel.clock import Clock, now
from shared.kernel.clouds import Cloud
from shared.kernel.errors import Unreachable

MOST_ROWS: Final = 999  # Graph's largest page
# A page may be empty although others follow; so many in a row mean that something is wrong.
_MOST_PAGES: Final = 5
# Seconds for all pages of a list together, so that whoever waits for one is told rather than left. A page is waited for
# from byte to byte: one that trickles may take longer.
PATIENCE: Final = 5.0
_CONNECTING: Final = 3.05  # seconds at most
_LONGEST_REASON: Final = 300

Rows = Sequence[Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Listed:
    """``count`` is that of all that fit, None where Graph does not tell. ``refused`` is what Graph says against the
    filter, None if nothing."""

    rows: Rows
    count: int | None = None
    refused: str | None = None


class GraphLists:
    """Lists with Graph's advanced query parameters; ``elapsed`` counts seconds."""

    def __init__(
        self,
        session: requests.Session,
        cloud: Cloud,
        clock: Clock = now,
        *,
        patience: float = PATIENCE,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._root = cloud.graph
        self._clock = clock
        self._patience = patience
        self._elapsed = elapsed

    def read(self, token: str, path: str, parameters: Mapping[str, str], *, top: int) -> Listed:
        """At most ``top`` rows.

        Raises TokenRefused, Denied, Throttled, Unreachable or Broken.
        """
        asked = {**parameters, "$top": str(min(top, MOST_ROWS)), "$count": "true"}
        url: str | None = f"{self._root}{path}?{urlencode(asked, quote_via=quote, safe='$,')}"
        rows: list[Mapping[str, object]] = []
        count: int | None = None
        give_up_at = self._elapsed() + self._patience
        for _ in range(_MOST_PAGES):
            if url is None or len(rows) >= top:
                break
            response = self._get(token, url, give_up_at - self._elapsed())
            if response.status_code == 400:
                return Listed((), refused=_message(response))
            body = answer_of(response, f"Graph ({path.rpartition('/')[2]})", self._clock)
            found, told = body.get("value"), body.get("@odata.count")
            rows += [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
            count = told if isinstance(told, int) else count
            url = self._following(body.get("@odata.nextLink"))
        return Listed(rows[:top], count)

    def _get(self, token: str, url: str, patience: float) -> requests.Response:
        if patience <= 0:
            raise Unreachable("Graph does not answer in time")
        headers = {"Authorization": f"Bearer {token}", "ConsistencyLevel": "eventual"}
        with reaching("Graph"):
            return self._session.get(url, headers=headers, timeout=(min(patience, _CONNECTING), patience))

    def _following(self, link: object) -> str | None:
        """The next page, on Graph's own host and no other: the token goes there."""
        return link if isinstance(link, str) and link.startswith(f"{self._root}/") else None


def _message(response: requests.Response) -> str:
    error = (object_in(response) or {}).get("error")
    said = error.get("message") if isinstance(error, dict) else None
    text = said if isinstance(said, str) else "Graph refuses the request"
    return "".join(char if char.isprintable() else " " for char in text)[:_LONGEST_REASON]
