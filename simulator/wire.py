"""What goes in and out of every simulated host: one Call in, one Reply out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

JSON_TYPE: Final = "application/json; charset=utf-8"
HTML_TYPE: Final = "text/html; charset=utf-8"


class NotJson(ValueError):
    """The body of a call is not the JSON that was asked for."""


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
        return dict(parse_qsl(self.query_string, keep_blank_values=True))

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
        """The body as JSON; NotJson if it is none."""
        try:
            return json.loads(self.body)
        except ValueError as exc:
            raise NotJson("The body is not JSON.") from exc


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
