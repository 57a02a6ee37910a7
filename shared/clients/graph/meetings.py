"""Online meetings through Graph, made by the application on behalf of a user.

Graph wants the application permission OnlineMeetings.ReadWrite.All and an application access policy that names the
app and the user. Source: Graph's pages application-post-onlinemeetings and cloud-communication-online-meeting-
application-access-policy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote

import requests

from shared.clients.entra.sign_in import SignIns
from shared.http.upstream_answers import json_of, object_in, pause_of, reaching
from shared.kernel.clock import Clock, to_wire
from shared.kernel.clouds import Cloud
from shared.kernel.errors import Broken, Denied, Throttled, Unreachable

POLICY_MISSING: Final = "PolicyMissing"
USER_UNKNOWN: Final = "UserUnknown"
PERMISSION_MISSING: Final = "PermissionMissing"

TIMEOUT: Final = (3.05, 10.0)  # seconds, to connect and between two bytes
# A meeting takes Teams up to 3 s. Who makes one gives up long before this, and removes it if it comes late.
TIMEOUT_OF_A_NEW_ONE: Final = (3.05, 60.0)
WHOM: Final = "Graph (onlineMeetings)"
# Graph has no code of its own for this. Both sentences are seen; the first is the documented one.
_POLICY: Final = re.compile(r"not authorized to \w+ meeting on behalf of user|application access policy", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class OnlineMeeting:
    meeting_id: str
    join_url: str


class OnlineMeetings:
    """Raises Denied with one of the reasons above or with Entra's, Throttled, Unreachable or Broken."""

    def __init__(self, session: requests.Session, cloud: Cloud, sign_ins: SignIns, app_id: str, clock: Clock) -> None:
        """``app_id`` is the client id that ``sign_ins`` signs in as."""
        self._session = session
        self._root = cloud.graph
        self._sign_ins = sign_ins
        self._clock = clock
        self.app_id = app_id

    def create(self, tenant_id: str, organizer: str, subject: str, starts: datetime, ends: datetime) -> OnlineMeeting:
        """A meeting that everybody with its link enters without waiting in the lobby.

        Waits a minute for Graph, since only who has the answer can remove the meeting: callers stop waiting earlier.
        """
        wanted = {
            "subject": subject,
            "startDateTime": to_wire(starts),
            "endDateTime": to_wire(ends),
            "lobbyBypassSettings": {"scope": "everyone", "isDialInBypassEnabled": False},
        }
        answer = json_of(self._asked(tenant_id, "POST", _path(organizer), wanted), WHOM)
        meeting_id, join_url = answer.get("id"), answer.get("joinWebUrl")
        if not isinstance(meeting_id, str) or not isinstance(join_url, str) or not join_url.startswith("https://"):
            raise Broken(f"{WHOM} answered without a meeting")
        return OnlineMeeting(meeting_id, join_url)

    def delete(self, tenant_id: str, organizer: str, meeting_id: str) -> None:
        """Remove the meeting; one that is gone is no error."""
        try:
            self._asked(tenant_id, "DELETE", f"{_path(organizer)}/{quote(meeting_id, safe='')}", None)
        except Denied as exc:
            if exc.reason != USER_UNKNOWN:  # the same 404
                raise

    def _asked(self, tenant_id: str, method: str, path: str, body: object) -> requests.Response:
        """The answer if it is a success. A token that Graph refuses may be an old one: once more with a new one."""
        response = self._sent(tenant_id, method, path, body, fresh=False)
        if response.status_code == 401:
            response = self._sent(tenant_id, method, path, body, fresh=True)
        match response.status_code:
            case 200 | 201 | 204:
                return response
            case 401 | 403:
                # Roles are those of the hour the token was made: after a consent only a new one has them.
                self._sign_ins.forget(tenant_id, None)
                missing = POLICY_MISSING if _POLICY.search(_message(response)) else PERMISSION_MISSING
                raise Denied(f"{WHOM} refuses", reason=missing)
            case 404:
                raise Denied(f"{WHOM} does not know the user", reason=USER_UNKNOWN)
            case 429:
                raise Throttled(f"{WHOM} answered 429", retry_after=pause_of(response, self._clock))
            case 503 | 504 as status:
                raise Unreachable(f"{WHOM} answered {status}")
            case status:
                raise Broken(f"{WHOM} answered {status}")

    def _sent(self, tenant_id: str, method: str, path: str, body: object, *, fresh: bool) -> requests.Response:
        try:
            token = self._sign_ins.app_token(tenant_id, fresh=fresh)
        except Denied as exc:
            if exc.fault is not None and exc.fault.consent:
                raise Denied(exc.detail, reason=PERMISSION_MISSING) from None
            raise
        headers = {"Authorization": f"Bearer {token}"}
        with reaching(WHOM):
            timeout = TIMEOUT_OF_A_NEW_ONE if method == "POST" else TIMEOUT
            return self._session.request(method, self._root + path, json=body, headers=headers, timeout=timeout)


def _path(organizer: str) -> str:
    return f"/v1.0/users/{quote(organizer, safe='')}/onlineMeetings"


def _message(response: requests.Response) -> str:
    error = (object_in(response) or {}).get("error")
    message = error.get("message") if isinstance(error, dict) else None
    return message if isinstance(message, str) else ""
