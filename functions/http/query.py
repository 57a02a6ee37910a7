"""Query parameters of a request, judged."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qs, urlsplit

import azure.functions as func

from shared.kernel.errors import Invalid

DEFAULT_TOP: Final = 100
MAX_TOP: Final = 1000


def single(req: func.HttpRequest, name: str) -> str | None:
    """Returns the value. Raises Invalid for one that is named and left empty: an empty filter is a mistake."""
    value = req.params.get(name)
    # The host drops empty values, the URL still has them.
    if not value and _in_url(req, name):
        raise _empty(name)
    return value or None


def several(req: func.HttpRequest, name: str) -> list[str]:
    """Returns all values of a parameter that may be repeated. Raises Invalid when it is named and all are empty."""
    values = _in_url(req, name)  # the host joins them with commas
    if values and not any(values):
        raise _empty(name)
    return [value for value in values if value]


def top(req: func.HttpRequest) -> int:
    """Returns how many items a page of a list may have. Raises Invalid."""
    text = req.params.get("top") or str(DEFAULT_TOP)
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= MAX_TOP:
        raise Invalid.field("top", f"is not a number from 1 to {MAX_TOP}", "OutOfRange")
    return int(text)


def _in_url(req: func.HttpRequest, name: str) -> list[str]:
    return parse_qs(urlsplit(req.url).query, keep_blank_values=True).get(name, [])


def _empty(name: str) -> Invalid:
    return Invalid.field(name, "is empty; leave it out, or give it a value", "Required")
