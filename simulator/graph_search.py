"""$search on the directory: "property:text" clauses with AND and OR."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from simulator.graph_access import GraphRefusal, names
from simulator.wire import Call

Test = Callable[[dict[str, Any]], bool]

PARENTHESES_AT_MOST: Final = 100
_PART: Final = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|(AND|OR)\b|([()]))')
#: Split into words by the index; every other property is matched by its beginning.
TOKENISED: Final = frozenset({"displayname", "description"})
SEARCHABLE: Final = frozenset(
    names(
        "displayname description mail userprincipalname givenname surname department jobtitle companyname city country "
        "mailnickname mobilephone officelocation postalcode preferredlanguage state streetaddress usagelocation "
        "employeeid"
    )
)


def search_of(call: Call) -> Test | None:
    """The test a $search asks for, if there is one; 400 if it cannot be read."""
    text = call.query.get("$search")
    if text is None:
        return None
    parts = _parts(text)
    if parts.count(("word", "(")) > PARENTHESES_AT_MOST:
        raise _bad("The $search is nested too deep.")
    test = _either(parts)
    if parts:
        raise _bad(f"Syntax error in $search near '{parts[0]}'.")
    return test


def _parts(text: str) -> list[tuple[str, str]]:
    parts, at, text = [], 0, text.strip()
    while at < len(text):
        found = _PART.match(text, at)
        if found is None:
            raise _bad(f"Syntax error: character is not valid at position {at} in '{text}'.")
        if found[1] is not None:
            parts.append(("clause", re.sub(r"\\(.)", r"\1", found[1])))
        else:
            parts.append(("word", found[2] or found[3]))
        at = found.end()
    return parts


def _either(parts: list[tuple[str, str]]) -> Test:
    tests = [_both(parts)]
    while parts and parts[0] == ("word", "OR"):
        parts.pop(0)
        tests.append(_both(parts))
    return lambda item: any(test(item) for test in tests)


def _both(parts: list[tuple[str, str]]) -> Test:
    tests = [_one(parts)]
    while parts and parts[0] == ("word", "AND"):
        parts.pop(0)
        tests.append(_one(parts))
    return lambda item: all(test(item) for test in tests)


def _one(parts: list[tuple[str, str]]) -> Test:
    if not parts:
        raise _bad("A clause is missing in $search.")
    kind, text = parts.pop(0)
    if (kind, text) == ("word", "("):
        test = _either(parts)
        if not parts or parts.pop(0) != ("word", ")"):
            raise _bad("A parenthesis is not closed in $search.")
        return test
    name, colon, sought = text.partition(":")
    if kind != "clause" or not colon or name.lower() not in SEARCHABLE:
        raise _bad(f"Clause '{text}' must name a searchable property, as in \"displayName:text\".")
    return _clause(name.lower(), sought.strip().casefold())


def _clause(name: str, sought: str) -> Test:
    def test(item: dict[str, Any]) -> bool:
        value = next((str(item[key]).casefold() for key in item if key.lower() == name and item[key]), "")
        if name in TOKENISED:
            words = _words(value)
            return all(any(word.startswith(part) for word in words) for part in _words(sought))
        return bool(value) and value.startswith(sought)

    return test


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[^\w]+", text) if word]


def _bad(message: str) -> GraphRefusal:
    return GraphRefusal(400, "Request_BadRequest", message)
