"""What callers say in headers, and what pages of other origins may read of an answer."""

from __future__ import annotations

import re
import uuid

import azure.functions as func

from shared.kernel.errors import NotKnown
from shared.tenants.documents import Versions


def bearer(req: func.HttpRequest) -> str:
    """The access token of the call. Raises NotKnown."""
    token = bearer_if_any(req)
    if token is None:
        raise NotKnown("send an access token of your organization as a bearer token", code="TokenMissing")
    return token


def bearer_if_any(req: func.HttpRequest) -> str | None:
    scheme, _, token = req.headers.get("authorization", "").partition(" ")
    return str(token.strip()) or None if scheme.lower() == "bearer" else None


def allow_pages(req: func.HttpRequest, response: func.HttpResponse) -> None:
    """Let a page of the origin that asks read the answer; whether it may ask is decided elsewhere."""
    response.headers["Vary"] = "Origin"
    if origin := req.headers.get("origin"):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = "Retry-After, x-trace-id"


def versions(req: func.HttpRequest) -> Versions:
    """Revisions named by If-Match; None without the header, ``*`` for the one that names none."""
    header = req.headers.get("if-match", "").strip()
    if not header:
        return None
    if header == "*":
        return "*"
    named = (re.fullmatch(r'"([1-9][0-9]{0,8})"', part.strip()) for part in header.split(","))
    return frozenset(int(match.group(1)) for match in named if match)


def trace_id(req: func.HttpRequest) -> str:
    """That of the caller's trace (W3C Trace Context) if it sent one, else a new one."""
    sent = re.fullmatch(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}", req.headers.get("traceparent", ""))
    return sent.group(1) if sent and int(sent.group(1), 16) else uuid.uuid4().hex


def hint(req: func.HttpRequest, name: str) -> str | None:
    """A header for the log only: anybody may have written it, so short and plain."""
    return re.sub(r"[^A-Za-z0-9._-]", "", req.headers.get(name, ""))[:64] or None
