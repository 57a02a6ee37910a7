"""From an error to a problem answer (RFC 9457). The only place that knows HTTP status codes of errors."""

from __future__ import annotations

import math
import re
from typing import Final

import azure.functions as func

from functions.http.answers import written
from functions.http.visitor_problems import OF_THE_BODY, sentence
from shared.kernel import log
from shared.kernel.errors import (
    AppError,
    Broken,
    ConfigError,
    Conflict,
    Denied,
    Gone,
    Invalid,
    Malformed,
    NeedsVersion,
    NotAllowed,
    NotFound,
    NotKnown,
    RateLimited,
    Stale,
    Throttled,
    Unavailable,
    Unreachable,
    Upstream,
)


class WrongMediaType(AppError):
    code = "UnsupportedMediaType"


class LengthMissing(AppError):
    code = "LengthRequired"


class TooLarge(AppError):
    code = "BodyTooLarge"


STATUS: Final[dict[type[AppError], int]] = {
    Malformed: 400,
    NotKnown: 401,
    NotAllowed: 403,
    NotFound: 404,
    Conflict: 409,
    Gone: 410,
    LengthMissing: 411,
    Stale: 412,
    TooLarge: 413,
    WrongMediaType: 415,
    Invalid: 422,
    NeedsVersion: 428,
    RateLimited: 429,
    Denied: 502,
    Broken: 502,
    Upstream: 502,
    Throttled: 503,
    Unavailable: 503,
    Unreachable: 504,
    AppError: 500,
}
_RETRY_UNAVAILABLE: Final = 5  # seconds; storage is back, or it is not a blip


def status_of(exc: AppError) -> int:
    return next(STATUS[cls] for cls in type(exc).__mro__ if cls in STATUS)


def problem(exc: AppError, trace_id: str, *, to_visitor: bool = False) -> func.HttpResponse:
    """Returns the answer for an error of ours. Members that are None are left out.

    A visitor is told the code and a neutral sentence only; findings stay where they are about the visitor's own body.
    """
    status = status_of(exc)
    etag = exc.members.get("etag")
    headers = {"x-trace-id": trace_id}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(etag, int):
        headers["ETag"] = f'"{etag}"'
    if isinstance(exc, RateLimited | Throttled):
        headers["Retry-After"] = str(math.ceil(exc.retry_after))
    elif isinstance(exc, Unavailable):
        headers["Retry-After"] = str(_RETRY_UNAVAILABLE)
    detail = exc.detail
    if isinstance(exc, ConfigError):
        log.error("app settings need attention", problems="; ".join(exc.problems))
        detail = "The service is not set up completely. Its operator finds the settings at /api/health/ready."
    if to_visitor:
        detail = sentence(exc.code)
    body: dict[str, object] = {
        "type": f"/problems/{exc.code}",
        "title": re.sub(r"(?<=[a-z])(?=[A-Z])", " ", exc.code).capitalize(),
        "status": status,
        "detail": detail,
        "code": exc.code,
        "traceId": trace_id,
        "error": {"code": exc.code, "message": detail},
    }
    if isinstance(exc, Invalid) and not (to_visitor and exc.code not in OF_THE_BODY):
        body["errors"] = [finding.as_json() for finding in exc.findings]
    if not to_visitor:
        body |= {
            name: f'"{value}"' if name == "etag" else value for name, value in exc.members.items() if value is not None
        }
    return func.HttpResponse(written(body), status_code=status, mimetype="application/problem+json", headers=headers)


def unexpected(exc: Exception, trace_id: str) -> AppError:
    """A mistake of ours. The log has all of it, the answer only how to find it there."""
    log.error("unexpected error", exc_info=exc, trace=trace_id)
    return AppError("Something went wrong on our side. Quote the trace id when you report it.")
