"""What goes in and out of every simulated host: one Call in, one Reply out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

JSON_TYPE: Final = "application/json; charset=utf-8"
HTML_TYPE: Final = "text/html; charset=utf-8"
#: Deeper JSON is refused: what a reader just manages would overflow the stack of a writer further down.
JSON_DEPTH_AT_MOST: Final = 100
# Nobody asks for more rows than nine digits say, and int() itself fails at 4,300.
_WHOLE: Final = re.compile(r"[0-9]{1,9}")


class NotJson(ValueError):
    """The body of a call is not the JSON that was asked for."""


def read_json(body: bytes) -> Any:
    """The JSON of a body; NotJson if it is none, nests too deep, or holds text that cannot be written as UTF-8."""
    try:
        text = body.decode("utf-8-sig")
        content = json.loads(text, parse_constant=_no_number)
        if "\\u" in text:
            # Half a surrogate pair passes the reader and fails wherever an id is made of it.
            json.dumps(content, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as exc:
        raise NotJson("The body is not JSON.") from exc
    # Counting brackets spares the walk where it cannot matter, as in a call for 650 users' presence.
    if text.count("[") + text.count("{") > JSON_DEPTH_AT_MOST and _is_deep(content):
        raise NotJson(f"The JSON is nested deeper than {JSON_DEPTH_AT_MOST} levels.")
    return content


def whole_number(text: str) -> int | None:
    """The number a query parameter says, None unless it is one to nine digits."""
    return int(text) if _WHOLE.fullmatch(text) else None


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not JSON.")


def _is_deep(content: Any) -> bool:
    level, depth = [content], 0
    while level := [part for node in level for part in _parts(node)]:
        depth += 1
        if depth > JSON_DEPTH_AT_MOST:
            return True
    return False


def _parts(node: Any) -> Iterable[Any]:
    return node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()


@dataclass
class Call:
    """One request as the simulated host sees it: `host` and `path` are those of the real URL.

    Header names are lower case. `raw_path` is the path as it was sent, still percent-encoded.
    """

    method: str
    host: str
    raw_path: str
    query_string: str
    headers: dict[str, str]
    body: bytes = b""

    @cached_property
    def path(self) -> str:
        """The path, decoded."""
        return unquote(self.raw_path)

    @cached_property
    def segments(self) -> list[str]:
        """The parts of the path between slashes, each decoded on its own."""
        return [unquote(part) for part in self.raw_path.split("/") if part]

    @cached_property
    def query(self) -> dict[str, str]:
        """Query parameters; of a doubled one the last counts."""
        return dict(self.query_pairs)

    @cached_property
    def query_pairs(self) -> list[tuple[str, str]]:
        """Query parameters as they were sent, but that OData's names, which begin with $, are in lower case."""
        pairs = parse_qsl(self.query_string, keep_blank_values=True)
        return [(name.lower() if name.startswith("$") else name, value) for name, value in pairs]

    @cached_property
    def form(self) -> dict[str, str]:
        """The fields of an urlencoded body; empty for anything else."""
        try:
            return dict(parse_qsl(self.body.decode(), keep_blank_values=True))
        except (UnicodeDecodeError, ValueError):
            return {}

    @cached_property
    def bearer(self) -> str:
        """The bearer token, or an empty string."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""

    def json(self) -> Any:
        """The body as JSON; raises like `read_json`."""
        return read_json(self.body)


@dataclass
class Reply:
    """One answer. `drop` closes the connection instead, `hang` never answers while the caller waits."""

    status: int
    body: bytes = b""
    media_type: str = JSON_TYPE
    headers: dict[str, str] = field(default_factory=dict)
    delay_ms: int = 0
    drop: bool = False
    hang: bool = False


def json_reply(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    """An answer whose body is `content` as JSON."""
    return Reply(status, json.dumps(content, separators=(",", ":")).encode(), headers=headers or {})


def html_reply(content: str, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    """An answer a person looks at."""
    return Reply(status, content.encode(), HTML_TYPE, headers or {})


def redirect(location: str, headers: dict[str, str] | None = None) -> Reply:
    """A 302 to `location`."""
    return Reply(302, b"", HTML_TYPE, {"Location": location, **(headers or {})})
