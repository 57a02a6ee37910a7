"""A filter as text again, one spelling for each meaning, and text of users that stays text."""

from __future__ import annotations

from shared.attendant.odata_filter.nodes import (
    Among,
    AnyOf,
    Call,
    Compare,
    Condition,
    Junction,
    Negation,
    Operand,
    Property,
    Value,
)
from shared.attendant.odata_filter.tokens import sendable


def canonical(node: Condition | Operand) -> str:
    """The text that reads as this node again: keywords in lower case, no parentheses but those needed."""
    match node:
        case Value("string", text):
            return quoted(text)
        case Value(_, text):
            return text
        case Property(path):
            return "/".join(path)
        case Call(name, arguments):
            return f"{name}({','.join(map(canonical, arguments))})"
        case Compare(left, operator, right):
            return f"{canonical(left)} {operator} {canonical(right)}"
        case Among(left, items):
            return f"{canonical(left)} in ({','.join(map(canonical, items))})"
        case Negation(condition):
            return f"not({canonical(condition)})"
        case AnyOf(collection, variable, condition):
            return f"{canonical(collection)}/any({variable}:{canonical(condition)})"
        case Junction(word, conditions):
            return f" {word} ".join(_inside(word, condition) for condition in conditions)


def _inside(word: str, condition: Condition) -> str:
    """``and`` binds tighter than ``or``, so only an ``or`` within an ``and`` needs its parentheses."""
    loose = word == "and" and isinstance(condition, Junction)
    return f"({canonical(condition)})" if loose else canonical(condition)


def quoted(text: str) -> str:
    """The text as a string of a filter. Whatever it holds, it ends at the last character returned and not before:
    quotes are doubled, control characters become blanks, nothing else is a sign within a string."""
    return "'" + sendable(text).replace("'", "''") + "'"


def join(tenant: Condition | None, user: Condition) -> str:
    """Those the user looks for within those the tenant allows: ``(tenant) and (user)``.

    Only what has been read can be joined: a text that closes a parenthesis too many never gets here."""
    return f"({canonical(tenant)}) and ({canonical(user)})" if tenant is not None else canonical(user)
