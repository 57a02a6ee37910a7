"""A parsed $filter and whether an item fits it. Which properties allow what is asked elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

#: A literal, whose type is that of the OData literal; moments have a time zone.
Value = str | bool | float | datetime | UUID | None


@dataclass(frozen=True)
class Compare:
    """`path op value`; op is eq, ne, gt, ge, lt or le."""

    path: str
    op: str
    value: Value


@dataclass(frozen=True)
class Function:
    """`name(path,'text')`; name is startswith, endswith or contains."""

    name: str
    path: str
    text: str


@dataclass(frozen=True)
class OneOf:
    """`path in (values)`."""

    path: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Not:
    """`not part`."""

    part: Node


@dataclass(frozen=True)
class Both:
    """`left and right`."""

    left: Node
    right: Node


@dataclass(frozen=True)
class Either:
    """`left or right`."""

    left: Node
    right: Node


@dataclass(frozen=True)
class Lambda:
    """`path/any(variable:body)`, or `all`; without a body: whether there is any item."""

    kind: str
    path: str
    variable: str
    body: Node | None


Node = Compare | Function | OneOf | Not | Both | Either | Lambda


def matches(node: Node, item: Any, scope: dict[str, Any] | None = None) -> bool:
    """Whether the item fits. Text is compared without regard to case, as the directory does."""
    scope = scope or {}
    match node:
        case Both(left, right):
            return matches(left, item, scope) and matches(right, item, scope)
        case Either(left, right):
            return matches(left, item, scope) or matches(right, item, scope)
        case Not(part):
            return not matches(part, item, scope)
        case Compare(path, op, value):
            return _holds(_look(item, path, scope), op, value)
        case OneOf(path, values):
            found = _look(item, path, scope)
            return any(_holds(found, "eq", value) for value in values)
        case Function(name, path, sought):
            found = _plain(_look(item, path, scope))
            return isinstance(found, str) and FUNCTIONS[name](found, sought.casefold())
        case Lambda(kind, path, variable, body):
            items = _look(item, path, scope)
            items = items if isinstance(items, list) else []
            if body is None:
                return bool(items)
            found_all = [matches(body, item, {**scope, variable: one}) for one in items]
            return any(found_all) if kind == "any" else all(found_all)


def _look(item: Any, path: str, scope: dict[str, Any]) -> Any:
    head, *rest = path.split("/")
    if head in scope:
        item, parts = scope[head], rest
    else:
        parts = [head, *rest]
    for part in parts:
        if part == "$count":
            return len(item) if isinstance(item, list) else 0
        if not isinstance(item, dict):
            return None
        item = next((value for name, value in item.items() if name.lower() == part.lower()), None)
        if item is None and parts[-1] == "$count":
            return 0
    return item


def moment(text: str) -> datetime | None:
    """The moment of an ISO text; None if it is none."""
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:
        return None


def _holds(found: Any, op: str, value: Value) -> bool:
    if isinstance(value, datetime):
        found = moment(found) if isinstance(found, str) else None
    elif isinstance(found, bool) is not isinstance(value, bool):
        # To Python true is 1; to Graph it is not.
        found = None if value is not None else found
    return OPERATORS[op](_plain(found), _plain(value))


def _plain(value: Any) -> Any:
    return str(value).casefold() if isinstance(value, str | UUID) else value


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(left: Any, right: Any) -> bool:
        try:
            return left is not None and right is not None and test(left, right)
        except TypeError:
            return False

    return compare


OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "eq": lambda left, right: bool(left == right),
    "ne": lambda left, right: bool(left != right),
    "gt": _ordered(lambda left, right: bool(left > right)),
    "ge": _ordered(lambda left, right: bool(left >= right)),
    "lt": _ordered(lambda left, right: bool(left < right)),
    "le": _ordered(lambda left, right: bool(left <= right)),
}
FUNCTIONS: Final[dict[str, Callable[[str, str], bool]]] = {
    "startswith": lambda text, sought: text.startswith(sought),
    "endswith": lambda text, sought: text.endswith(sought),
    "contains": lambda text, sought: sought in text,
}
