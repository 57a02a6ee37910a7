"""$filter: text to a tree. Keywords and functions in any case, depth and size bounded."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final
from uuid import UUID

from simulator.graph_filter import (
    FUNCTIONS,
    OPERATORS,
    Both,
    Compare,
    Either,
    Function,
    Lambda,
    Node,
    Not,
    OneOf,
    Value,
    moment,
)

DEPTH_AT_MOST: Final = 100
#: Comparisons and negations; a tree is walked by recursion, and a chain of `or` is as deep as it is long.
PARTS_AT_MOST: Final = 400

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<string>'(?:[^']|'')*')"
    r"|(?P<date>\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(?::\d\d(?:\.\d{1,12})?)?(?:[Zz]|[+-]\d\d:\d\d)(?![\w.:-]))"
    r"|(?P<guid>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
    r"|(?P<number>-?\d+(?:\.\d+)?(?![\w-]))"
    r"|(?P<word>\$?[A-Za-z_][A-Za-z0-9_]*(?:/\$?[A-Za-z_][A-Za-z0-9_]*)*)"
    r"|(?P<mark>[(),:]))"
)


class FilterSyntaxError(ValueError):
    """The text is not a filter; the message says where."""


def parse(text: str) -> Node:
    """The tree of a filter; FilterSyntaxError if it is none. Keywords and functions in any case."""
    return _Parser(_tokens(text)).whole()


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens, at = [], 0
    text = text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise FilterSyntaxError(f"Syntax error at position {at} in '{text}'.")
        tokens.append((found.lastgroup, found[found.lastgroup]))
        at = found.end()
    return tokens


class _Parser:
    """Recursive descent: or, and, not, then one term."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0
        self._parts = 0

    def whole(self) -> Node:
        node = self._either()
        if self._at < len(self._tokens):
            raise FilterSyntaxError(f"Syntax error at '{self._tokens[self._at][1]}'.")
        return node

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _next(self, kind: str | None = None, text: str | None = None) -> str:
        found = self._peek()
        if (kind and found[0] != kind) or (text and found[1].lower() != text) or found[0] == "end":
            raise FilterSyntaxError(f"Expected {text or kind or 'more'}, found '{found[1]}'.")
        self._at += 1
        return found[1]

    def _word(self, text: str) -> bool:
        """Take the keyword if it is next."""
        kind, found = self._peek()
        if kind == "word" and found.lower() == text:
            self._at += 1
            return True
        return False

    def _count(self) -> None:
        self._parts += 1
        if self._parts > PARTS_AT_MOST:
            raise FilterSyntaxError("The filter has too many parts.")

    def _either(self) -> Node:
        self._depth += 1
        if self._depth > DEPTH_AT_MOST:
            raise FilterSyntaxError("The filter is nested too deep.")
        node = self._both()
        while self._word("or"):
            node = Either(node, self._both())
        self._depth -= 1
        return node

    def _both(self) -> Node:
        node = self._negation()
        while self._word("and"):
            node = Both(node, self._negation())
        return node

    def _negation(self) -> Node:
        count = 0
        while self._word("not"):
            count += 1
            self._count()
        node = self._term()
        for _ in range(count):
            node = Not(node)
        return node

    def _term(self) -> Node:
        self._count()
        if self._peek() == ("mark", "("):
            self._next()
            node = self._either()
            self._next("mark", ")")
            return node
        name = self._next("word")
        if self._peek() == ("mark", "("):
            self._next()
            return self._call(name)
        op = self._next("word").lower()
        if op == "in":
            return OneOf(name, self._values())
        if op not in OPERATORS:
            raise FilterSyntaxError(f"Unknown operator '{op}'.")
        return Compare(name, op, self._value())

    def _call(self, name: str) -> Node:
        path, _, last = name.rpartition("/")
        if path and last.lower() in ("any", "all"):
            return self._lambda(last.lower(), path)
        if name.lower() not in FUNCTIONS:
            raise FilterSyntaxError(f"Unknown function '{name}'.")
        path = self._next("word")
        self._next("mark", ",")
        text = self._value()
        self._next("mark", ")")
        if not isinstance(text, str):
            raise FilterSyntaxError(f"{name} wants text.")
        return Function(name.lower(), path, text)

    def _lambda(self, kind: str, path: str) -> Node:
        if kind == "any" and self._peek() == ("mark", ")"):
            self._next()
            return Lambda(kind, path, "", None)
        variable = self._next("word")
        self._next("mark", ":")
        body = self._either()
        self._next("mark", ")")
        return Lambda(kind, path, variable, body)

    def _values(self) -> tuple[Value, ...]:
        self._next("mark", "(")
        values = [self._value()]
        while self._peek() == ("mark", ","):
            self._next()
            values.append(self._value())
        self._next("mark", ")")
        return tuple(values)

    def _value(self) -> Value:
        kind, text = self._peek()
        self._next()
        match kind, text.lower():
            case "string", _:
                return text[1:-1].replace("''", "'")
            case "guid", _:
                return UUID(text)
            case "date", _:
                return _moment(text)
            case "number", _:
                return float(text)
            case "word", "true" | "false" as word:
                return word == "true"
            case "word", "null":
                return None
        raise FilterSyntaxError(f"Expected a value, found '{text}'.")


def _moment(text: str) -> datetime:
    found = moment(text)
    if found is None:
        raise FilterSyntaxError(f"There is no moment '{text}'.")
    return found
