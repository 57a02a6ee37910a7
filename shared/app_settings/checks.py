"""What the longer app settings must look like. Each check gives what is wrong, without the value, or an empty text."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final
from urllib.parse import urlsplit

_MONTHS: Final = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS: Final = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
# Of NCRONTAB: name, lowest, highest, names in their order from the lowest.
_FIELDS: Final = (
    ("second", 0, 59, ()),
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 6, _DAYS),
)
_PART: Final = re.compile(r"(?:\*|([a-z0-9]+)(?:-([a-z0-9]+))?)(?:/([0-9]+))?")


def storage_flaw(text: str) -> str:
    """Of a connection string of a storage account."""
    if text.rstrip(";").lower() == "usedevelopmentstorage=true":
        return ""
    pairs = [part.partition("=") for part in text.strip().rstrip(";").split(";")]
    values = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if not all(name and equals for name, equals, _ in pairs) or len(values) != len(pairs):
        return "is not a list of name=value, each name once, with semicolons between"
    if not values.get("accountname") and not (values.get("tableendpoint") and values.get("queueendpoint")):
        return "has neither AccountName nor TableEndpoint and QueueEndpoint"
    if not values.get("sharedaccesssignature") and not values.get("accountkey"):
        return "has neither AccountKey nor SharedAccessSignature"
    if values.get("accountkey") and not (values.get("accountname") and _is_base64(values["accountkey"])):
        return "has an AccountKey that is not base64 or belongs to no AccountName"
    named = (name for name in ("tableendpoint", "queueendpoint") if values.get(name))
    return "has an endpoint that is not a URL" if not all(is_web_url(values[name]) for name in named) else ""


def schedule_flaw(text: str) -> str:
    """Of an NCRONTAB expression with six fields."""
    fields = text.lower().split()
    if len(fields) != len(_FIELDS):
        return "is not an NCRONTAB expression of six fields, seconds first"
    for (name, low, high, names), field in zip(_FIELDS, fields, strict=True):
        numbers = {word: low + at for at, word in enumerate(names)} | {str(n): n for n in range(low, high + 1)}
        for part in field.split(","):
            found = _PART.fullmatch(part)
            ends = [numbers.get(end.lstrip("0") or "0", -1) for end in found.groups()[:2] if end] if found else [-1]
            if -1 in ends or ends != sorted(ends) or (found and found[3] is not None and not int(found[3])):
                return f"does not say a {name} from {low} to {high} where one is expected"
    return ""


def is_web_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def is_base_url(text: str) -> bool:
    """A URL that ends with its host and port: no path, query, fragment or user, not even empty ones."""
    try:
        parts = urlsplit(text)
        return (
            is_web_url(text) and "@" not in parts.netloc and text.lower() == f"{parts.scheme}://{parts.netloc}".lower()
        )
    except ValueError:
        return False


def is_scope_name(text: str) -> bool:
    """The name of a delegated permission as a token's scp has it: without the App ID URI, which requests put first.

    Entra allows 120 of these characters, and no dot in front. Source: entra-docs, reference-app-manifest.
    """
    return (
        re.fullmatch(r"(?!\.)[A-Za-z0-9!#$%&'()*+,./:;=?@^_`{|}~\[\]-]{1,120}", text) is not None and "://" not in text
    )


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return False
