"""The value of Graph's ``$filter``, cut into tokens that know where they stood."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from shared.kernel.errors import Finding, Invalid

# Leaves room within a request line for the search of the user.
LONGEST: Final = 2000

# The possessive *+ keeps '' inside the string: without it an unclosed string would end at its last quote pair.
_TOKEN: Final = re.compile(
    r"""[ \t\r\n]*+(?:
      '(?P<string>(?:[^']|'')*+)'
    | (?P<date>\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,12})?)?(?:Z|[+-]\d\d:\d\d)?)?)(?![\w.:-])
    | (?P<guid>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?![\w-])
    | (?P<number>-?\d+(?:\.\d+)?)(?![\w.-])
    | (?P<name>[a-z_]\w*(?:\.[a-z_]\w*)*(?:/[a-z_]\w*(?:\.[a-z_]\w*)*)*(?:/\$count\b)?)
    | (?P<mark>[(),:])
    )""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_UNSENDABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_INSTEAD: Final = {
    "=": "equality is written eq",
    "!": "inequality is written ne, negation not",
    "<": "less is written lt or le",
    ">": "greater is written gt or ge",
    "&": "both conditions are joined with and; a request's further parameters do not belong here",
    "|": "alternatives are joined with or",
    "%": "the text is not percent-encoded here",
    "$": "only $count after a property begins with $ here",
    "\u00a0": "this blank is a no-break space, probably copied from a page; type a plain one",
} | dict.fromkeys('"‘’‚“”„`´′＇＂', "text stands between straight single quotes")


class FilterError(Invalid):
    """A filter that cannot be read. ``position`` is the offset of the first character that does not fit,
    ``hint`` the known name nearest to one that is unknown."""

    def __init__(self, message: str, position: int, *, hint: str | None = None) -> None:
        self.message = message + (f"; did you mean {hint}?" if hint else "")
        self.position = position
        self.hint = hint
        super().__init__([Finding("", self.message, "SyntaxError")], code="SyntaxError")


@dataclass(frozen=True, slots=True)
class Token:
    """``kind`` is string, date, guid, number, name or end, or the mark itself: one of ``( ) , :``.
    ``text`` is the value: of a string without its quotes, and with doubled quotes made single."""

    kind: str
    text: str
    position: int


def tokens(text: str) -> list[Token]:
    """All tokens and one of kind ``end``, in time linear to the text. Raises FilterError."""
    if len(text) > LONGEST:
        raise FilterError(f"a filter has at most {LONGEST:,} characters, this one has {len(text):,}", LONGEST)
    found: list[Token] = []
    end = len(text.rstrip(" \t\r\n"))
    place = 0
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None:
            raise _unreadable(text, place)
        found.append(_token(match))
        place = match.end()
    return [*found, Token("end", "", end)]


def sendable(text: str) -> str:
    """The text with a blank for each control character and each half of a surrogate pair."""
    return _UNSENDABLE.sub(" ", text)


def _token(match: re.Match[str]) -> Token:
    kind = match.lastgroup or ""
    text, position = match[kind], match.start(kind)
    if kind != "string":
        return Token(text if kind == "mark" else kind, text, position)
    if bad := _UNSENDABLE.search(text):
        raise FilterError("a control character cannot stand in a text", position + bad.start())
    return Token(kind, text.replace("''", "'"), position - 1)


def _unreadable(text: str, place: int) -> FilterError:
    while text[place] in " \t\r\n":
        place += 1
    sign = text[place]
    if sign == "'":
        return FilterError("this text is not closed; a quote inside a text is doubled", place)
    if sign.isdigit() or sign == "-":
        return FilterError("this is neither a number nor a date nor a GUID", place)
    if sign.isprintable():
        return FilterError(f"{sign} does not belong here" + (f": {_INSTEAD[sign]}" if sign in _INSTEAD else ""), place)
    why = _INSTEAD.get(sign, "remove it")
    return FilterError(f"the character U+{ord(sign):04X} does not belong here: {why}", place)
