"""Contacts as text that can be searched at the speed of memory, and the search itself. Pure.

The entry of a contact is, for each of its values, ``SEP value SEP letter``, and END. Values are folded, so that no
capital letter stands in them: a letter is told from a value, and the value from its neighbours, without a parser.
"exactly" is then SEP text SEP, "begins with" SEP text, and "contains" the text alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from shared.attendant.contacts import Doc, values_of
from shared.attendant.search_fields import places

SEP: Final = "\x1f"
END: Final = "\x1e"
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")

Match = Literal["exact", "prefix", "contains"]
MATCHES: Final[tuple[Match, ...]] = ("exact", "prefix", "contains")


@dataclass(frozen=True, slots=True)
class Question:
    """``text`` is folded; empty asks for narrowing alone. ``letters`` are those of the fields looked at,
    ``narrowed`` has the folded value that the field of each letter must have."""

    text: str
    letters: frozenset[str]
    narrowed: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Found:
    """The contact at ``place`` (0, 1, ...) of text ``number``."""

    number: int
    place: int
    match: Match


def fold(text: str) -> str:
    """The form in which texts are compared: without case, one form per character, no control characters."""
    return _CONTROL.sub(" ", unicodedata.normalize("NFKC", text).casefold())


def entry_of(doc: Doc) -> str:
    """What of a contact is searched."""
    letters = {name: place.letter for name, place in places("addressBook").items()}
    return "".join(f"{SEP}{fold(value)}{SEP}{letters[name]}" for name, value in values_of(doc)) + END


def search(texts: Iterable[str], question: Question, *, most: int) -> list[Found]:
    """At most ``most`` contacts, the better matches first, each once."""
    if question.text:
        needle = question.text
        patterns: dict[Match, str] = {"exact": f"{SEP}{needle}{SEP}", "prefix": f"{SEP}{needle}", "contains": needle}
    else:
        letter, value = next(iter(question.narrowed.items()))
        needle = f"{SEP}{value}{SEP}{letter}"
        patterns = {"exact": needle}
    # For a rare text this is the only pass over everything; for a common one it ends early in each.
    candidates = [(number, text) for number, text in enumerate(texts) if needle in text]
    found: dict[tuple[int, int], Match] = {}
    for match, pattern in patterns.items():
        for number, text in candidates:
            for start in _entries(text, pattern, question):
                found.setdefault((number, start), match)
                if len(found) >= most:
                    return _places(found, dict(candidates))
    return _places(found, dict(candidates))


def _entries(text: str, pattern: str, question: Question) -> Iterator[int]:
    """Where the entries begin that hold the pattern in a field looked at, and fit."""
    at = text.find(pattern)
    while at >= 0:
        start, end = text.rfind(END, 0, at) + 1, text.find(END, at)
        if _is_in(text, at, question.letters) and _fits(text, start, end, question.narrowed):
            yield start
            at = text.find(pattern, end)
        else:
            at = text.find(pattern, at + 1)


def _is_in(text: str, at: int, letters: Collection[str]) -> bool:
    """Whether the value at this place belongs to one of the fields."""
    return text[text.index(SEP, at + 1) + 1] in letters


def _fits(text: str, start: int, end: int, narrowed: Mapping[str, str]) -> bool:
    return all(text.find(f"{SEP}{value}{SEP}{letter}", start, end) >= 0 for letter, value in narrowed.items())


def _places(found: Mapping[tuple[int, int], Match], texts: Mapping[int, str]) -> list[Found]:
    return [Found(number, texts[number].count(END, 0, start), match) for (number, start), match in found.items()]
