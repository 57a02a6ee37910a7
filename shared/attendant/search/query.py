"""What an attendant asks the contact search, judged against the matrix, and put into each source's words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

from shared.attendant.address_books.text import Question, fold
from shared.attendant.fields import SOURCES, Place, Source, names, narrowing, places
from shared.attendant.odata_filter.nodes import Call, Compare, Condition, Property, Value, junction
from shared.attendant.odata_filter.tokens import sendable
from shared.kernel.errors import MOST_FINDINGS, Finding, Invalid
from shared.kernel.near_names import MOST_SUGGESTIONS, nearest

LONGEST: Final = 200  # characters of a search text; eleven times that, encoded, still fit into a request line
# What is asked of each source for every page: a page is a part of one ranked list. Graph gives no larger page.
WINDOW: Final = 999


@dataclass(frozen=True, slots=True)
class Query:
    """``text`` may be empty where ``narrowed`` is not. ``fields`` empty means all that a source can search."""

    text: str
    sources: tuple[Source, ...]
    fields: frozenset[str]
    narrowed: Mapping[str, str]
    top: int
    offset: int

    def looked_at(self, source: Source) -> list[Place]:
        return [place for place in places(source).values() if not self.fields or place.name in self.fields]

    def is_for(self, source: Source) -> bool:
        """Whether the source has a field to search, and can be narrowed by all that narrows."""
        known = places(source)
        able = all(name in known and known[name].ability.filter for name in self.narrowed)
        return source in self.sources and able and bool(self.looked_at(source))


def read_query(
    text: str | None,
    sources: str | None,
    fields: str | None,
    narrowed: Mapping[str, str],
    *,
    top: int,
    continuation: str | None,
) -> Query:
    """Raises Invalid with every finding. Lists are separated by commas."""
    findings: list[Finding] = []
    text = " ".join(sendable(text or "").split())
    if not text and not narrowed:
        findings.append(Finding("q", "say what you look for: ?q=", "Required"))
    findings += [
        Finding(name, f"has more than {LONGEST} characters", "OutOfRange")
        for name, value in {"q": text, **narrowed}.items()
        if len(value) > LONGEST
    ]
    asked = _listed(sources) or SOURCES
    findings += [
        Finding("sources", f"{source[:40]} is none of {', '.join(SOURCES)}", "UnknownSource")
        for source in asked
        if source not in SOURCES
    ]
    chosen = tuple(source for source in SOURCES if source in asked)
    findings += islice(_unknown("fields", _listed(fields)), MOST_FINDINGS)
    offset = _offset(continuation, findings)
    query = Query(text, chosen, frozenset(_listed(fields)), dict(narrowed), top, offset)
    if not findings:
        findings += _refused(query)
    if findings:
        raise Invalid(findings)
    return query


def question(query: Query) -> Question:
    """For the address books."""
    known = places("addressBook")
    letters = {place.letter for place in query.looked_at("addressBook")}
    narrowed = {known[name].letter: fold(value) for name, value in query.narrowed.items()}
    return Question(fold(query.text), frozenset(letters if query.text else narrowed), narrowed)


def condition(query: Query, source: Source) -> Condition:
    """For Graph: what is looked for in one of the fields, and each narrowing. The text of a user stays a text."""
    known = places(source)
    parts: list[Condition] = []
    if query.text:
        parts.append(junction("or", [_test(place, query.text) for place in query.looked_at(source)]))
    parts += [_equals(known[name], value) for name, value in query.narrowed.items()]
    return junction("and", parts)


def _test(place: Place, text: str) -> Condition:
    if place.whole:
        return _equals(place, text)
    function = "contains" if place.ability.contains else "startswith"
    return Call(function, (Property((place.property,)), Value("string", sendable(text))))


def _equals(place: Place, text: str) -> Condition:
    return Compare(Property((place.property,)), "eq", Value("string", sendable(text)))


def _refused(query: Query) -> list[Finding]:
    """What no source asked can do, each by name."""
    asked = ", ".join(query.sources)
    findings = [
        Finding("fields", f"{name} cannot be searched in {asked}", "NotSearchable")
        for name in sorted(query.fields)
        if not any(name in places(source) for source in query.sources)
    ]
    for name in query.narrowed:
        able = [source for source in query.sources if name in places(source) and places(source)[name].ability.filter]
        if not able:
            findings.append(Finding(name, f"{name} cannot narrow a search in {asked}", "NotNarrowing"))
    if not findings and not any(query.is_for(source) for source in query.sources):
        names_ = ", ".join([*sorted(query.fields), *query.narrowed])
        findings.append(Finding("sources", f"none of {asked} can do all of {names_}", "NotSearchable"))
    return findings


def _unknown(path: str, asked: tuple[str, ...]) -> Iterator[Finding]:
    for number, name in enumerate(name for name in asked if name not in names()):
        near = nearest(name, names()) if number < MOST_SUGGESTIONS else None
        hint = f"; did you mean {near}?" if near else ""
        yield Finding(path, f"there is no field {name[:40]}{hint}", "UnknownField")


def _offset(continuation: str | None, findings: list[Finding]) -> int:
    if continuation is None:
        return 0
    if not (continuation.isascii() and continuation.isdigit() and 0 < len(continuation) < 4):
        findings.append(Finding("continuation", "is not one this list gave out", "InvalidValue"))
        return 0
    return int(continuation)


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in (text or "").split(",") if part.strip()))


NARROWING: Final = tuple(sorted(narrowing()))
"""Names of the query parameters that narrow a search."""
