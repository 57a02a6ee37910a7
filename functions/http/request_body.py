"""The body of a request: its size is judged before it is read, its media type before it is parsed."""

from __future__ import annotations

import re
from typing import Any

import azure.functions as func

from functions.http.problems import LengthMissing, TooLarge, WrongMediaType
from shared.kernel.json_text import read_json


def json_body(req: func.HttpRequest, *, limit: int) -> Any:
    """Returns the JSON value. ``limit`` is in bytes. Raises WrongMediaType, TooLarge, LengthMissing, Malformed."""
    media_type = req.headers.get("content-type", "").split(";")[0].strip().lower()
    if not (media_type == "application/json" or re.fullmatch(r"application/[\w.-]+\+json", media_type)):
        raise WrongMediaType("send the body as application/json")
    return read_json(body_of(req, limit=limit))


def body_of(req: func.HttpRequest, *, limit: int) -> bytes:
    """Raises TooLarge, and LengthMissing for a body in chunks, of which the host hands nothing over."""
    if _declared(req) > limit:
        raise _too_large(limit)
    data = bytes(req.get_body())
    if len(data) > limit:
        raise _too_large(limit)
    if not data and "transfer-encoding" in req.headers:
        raise LengthMissing("send the body with a Content-Length, not in chunks")
    return data


def _declared(req: func.HttpRequest) -> int:
    """Returns the Content-Length, 0 where there is none; the length of what comes is judged as well."""
    text = req.headers.get("content-length", "")
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else 0


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body may have at most {limit // 1024} KiB here", limit=limit)
