"""Microsoft Graph: its answers as values, its refusals as our errors."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import requests

from shared.http.upstream_answers import json_of, object_in, pause_of, reaching
from shared.kernel.clock import Clock, now
from shared.kernel.clouds import Cloud
from shared.kernel.errors import Broken, Denied, NotPermitted, Throttled, Unreachable

MOST_IDS: Final = 650  # Graph's limit for getPresencesByUserId
MOST_PAGES: Final = 2000  # of at most 999 rows each


class TokenRefused(Denied):
    """401: not this token. A new one may do."""


class Absent(Broken):
    """404: what was asked for is not there."""


@dataclass(frozen=True, slots=True)
class PresenceReading:
    """Graph's two words for one user, as they came. ``sequence_number`` sorts as text, '' where absent."""

    user_id: str
    availability: str
    activity: str
    sequence_number: str


class Graph:
    def __init__(self, session: requests.Session, cloud: Cloud, clock: Clock = now) -> None:
        self._session = session
        self._root = cloud.graph
        self._clock = clock

    def presences(self, token: str, user_ids: Sequence[str]) -> list[PresenceReading]:
        """What these users, at most 650, do now. Ids in the answer are in lower case.

        A user may be missing from the answer; rows that make no sense or were not asked for are dropped.
        Raises Denied with Graph's code (TokenRefused for a 401, NotPermitted for a 403), Throttled, Unreachable,
        Broken.
        """
        if len(user_ids) > MOST_IDS:
            raise ValueError(f"{len(user_ids)} ids in one call; Graph takes {MOST_IDS}")
        if not user_ids:
            return []
        answer = self._answer(token, "POST", "/v1.0/communications/getPresencesByUserId", {"ids": list(user_ids)})
        rows = answer.get("value")
        if not isinstance(rows, list):
            raise Broken("Graph answered without a list of presences")
        asked = {user_id.lower() for user_id in user_ids}
        return [reading for row in rows if (reading := _reading(row, asked))]

    def get(self, token: str, path: str, **query: str) -> dict[str, object]:
        """The JSON object at a path such as ``/v1.0/users``. Raises Absent for a 404, else like ``presences``."""
        return self._answer(token, "GET", path, query=query)

    def pages(self, token: str, path: str, **query: str) -> Iterator[dict[str, object]]:
        """The objects of a list, over as many pages as it takes; raises like ``get``."""
        for page in self.raw_pages(token, path, **query):
            rows = page.get("value")
            if not isinstance(rows, list):
                raise Broken("Graph answered without a list")
            yield from (row for row in rows if isinstance(row, dict))

    def raw_pages(self, token: str, path: str, **query: str) -> Iterator[dict[str, object]]:
        """Whole pages, for who needs what stands beside the list; raises like ``get``."""
        return self._onwards(token, self.get(token, path, **query))

    def follow_pages(self, token: str, link: str) -> Iterator[dict[str, object]]:
        """The pages an opaque link of Graph's own leads to; raises like ``get``."""
        return self._onwards(token, self._follow(token, link))

    def _onwards(self, token: str, page: dict[str, object]) -> Iterator[dict[str, object]]:
        for _ in range(MOST_PAGES):
            yield page
            link = page.get("@odata.nextLink")
            if link is None:
                return
            page = self._follow(token, link)
        raise Broken("Graph's list does not end")

    def _follow(self, token: str, link: object) -> dict[str, object]:
        """A link that leads elsewhere is Broken: the token goes to Graph and nowhere else."""
        if not isinstance(link, str) or not link.startswith(f"{self._root}/"):
            raise Broken("Graph gave a link that does not lead to Graph")
        return self._answer(token, "GET", link.removeprefix(self._root))

    def _answer(
        self, token: str, method: str, path: str, body: object = None, *, query: Mapping[str, str] | None = None
    ) -> dict[str, object]:
        """The JSON object Graph answers with; every other answer as the error it is."""
        with reaching("Graph"):
            response = self._session.request(
                method, self._root + path, json=body, params=query, headers={"Authorization": f"Bearer {token}"}
            )
        return answer_of(response, f"Graph ({path.partition('?')[0].rpartition('/')[2][:64]})", self._clock)


def answer_of(response: requests.Response, whom: str, clock: Clock) -> dict[str, object]:
    """The JSON object in Graph's answer; every other answer as the error it is (``Graph.presences`` lists them)."""
    match response.status_code:
        case 200 | 201:
            return json_of(response, whom)
        case 401:
            raise TokenRefused(f"{whom} does not accept the token", reason=reason_of(response))
        case 403:
            raise NotPermitted(f"{whom} refuses: {reason_of(response)}", reason=reason_of(response))
        case 404:
            raise Absent(f"{whom} answered 404")
        case 429:
            raise Throttled(f"{whom} answered 429", retry_after=pause_of(response, clock))
        case 503 | 504 as status:
            raise Unreachable(f"{whom} answered {status}")
        case status:
            raise Broken(f"{whom} answered {status}")


def _reading(row: object, asked: Collection[str]) -> PresenceReading | None:
    if not isinstance(row, dict):
        return None
    user_id, availability, activity = row.get("id"), row.get("availability"), row.get("activity")
    if not (isinstance(user_id, str) and isinstance(availability, str) and isinstance(activity, str)):
        return None
    if user_id.lower() not in asked:
        return None
    sequence = row.get("sequenceNumber")
    return PresenceReading(user_id.lower(), availability, activity, sequence if isinstance(sequence, str) else "")


def reason_of(response: requests.Response) -> str:
    """Graph's own code, such as Authorization_RequestDenied; the status in words where it gives none."""
    error = (object_in(response) or {}).get("error")
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, str) and code.isprintable() and 0 < len(code) <= 100:
        return code
    return HTTPStatus(response.status_code).phrase
