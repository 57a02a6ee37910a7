"""What was found, ranked and merged over the sources. Pure.

A list is ranked and merged as a whole, since a page is a part of it; but only the people of the page are read in full.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from typing import Any, Final

from shared.attendant.address_books.text import MATCHES, Match, fold, values_in
from shared.attendant.fields import Source, places
from shared.kernel.wire import Wire

_LISTS: Final = ("email_addresses", "business_phones", "mobile_phones", "home_phones", "im_addresses")

_ADDRESS: Final = {
    "street": "street",
    "city": "city",
    "state": "state",
    "country": "country",
    "postal_code": "postalCode",
}


class Hit(Wire):
    """One person. ``sources`` names every directory that knows them; ``match`` is their best. Empty fields are null,
    or an empty list."""

    sources: list[Source]
    match: Match
    object_id: str | None = None
    external_id: str | None = None
    display_name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    initials: str | None = None
    company: str | None = None
    department: str | None = None
    job_title: str | None = None
    user_principal_name: str | None = None
    email_addresses: list[str] = []
    business_phones: list[str] = []
    mobile_phones: list[str] = []
    home_phones: list[str] = []
    im_addresses: list[str] = []
    street: str | None = None
    city: str | None = None
    state: str | None = None
    country: str | None = None
    postal_code: str | None = None


Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry of one source, known by what ranks and merges it. ``directory`` is what has each person once: the
    source, or one address book. ``name`` and ``mails`` are folded; a user principal name counts as a mail. ``key``
    tells it from the others of its source, the same way each time."""

    source: Source
    directory: str
    match: Match
    name: str
    mails: Sequence[str]
    key: str
    read: Callable[[], Hit]


Person = Sequence[Candidate]
"""What the sources know of one person; the first has the word."""


def in_address_book(book: str, entry: str, match: Match, key: str, read: Callable[[], Row]) -> Candidate:
    """``entry`` is the text in which the contact was found, ``read`` gives the contact itself. ``book`` tells its book
    from others, and from the other sources."""
    values: dict[str, list[str]] = {}
    for letter, value in values_in(entry):
        values.setdefault(letter, []).append(value)
    display, first, last, mail, upn = _letters()
    names = values.get(display) or [*values.get(first, ()), *values.get(last, ())]
    mails = (*values.get(mail, ()), *values.get(upn, ()))
    return Candidate("addressBook", book, match, " ".join(names), mails, key, lambda: of_address_book(read(), match))


def in_graph(row: Row, source: Source, text: str) -> Candidate:
    """A user or a contact as Graph gives it."""
    match = match_of(row, source, text)
    display = _text(row, "displayName")
    name = display or " ".join(filter(None, (_text(row, "givenName"), _text(row, "surname"))))
    mails = [_text(row, "mail"), _text(row, "userPrincipalName")] if source == "o365" else _mails(row)
    folded = [fold(mail) for mail in mails if mail]
    return Candidate(
        source, source, match, fold(name), folded, _text(row, "id") or "", lambda: of_graph(row, source, match)
    )


def of_address_book(doc: Row, match: Match) -> Hit:
    """``doc`` is a contact as it is kept; of several addresses the first counts."""
    address: Row = next(iter(doc.get("addresses", ())), {})
    return Hit.model_construct(
        sources=["addressBook"],
        match=match,
        external_id=doc["externalId"],
        display_name=doc.get("displayName"),
        first_name=doc.get("firstName"),
        last_name=doc.get("lastName"),
        initials=doc.get("initials"),
        company=doc.get("company"),
        department=doc.get("department"),
        job_title=doc.get("jobTitle"),
        user_principal_name=doc.get("userPrincipalName"),
        email_addresses=doc.get("emailAddresses", []),
        business_phones=doc.get("businessPhones", []),
        mobile_phones=doc.get("mobilePhones", []),
        home_phones=doc.get("homePhones", []),
        im_addresses=doc.get("imAddresses", []),
        **{name: address.get(wire) for name, wire in _ADDRESS.items()},
    )


def of_graph(row: Row, source: Source, match: Match) -> Hit:
    """A user or a contact as Graph gives it; what is missing or of another kind counts as empty."""
    mails = [_text(row, "mail")] if source == "o365" else _mails(row)
    phones = _texts(row, "businessPhones")
    return Hit.model_construct(
        sources=[source],
        match=match,
        object_id=_text(row, "id") if source == "o365" else None,
        display_name=_text(row, "displayName"),
        first_name=_text(row, "givenName"),
        last_name=_text(row, "surname"),
        company=_text(row, "companyName"),
        department=_text(row, "department"),
        job_title=_text(row, "jobTitle"),
        user_principal_name=_text(row, "userPrincipalName"),
        email_addresses=[mail for mail in mails if mail],
        business_phones=phones,
        mobile_phones=[phone for phone in [_text(row, "mobilePhone")] if phone],
        home_phones=_texts(row, "homePhones"),
        im_addresses=_texts(row, "imAddresses"),
        city=_text(row, "city"),
        state=_text(row, "state"),
        country=_text(row, "country"),
    )


def match_of(row: Row, source: Source, text: str) -> Match:
    """How well Graph's row fits the text. Without a text it fits exactly what narrowed the search."""
    if not text:
        return "exact"
    sought = fold(text)
    values = [fold(_text(row, place.property) or "") for place in places(source).values()]
    if sought in values:
        return "exact"
    return "prefix" if any(value.startswith(sought) for value in values) else "contains"


def merged(candidates: Iterable[Candidate]) -> list[Person]:
    """Each person once, best matches first, then by name. Two entries are one person if they share a mail address, or
    if a third has one of each; but never two of one directory. So no two people without a common directory share an
    address."""
    people = _People()
    known: dict[str, _Holders] = {}
    for one in candidates:
        place = people.add(one)
        for mail in one.mails:
            holders = known.setdefault(mail, {})
            # At most one: of two holders without a common directory the later would have been united with the earlier.
            if (other := people.apart_from(place, holders)) is not None:
                people.unite(place, other)
            holders.setdefault(people.directories(place), deque()).append(place)
    return sorted(people.all(), key=_order)


_Holders = dict[frozenset[str], deque[int]]
"""Who has an address, by the directories they are from: with one address in a thousand entries few are looked at."""


class _People:
    """Candidates by place, united into people: each belongs to another one or to itself."""

    def __init__(self) -> None:
        self._candidates: list[Candidate] = []
        self._belongs: list[int] = []
        self._people: dict[int, tuple[frozenset[str], list[int]]] = {}

    def add(self, candidate: Candidate) -> int:
        place = len(self._candidates)
        self._candidates.append(candidate)
        self._belongs.append(place)
        self._people[place] = frozenset({candidate.directory}), [place]
        return place

    def directories(self, place: int) -> frozenset[str]:
        return self._people[self._root(place)][0]

    def apart_from(self, place: int, holders: _Holders) -> int | None:
        """The first holder who may be the same person, taken out; those whose directories grew are moved to where they
        belong now."""
        mine = self.directories(place)
        for directories in [one for one in holders if one.isdisjoint(mine)]:
            waiting = holders[directories]
            while waiting:
                other = waiting.popleft()
                if (grown := self.directories(other)).isdisjoint(mine):
                    return other
                holders.setdefault(grown, deque()).append(other)
            del holders[directories]
        return None

    def unite(self, one: int, other: int) -> None:
        """Make one person of two that have no directory in common."""
        first, second = self._root(one), self._root(other)
        directories, places = self._people.pop(second)
        self._belongs[second] = first
        self._people[first] = self._people[first][0] | directories, sorted([*self._people[first][1], *places])

    def all(self) -> list[Person]:
        return [[self._candidates[place] for place in places] for _, places in self._people.values()]

    def _root(self, place: int) -> int:
        while self._belongs[place] != place:
            place = self._belongs[place]
        return place


def shown(person: Person) -> Hit:
    """The person in full."""
    return reduce(_together, (one.read() for one in person))


def _order(person: Person) -> tuple[int, str, str]:
    match = min(MATCHES.index(one.match) for one in person)
    return match, next((one.name for one in person if one.name), ""), person[0].key


@cache
def _letters() -> list[str]:
    known = places("addressBook")
    return [known[name].letter for name in ("displayName", "firstName", "lastName", "mail", "userPrincipalName")]


def _together(one: Hit, other: Hit) -> Hit:
    """The first has the word; the second fills what it leaves empty."""
    filled = {
        name: getattr(other, name)
        for name in Hit.model_fields
        if name not in (*_LISTS, "sources", "match") and getattr(one, name) is None
    }
    lists = {name: list(dict.fromkeys([*getattr(one, name), *getattr(other, name)])) for name in _LISTS}
    match = min(one.match, other.match, key=MATCHES.index)
    sources = list(dict.fromkeys([*one.sources, *other.sources]))
    return one.model_copy(update={**filled, **lists, "sources": sources, "match": match})


def _text(row: Row, name: str) -> str | None:
    value = row.get(name)
    return value if isinstance(value, str) and value else None


def _texts(row: Row, name: str) -> list[str]:
    value = row.get(name)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _mails(row: Row) -> list[str | None]:
    """Of an Exchange contact: ``[{"address", "name"}]``."""
    value = row.get("emailAddresses")
    return [_text(item, "address") for item in value if isinstance(item, dict)] if isinstance(value, list) else []
