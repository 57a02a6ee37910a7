"""Reads the value of Graph's ``$filter``: recursive descent over the tokens, never deeper than DEEPEST.

condition  = both *( "or" both )
both       = unary *( "and" unary )
unary      = "not" unary | "(" condition ")" | test
test       = collection "/any(" variable ":" condition ")" | call
           | operand comparison operand | operand "in" "(" value *( "," value ) ")"
operand    = value | property | call
"""

from __future__ import annotations

from typing import Final, Literal, get_args

from shared.attendant.odata_filter import support as filter_support
from shared.attendant.odata_filter.nodes import (
    Among,
    AnyOf,
    Call,
    Compare,
    Comparison,
    Condition,
    Kind,
    Negation,
    Operand,
    Property,
    Value,
    junction,
)
from shared.attendant.odata_filter.text import canonical
from shared.attendant.odata_filter.tokens import LONGEST, FilterError, Token, tokens
from shared.kernel.near_names import nearest

DEEPEST: Final = 64
CONDITIONS: Final = frozenset({"startswith", "endswith", "contains"})
# Fewest and most arguments. OData knows them all; that Graph refuses most of them on users is a finding.
FUNCTIONS: Final[dict[str, tuple[int, int]]] = {
    **dict.fromkeys(CONDITIONS | {"concat", "indexof"}, (2, 2)),
    **dict.fromkeys(("tolower", "toupper", "trim", "length"), (1, 1)),
    **dict.fromkeys(("year", "month", "day", "hour", "minute", "second", "date", "time"), (1, 1)),
    "substring": (2, 3),
    "now": (0, 0),
}
_COMPARISONS: Final[dict[str, Comparison]] = {word: word for word in get_args(Comparison)}
_CONSTANTS: Final[dict[str, Kind]] = {"true": "boolean", "false": "boolean", "null": "null"}
_LITERALS: Final[dict[str, Kind]] = {"string": "string", "number": "number", "guid": "guid", "date": "date"}
_RESERVED: Final = frozenset({"and", "or", "not", "in", *_COMPARISONS})


def parse(text: str) -> Condition:
    """What the text says, properties in Graph's own spelling. Raises FilterError and nothing else.

    ``parse(canonical(x)) == x`` holds for every x this returns: a filter whose canonical text would pass the
    limit of length is refused too."""
    tree = _Reader(tokens(text)).everything()
    if len(canonical(tree)) > LONGEST:
        raise FilterError(f"written with all its blanks and parentheses it passes {LONGEST:,} characters", LONGEST)
    return tree


class _Reader:
    """A cursor over the tokens. ``_items`` are the lambda variables in sight, each with the path of its collection."""

    def __init__(self, found: list[Token]) -> None:
        self._tokens = found
        self._at = 0
        self._depth = 0
        self._items: dict[str, tuple[str, ...]] = {}

    def everything(self) -> Condition:
        tree = self._condition()
        token = self._next()
        if token.kind == ")":
            raise FilterError("this parenthesis closes nothing", token.position)
        if token.kind != "end":
            hint = nearest(token.text, ("and", "or")) if token.kind == "name" else None
            raise FilterError("and or or is missing here", token.position, hint=hint)
        return tree

    def _condition(self) -> Condition:
        found = [self._both()]
        while self._took("or"):
            found.append(self._both())
        return junction("or", found)

    def _both(self) -> Condition:
        found = [self._unary()]
        while self._took("and"):
            found.append(self._unary())
        return junction("and", found)

    def _unary(self) -> Condition:
        start = self._peek()
        if self._took("not"):
            self._enter(start)
            # The parentheses of not(...) are the level of the not itself, so canonical text is never deeper.
            inner = self._group() if self._peek().kind == "(" else self._unary()
            self._depth -= 1
            return Negation(inner, start.position)
        if start.kind == "(":
            self._enter(start)
            inner = self._group()
            self._depth -= 1
            return inner
        return self._test()

    def _group(self) -> Condition:
        opened = self._expect("(")
        inner = self._condition()
        self._expect(")", closes=opened)
        return inner

    def _test(self) -> Condition:
        start = self._peek()
        word = start.text.lower().rpartition("/")[2] if "/" in start.text else ""
        if start.kind == "name" and word in ("any", "all") and self._peek(1).kind == "(":
            return self._lambda(word)
        left = self._operand()
        token = self._peek()
        word = token.text.lower() if token.kind == "name" else ""
        if word == "in":
            self._next()
            return Among(left, self._values(), left.position)
        if word in _COMPARISONS:
            self._next()
            return Compare(left, _COMPARISONS[word], self._operand(), left.position)
        if isinstance(left, Call) and left.name in CONDITIONS:
            return left
        hint = nearest(word, [*_COMPARISONS, "in"]) if word not in _RESERVED else None
        raise FilterError(f"an operator such as eq is missing after {_short(left)}", token.position, hint=hint)

    def _lambda(self, word: str) -> Condition:
        start = self._next()
        if word == "all":
            reason = "Graph does not support all(); not(.../any(...)) with the opposite condition says the same"
            raise FilterError(reason, start.position)
        self._enter(start)
        opened = self._expect("(")
        collection = self._property(start.text.rpartition("/")[0], start.position)
        variable = self._expect("name", "any() needs a variable and a condition, such as any(x:x eq 'value')")
        if {variable.text.lower()} & (_RESERVED | set(_CONSTANTS)) or not variable.text.replace("_", "").isalnum():
            raise FilterError(f"{variable.text} cannot be the name of a variable", variable.position)
        self._expect(":", f"the variable {variable.text} is followed by a colon and the condition")
        outer, self._items = self._items, self._items | {variable.text: self._meant(collection.path)}
        condition = self._condition()
        self._items = outer
        self._expect(")", closes=opened)
        self._depth -= 1
        return AnyOf(collection, variable.text, condition, start.position)

    def _operand(self) -> Operand:
        token = self._next()
        word = token.text.lower()
        if token.kind in _LITERALS:
            spelling = {"guid": word, "date": token.text.upper()}.get(token.kind, token.text)
            return Value(_LITERALS[token.kind], spelling, token.position)
        if token.kind != "name" or word in _RESERVED:
            found = f"before {_cut(token.text)}" if token.kind != "end" else "at the end"
            raise FilterError(f"a property or a value is missing {found}", token.position)
        if self._peek().kind == "(":
            return self._call(token)
        if word in _CONSTANTS:
            return Value(_CONSTANTS[word], word, token.position)
        return self._property(token.text, token.position)

    def _call(self, name: Token) -> Call:
        word = name.text.lower()
        if word in ("any", "all"):
            raise FilterError(f"{word} follows a list, as in otherMails/any(x:x eq 'value')", name.position)
        if word not in FUNCTIONS:
            raise FilterError(f"there is no function {name.text[:40]}", name.position, hint=nearest(word, FUNCTIONS))
        self._enter(name)
        opened = self._expect("(")
        arguments: list[Operand] = []
        while self._peek().kind != ")":
            if arguments:
                self._expect(",", f"a comma or a closing parenthesis is missing in {word}(...)", closes=opened)
            arguments.append(self._operand())
        self._expect(")", closes=opened)
        self._depth -= 1
        fewest, most = FUNCTIONS[word]
        if not fewest <= len(arguments) <= most:
            counts = f"{fewest}" if fewest == most else f"{fewest} or {most}"
            raise FilterError(f"{word} takes {counts} arguments, here are {len(arguments)}", name.position)
        return Call(word, tuple(arguments), name.position)

    def _values(self) -> tuple[Value, ...]:
        opened = self._expect("(", "the values after in stand in parentheses")
        found: list[Value] = []
        while not found or self._peek().kind == ",":
            if found:
                self._next()
            value = self._operand()
            if not isinstance(value, Value):
                raise FilterError("in takes values only; text stands between single quotes", value.position)
            found.append(value)
        self._expect(")", closes=opened)
        return tuple(found)

    def _property(self, text: str, position: int) -> Property:
        path = tuple(text.split("/"))
        known = self._items.get(path[0])
        if known is None:
            return Property(filter_support.spelled(path), position)
        return Property((path[0], *filter_support.spelled((*known, *path[1:]))[len(known) :]), position)

    def _meant(self, path: tuple[str, ...]) -> tuple[str, ...]:
        return (*self._items.get(path[0], path[:1]), *path[1:])

    def _peek(self, ahead: int = 0) -> Token:
        return self._tokens[min(self._at + ahead, len(self._tokens) - 1)]

    def _next(self) -> Token:
        token = self._peek()
        self._at += 1
        return token

    def _took(self, word: str) -> bool:
        token = self._peek()
        taken = token.kind == "name" and token.text.lower() == word
        self._at += taken
        return taken

    def _expect(self, kind: Literal["(", ")", ",", ":", "name"], why: str = "", closes: Token | None = None) -> Token:
        token = self._next()
        if token.kind == kind:
            return token
        if closes is not None and token.kind == "end":
            raise FilterError("this parenthesis is not closed", closes.position)
        found = "the end" if token.kind == "end" else _cut(token.text) or "an empty text"
        raise FilterError(why or f"{kind} is missing before {found}", token.position)

    def _enter(self, token: Token) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise FilterError(f"more than {DEEPEST} levels of parentheses, not and functions", token.position)


def _short(operand: Operand) -> str:
    return _cut(canonical(operand))


def _cut(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"
