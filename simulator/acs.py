"""*.communication.azure.com: identities and their tokens, behind the HMAC signature of the access key."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
import uuid
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from simulator.acs_resource import AcsResource
from simulator.entra_scopes import ACS_SCOPES
from simulator.state import Cloud, stable_id
from simulator.tokens import ACS_AUDIENCES, within_lifetime
from simulator.wire import Call, NotJson, Reply, json_reply

MINUTES: Final = (60, 1440)
_FULL: Final = frozenset({"chat", "voip"})
#: The versions that azure-communication-identity 1.5 can be told to speak, each with the scopes it knows; the last is
#: what the SDK speaks by itself, and the first that knows scopes without the right to start anything.
SCOPES: Final = {
    "2021-03-07": _FULL,
    "2022-06-01": _FULL,
    "2022-10-01": _FULL,
    "2023-10-01": _FULL | {"chat.join", "chat.join.limited", "voip.join"},
}
# The tolerance of ACS is not published; its sibling App Configuration allows 15 minutes.
SKEW_SECONDS: Final = 15 * 60
SIGNED: Final = "x-ms-date;host;x-ms-content-sha256"
_AUTHORIZATION: Final = re.compile(r"HMAC-SHA256 SignedHeaders=([^&]*)&Signature=(.+)")


class AcsRefusal(Exception):
    """ACS says no, with its status, code and words."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def answer(cloud: Cloud, call: Call) -> Reply:
    """Answer one request to a Communication Services resource."""
    resource = cloud.acs.get(call.host)
    if resource is None:
        # The name of a resource that does not exist does not resolve; no connection is the nearest to it.
        return Reply(0, drop=True)
    mood = _mood(resource)
    if mood is not None:
        return mood
    try:
        check_signature(call, resource.access_key)
        _check_version(call.query.get("api-version"))
        return _route(cloud, call, resource)
    except AcsRefusal as refusal:
        return _error(refusal.status, refusal.code, refusal.message)
    except NotJson:
        return _error(400, "BadRequest", "The request body is not JSON.")


def _mood(resource: AcsResource) -> Reply | None:
    match resource.state:
        case "denied":
            return _error(401, "Denied", "Denied by the resource provider.")
        case "forbidden":
            return _error(403, "Forbidden", "The access key is not allowed to perform this operation.")
        case "throttled":
            return _error(429, "TooManyRequests", "Rate limit exceeded.", {"Retry-After": "5"})
        case "hang":
            return Reply(0, hang=True)
        case "drop":
            return Reply(0, drop=True)
        case "garbage":
            return Reply(200, b"<html><body>It works!</body></html>", "text/html")
    return None


def check_signature(call: Call, access_key: str) -> None:
    """Refuse a request that this key did not sign for this host, path, body and time."""
    sent = call.headers
    digest = base64.b64encode(hashlib.sha256(call.body).digest()).decode()
    if sent.get("x-ms-content-sha256") != digest:
        raise AcsRefusal(401, "Denied", "Request 'x-ms-content-sha256' differs from generated content hash.")
    found = _AUTHORIZATION.fullmatch(sent.get("authorization", ""))
    if found is None or found[1].lower() != SIGNED:
        raise AcsRefusal(401, "Denied", "Denied by the resource provider.")
    date = sent.get("x-ms-date", "")
    if not _is_recent(date):
        raise AcsRefusal(401, "Denied", "The date header is missing or too far from the server's time.")
    target = call.raw_path + (f"?{call.query_string}" if call.query_string else "")
    text = f"{call.method}\n{target}\n{date};{call.host};{digest}"
    right = base64.b64encode(hmac.digest(base64.b64decode(access_key), text.encode(), hashlib.sha256)).decode()
    if not hmac.compare_digest(right.encode(), found[2].encode()):
        raise AcsRefusal(401, "Denied", "Denied by the resource provider.")


def _is_recent(date: str) -> bool:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return False
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return abs(moment.timestamp() - time.time()) <= SKEW_SECONDS


def _check_version(version: str | None) -> None:
    if version is None:
        raise AcsRefusal(400, "MissingApiVersionParameter", "The api-version query parameter is required.")
    if version not in SCOPES:
        text = f"Unsupported api-version '{version}'. The supported api-versions are '{', '.join(SCOPES)}'."
        raise AcsRefusal(400, "UnsupportedApiVersionValue", text)


def _route(cloud: Cloud, call: Call, resource: AcsResource) -> Reply:
    match call.method, call.segments:
        case "POST", ["identities"]:
            return _create(cloud, call, resource)
        case "POST", ["teamsUser", ":exchangeAccessToken"]:
            return json_reply(_exchange(cloud, call, resource))
        case "POST", ["identities", identity, ":issueAccessToken"]:
            _known(resource, identity)
            return json_reply(_token(cloud, call, resource, identity, "scopes"))
        case "POST", ["identities", identity, ":revokeAccessTokens"]:
            _known(resource, identity)
            resource.revoked[identity] = resource.revoked.get(identity, 0) + 1
            return Reply(204)
        case "DELETE", ["identities", identity]:
            _known(resource, identity)
            resource.deleted.add(identity)
            return Reply(204)
    raise AcsRefusal(404, "NotFound", f"There is no {call.method} {call.path}.")


def _create(cloud: Cloud, call: Call, resource: AcsResource) -> Reply:
    body = _body(call)
    identity = f"8:acs:{resource_id(resource.host)}_{uuid.uuid4()}"
    made: dict[str, Any] = {"identity": {"id": identity}}
    if body.get("createTokenWithScopes"):
        made["accessToken"] = _token(cloud, call, resource, identity, "createTokenWithScopes")
    resource.created += 1
    return json_reply(made, 201)


def _exchange(cloud: Cloud, call: Call, resource: AcsResource) -> dict[str, str]:
    """A token for a Teams user whose Entra token this is: made for ACS, by this app, for this user, still good."""
    body = _body(call)
    claims = cloud.keys.verify(str(body.get("token", ""))) or {}
    scopes = {scope.lower() for scope in str(claims.get("scp", "")).split()} & ACS_SCOPES
    facts = (
        str(claims.get("aud")) in ACS_AUDIENCES,
        bool(scopes),
        str(claims.get("azp") or claims.get("appid")) == body.get("appId"),
        isinstance(claims.get("oid"), str),
        claims.get("oid") == body.get("userId"),
        within_lifetime(claims),
    )
    if not all(facts):
        raise AcsRefusal(401, "Unauthorized", "The provided Azure AD token is invalid, expired or for somebody else.")
    identity = f"8:orgid:{claims['oid']}"
    minutes = min(MINUTES[0] * 60, float(claims["exp"]) - time.time()) // 60
    return _signed(cloud, resource, identity, sorted(scopes), int(minutes))


def resource_id(host: str) -> str:
    """The immutable id of a resource; it stands in the ids of its identities."""
    return stable_id("acs", host)


def _known(resource: AcsResource, identity: str) -> None:
    if not identity.startswith(f"8:acs:{resource_id(resource.host)}_") or identity in resource.deleted:
        raise AcsRefusal(404, "IdentityNotFound", "The identity does not exist in this resource.")


def _body(call: Call) -> dict[str, Any]:
    body = call.json() if call.body else {}
    if not isinstance(body, dict):
        raise AcsRefusal(400, "BadRequest", "The request body must be an object.")
    return body


def _token(cloud: Cloud, call: Call, resource: AcsResource, identity: str, member: str) -> dict[str, str]:
    body, known = _body(call), SCOPES[call.query["api-version"]]
    scopes = body.get(member)
    if not isinstance(scopes, list) or not scopes or not all(str(scope) in known for scope in scopes):
        raise AcsRefusal(400, "ValidationError", f"'{member}' must hold at least one of {', '.join(sorted(known))}.")
    minutes = body.get("expiresInMinutes")
    if minutes is None:
        minutes = MINUTES[1]
    if not isinstance(minutes, int) or not MINUTES[0] <= minutes <= MINUTES[1]:
        raise AcsRefusal(400, "ValidationError", "'expiresInMinutes' must be between 60 and 1440.")
    return _signed(cloud, resource, identity, list(map(str, scopes)), minutes)


def _signed(cloud: Cloud, resource: AcsResource, identity: str, scopes: list[str], minutes: int) -> dict[str, str]:
    now = int(time.time())
    expires = now + minutes * 60
    claims = {
        "skypeid": identity.removeprefix("8:"),
        "scp": 1792,
        "csi": str(now),
        "iat": now,
        "exp": expires,
        "rgn": "emea",
        "acsScope": ",".join(scopes),
        "resourceId": resource_id(resource.host),
        "resourceLocation": "europe",
    }
    moment = datetime.fromtimestamp(expires, UTC).isoformat().replace("+00:00", "Z")
    return {"token": cloud.keys.sign(claims), "expiresOn": moment}


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Reply:
    body = {"error": {"code": code, "message": message}}
    extra = {"x-ms-error-code": code, "ms-cv": uuid.uuid4().hex, **(headers or {})}
    return Reply(status, json.dumps(body).encode(), headers=extra)
