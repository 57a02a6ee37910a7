"""A function's return value as an HTTP answer, through azure-functions' own converter."""

from dataclasses import dataclass, field
from typing import Any, Final

from devhost.converters import encode

# The connection is the server's business; a length is counted from the body.
_OURS: Final = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive"})
_BODILESS: Final = (204, 205, 304)

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Reply:
    """What goes over the wire."""

    status: int
    body: bytes = b""
    headers: Headers = field(default_factory=list)


def reply_of(value: object) -> Reply:
    """The answer for what a function returned: str is 200, None is 204, HttpResponse is itself.

    Raises what the converter raises for other types, ValueError for a status or header HTTP cannot carry.
    """
    if value is None:
        return Reply(204)
    datum = encode("http", value)
    if datum.type == "string":
        return Reply(200, datum.value.encode(), [(b"content-type", b"text/plain; charset=utf-8")])
    answer = datum.value
    status = int(answer["status_code"].value)
    if not 200 <= status <= 599:
        raise ValueError(f"a function cannot answer with status {status}")
    headers = [_header(name, one.value) for name, one in answer["headers"].items() if name.lower() not in _OURS]
    headers += [_header("set-cookie", text) for text in _cookies(answer["cookies"])]
    return Reply(status, b"" if status in _BODILESS else answer["body"].value, headers)


def _cookies(jars: Any) -> list[str]:
    return [morsel.OutputString() for jar in jars or () for morsel in jar.values()]


def _header(name: str, value: object) -> tuple[bytes, bytes]:
    text = str(value)
    if any(mark in name + text for mark in "\r\n\0"):
        raise ValueError(f"header {name!r} holds a line break")
    return name.lower().encode("ascii"), text.encode("latin-1")
