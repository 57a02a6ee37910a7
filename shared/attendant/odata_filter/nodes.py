"""A filter that has been read, as immutable values. Where a node stood in the text is no part of its equality."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Kind = Literal["string", "number", "boolean", "null", "guid", "date"]
Comparison = Literal["eq", "ne", "gt", "ge", "lt", "le", "has"]


@dataclass(frozen=True, slots=True)
class Value:
    """``text`` of a string is the bare text: no outer quotes, none doubled."""

    kind: Kind
    text: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Property:
    """A path such as ("city",), ("manager", "id"), ("otherMails", "$count"), or ("x", "skuId") in a lambda over x."""

    path: tuple[str, ...]
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A function. Those of filter_syntax.CONDITIONS stand as a condition, all others within a comparison."""

    name: str
    arguments: tuple[Operand, ...]
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Compare:
    left: Operand
    operator: Comparison
    right: Operand
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Among:
    """``left in (items)``, at least one item."""

    left: Operand
    items: tuple[Value, ...]
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Negation:
    condition: Condition
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """``collection/any(variable:condition)``; in the condition, paths that begin with the variable mean the item."""

    collection: Property
    variable: str
    condition: Condition
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Junction:
    """Two conditions or more; none of them is a junction of the same word. Made by ``junction``."""

    word: Literal["and", "or"]
    conditions: tuple[Condition, ...]
    position: int = field(default=0, compare=False)


Operand: TypeAlias = Value | Property | Call
Condition: TypeAlias = Compare | Among | Call | Negation | AnyOf | Junction


def junction(word: Literal["and", "or"], conditions: Iterable[Condition]) -> Condition:
    """All (or any) of the conditions, at least one; nested junctions of the same word are laid flat."""
    flat: list[Condition] = []
    for condition in conditions:
        flat.extend(condition.conditions if isinstance(condition, Junction) and condition.word == word else [condition])
    return flat[0] if len(flat) == 1 else Junction(word, tuple(flat), flat[0].position)
