"""JSON as strictly as a caller's mistake deserves: no NaN, no name twice, no bottomless nesting."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections import Counter
from typing import Any, Final

from shared.kernel.errors import Malformed

MAX_DEPTH: Final = 64
_CONTAINERS: Final = (dict, list)
_HALF: Final = re.compile("[\ud800-\udfff]")
_HALF_PERHAPS: Final = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")


def read_json(data: bytes) -> Any:
    """Raises Malformed with the reason."""
    try:
        text = data.decode("utf-8-sig")
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_no_doubles)
    except UnicodeDecodeError:
        raise Malformed("the text is not UTF-8") from None
    except RecursionError:
        raise Malformed(f"the text is nested deeper than {MAX_DEPTH} levels") from None
    except json.JSONDecodeError as exc:
        raise Malformed(f"the text is not JSON: {exc.msg} in line {exc.lineno}, column {exc.colno}") from None
    except ValueError:
        raise Malformed("the text holds a number that is too long") from None
    if "\\ud" in text.lower():
        _no_half_characters(value)
    if _is_too_deep(value):
        raise Malformed(f"the text is nested deeper than {MAX_DEPTH} levels")
    return value


def read_lenient(data: bytes) -> Any:
    """JSON of somebody who need not be told of mistakes; half a character in it becomes U+FFFD. Raises ValueError."""
    try:
        text = data.decode(json.detect_encoding(data), "surrogatepass")
        value = json.loads(text)
        return json.loads(whole(json.dumps(value, ensure_ascii=False))) if _HALF_PERHAPS.search(text) else value
    except RecursionError:
        raise ValueError("nested too deep") from None


def whole(text: str) -> str:
    """The text with U+FFFD for each half of a surrogate pair, which no encoding has."""
    return _HALF.sub("\N{REPLACEMENT CHARACTER}", text)


def read_text(message: bytes) -> str:
    """What the sender of a queue message wrote: a JSON object as it is, or any text in base64. Raises Malformed.

    Base64 may hold spaces and line breaks, as it may for a host that decodes it.
    """
    if message.lstrip().startswith(b"{"):
        data = message
    else:
        try:
            data = base64.b64decode(message.translate(None, b" \t\r\n"), validate=True)
        except binascii.Error:
            raise Malformed("the message is neither a JSON object nor base64") from None
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Malformed("the message is not UTF-8") from None


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise Malformed("the text holds a number that is too large")
    return number


def _no_constant(name: str) -> Any:
    raise Malformed(f"the text holds {name}, which JSON does not know")


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise Malformed(f"the text has {twice[:64]!r} twice in one object")
    return result


def _no_half_characters(value: Any) -> None:
    """A lone surrogate is legal in JSON's grammar and in no text."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Malformed("the text holds half a character (an unpaired surrogate)") from None


def _is_too_deep(value: Any) -> bool:
    """Level by level in comprehensions: a hostile body holds 130,000 lists, and one by one they cost 100 ms."""
    level = [value] if isinstance(value, _CONTAINERS) else []
    for _ in range(MAX_DEPTH):
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, _CONTAINERS)
        ]
    return bool(level)
