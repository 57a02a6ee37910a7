"""Who reads Graph and what they may: bearer tokens, permissions, and Graph's error envelope."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from simulator.keys import Claims
from simulator.state import Cloud, Tenant
from simulator.tokens import GRAPH_AUDIENCES, account_of, is_app_only, issuer, within_lifetime
from simulator.wire import Call, Reply, json_reply

GUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
ROOT: Final = "https://graph.microsoft.com/v1.0"


def names(text: str) -> list[str]:
    """The words of a text; lists of property names read better that way."""
    return text.split()


class GraphRefusal(Exception):
    """Graph says no, with its status, code and words, and after how many seconds it may say yes."""

    def __init__(self, status: int, code: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after


@dataclass(frozen=True)
class Reader:
    """The caller of Graph, as its token says. `account` is None for an app."""

    tenant: Tenant
    client_id: str
    oid: str
    account: str | None
    permissions: frozenset[str]

    @property
    def app_only(self) -> bool:
        """Whether no user is behind the call."""
        return self.account is None

    @property
    def guest(self) -> bool:
        """Whether a user of another tenant reads."""
        return self.account is not None and (
            self.account.lower() in self.tenant.guests and self.account.lower() not in self.tenant.users_by_upn
        )

    def may(self, *permissions: str) -> bool:
        """Whether the token holds any of these."""
        return not self.permissions.isdisjoint(permissions)

    def must(self, *permissions: str) -> None:
        """403 unless the token holds any of these."""
        if not self.may(*permissions):
            raise denied()


def denied() -> GraphRefusal:
    """The refusal for lack of permission."""
    return GraphRefusal(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")


def not_found(resource: str) -> GraphRefusal:
    """The refusal for a resource that is not there."""
    text = f"Resource '{resource}' does not exist or one of its queried reference-property objects are not present."
    return GraphRefusal(404, "Request_ResourceNotFound", text)


def error_reply(refusal: GraphRefusal, call: Call) -> Reply:
    """A refusal in Graph's envelope."""
    request_id = str(uuid.uuid4())
    inner = {
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        "request-id": request_id,
        "client-request-id": call.headers.get("client-request-id", request_id),
    }
    body = {"error": {"code": refusal.code, "message": refusal.message, "innerError": inner}}
    headers = {"request-id": request_id}
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(refusal.retry_after)
    if refusal.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/"'
    return json_reply(body, refusal.status, headers)


def who_asks(cloud: Cloud, call: Call) -> tuple[str | None, str | None]:
    """The account and tenant of the call's token, be it good or not."""
    claims = cloud.keys.verify(call.bearer) if call.bearer else None
    if claims is None:
        return None, None
    return account_of(claims), str(claims["tid"]) if "tid" in claims else None


def reader_of(cloud: Cloud, call: Call) -> Reader:
    """The caller, once its token is proven; 401 otherwise."""
    if not call.bearer:
        raise _unproven("Access token is empty.")
    claims = cloud.keys.verify(call.bearer)
    if claims is None:
        parts = call.bearer.count(".")
        raise _unproven(
            "Signature is invalid." if parts == 2 else "CompactToken parsing failed with error code: 80049217"
        )
    if str(claims.get("aud")) not in GRAPH_AUDIENCES:
        raise _unproven("Access token validation failure. Invalid audience.")
    tenant_id = str(claims.get("tid", ""))
    if claims.get("iss") not in (issuer(tenant_id, 1), issuer(tenant_id, 2)):
        raise _unproven("Access token validation failure. Invalid issuer.")
    if not within_lifetime(claims):
        raise _unproven("Lifetime validation failed, the token is expired.")
    return _reader(cloud, tenant_id, claims)


def _reader(cloud: Cloud, tenant_id: str, claims: Claims) -> Reader:
    try:
        delegated = not is_app_only(claims)
    except ValueError:
        raise _unproven("Access token validation failure.") from None
    # A delegated token's `roles` are app roles of the user, not permissions on Graph.
    roles = claims.get("roles")
    held = str(claims["scp"]).split() if delegated else roles if isinstance(roles, list) else []
    client_id = str(claims.get("appid") or claims.get("azp") or "")
    account = (account_of(claims) or str(claims.get("oid", ""))) if delegated else None
    return Reader(cloud.directory(tenant_id), client_id, str(claims.get("oid", "")), account, frozenset(map(str, held)))


def _unproven(message: str) -> GraphRefusal:
    return GraphRefusal(401, "InvalidAuthenticationToken", message)
