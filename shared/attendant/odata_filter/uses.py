"""Which properties a filter uses, and how: the tree laid flat for those who judge its leaves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from shared.attendant.odata_filter.nodes import (
    Among,
    AnyOf,
    Call,
    Compare,
    Comparison,
    Condition,
    Junction,
    Negation,
    Operand,
    Property,
    Value,
)

_MIRRORED: Final[dict[Comparison, Comparison]] = {"gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}


@dataclass(frozen=True, slots=True)
class Use:
    """One property in one test.

    ``name`` leaves lambda variables out, and is empty where a test looks at no property at all. ``in_list`` says that
    it stands for an item of a list, or for the list's length. ``operator`` is the word of the test: ``eq``, ``in``,
    ``startswith``, ``eq null``, ``$count eq``, or a description where the test has another form.
    """

    name: str
    operator: str
    values: tuple[Value, ...]
    in_list: bool
    negated: bool
    position: int


def uses(condition: Condition) -> Iterator[Use]:
    """Every use, from left to right."""
    return _uses(condition, {}, negated=False)


def named(node: Property, items: Mapping[str, str]) -> str:
    """The property's name, given the lambda variables in sight and the names of their lists."""
    path = [items.get(node.path[0], node.path[0]), *node.path[1:]]
    return "/".join(path).removesuffix("/$count")


def leaf_uses(leaf: Compare | Among | Call, items: Mapping[str, str], *, negated: bool) -> list[Use]:
    """One use for a test of the common form, property and values; else one for each property in it."""
    subject, operator, values = _form(leaf)
    found = [subject] if isinstance(subject, Property) else list(_properties(leaf))
    if not found:
        return [Use("", operator, values, in_list=False, negated=negated, position=leaf.position)]
    return [
        Use(
            named(node, items),
            operator,
            values,
            in_list=node.path[0] in items or node.path[-1] == "$count",
            negated=negated,
            position=node.position,
        )
        for node in found
    ]


def _uses(condition: Condition, items: Mapping[str, str], *, negated: bool) -> Iterator[Use]:
    match condition:
        case Junction(_, conditions):
            for part in conditions:
                yield from _uses(part, items, negated=negated)
        case Negation(inner):
            yield from _uses(inner, items, negated=True)
        case AnyOf(collection, variable, inner):
            yield from _uses(inner, {**items, variable: named(collection, items)}, negated=negated)
        case _:
            yield from leaf_uses(condition, items, negated=negated)


def _form(leaf: Compare | Among | Call) -> tuple[Property | None, str, tuple[Value, ...]]:
    """Property, operator and values, or None for the property where the test is not of that form."""
    match leaf:
        case Compare(Property(path) as subject, operator, Value(kind, _) as value):
            counted = path[-1] == "$count"
            word = f"$count {operator}" if counted else f"{operator} null" if kind == "null" else operator
            return subject, word, (value,)
        case Compare(Value() as value, operator, Property() as subject):
            return _form(Compare(subject, _MIRRORED.get(operator, operator), value))
        case Among(Property(path) as subject, values):
            return subject, "$count in" if path[-1] == "$count" else "in", values
        case Call(name, (Property() as subject, Value() as value)):
            return subject, name, (value,)
        case Compare(Call(name), operator, _) | Compare(_, operator, Call(name)):
            return None, f"{operator} with {name}(...)", ()
        case Compare(_, operator, _):
            return None, f"{operator} without exactly one property and one value", ()
        case Among():
            return None, "in without a property", ()
        case Call(name):
            return None, f"{name} without exactly one property and one value", ()


def _properties(operand: Operand | Compare | Among) -> Iterator[Property]:
    match operand:
        case Property():
            yield operand
        case Call(_, arguments):
            for argument in arguments:
                yield from _properties(argument)
        case Compare(left, _, right):
            yield from _properties(left)
            yield from _properties(right)
        case Among(left, _):
            yield from _properties(left)
        case Value():
            return
