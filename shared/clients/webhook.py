"""The only one that calls callback URLs."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

import requests

from shared.http.upstream_answers import asked_pause, reaching
from shared.kernel.clock import Clock

EVENT_ID: Final = "x-nimbus-event-id"


@dataclass(frozen=True, slots=True)
class Answered:
    """``retry_after`` are the seconds the receiver asks for, a day at most, None if it does not."""

    status: int
    retry_after: float | None


class CallbackSender:
    """Posts once, follows no redirect and looks at the status only.

    The headers of an answer may take twice the session's read timeout, so a caller with a limit in all must be able
    to stop waiting; the thread that posts ends soon after.
    """

    def __init__(self, session: requests.Session, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        # At DEBUG urllib3 writes the path of each request, and the whole URL of an answer whose headers it cannot
        # read as a warning: a secret.
        for name in ("urllib3.connectionpool", "urllib3.connection", "urllib3.util.retry"):
            logging.getLogger(name).setLevel(logging.ERROR)

    def post(self, url: str, body: bytes, event_id: str) -> Answered:
        """Send JSON. Raises Unreachable or Broken, neither of which names the URL."""
        headers = {"Content-Type": "application/json; charset=utf-8", EVENT_ID: event_id, "User-Agent": "nimbus"}
        with (
            reaching("the receiver of a webhook"),
            self._session.post(url, data=body, headers=headers, stream=True, allow_redirects=False) as response,
        ):
            if response.headers.get("Content-Length") == "0":
                _ = response.content  # which frees the connection for the next post; one with a body is closed unread
            pause = asked_pause(response, self._clock)
            return Answered(response.status_code, None if pause is None else min(max(pause, 0.0), 86_400.0))
