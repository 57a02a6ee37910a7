"""What was found, ranked and merged over the sources. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from shared.attendant.search_fields import Source, places
from shared.attendant.search_text import MATCHES, Match, fold
from shared.wire import Wire

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

    @property
    def order(self) -> tuple[int, str, str]:
        """Better matches first, then by name."""
        name = self.display_name or " ".join(filter(None, (self.first_name, self.last_name)))
        return MATCHES.index(self.match), fold(name), self.object_id or self.external_id or ""


Row = Mapping[str, Any]


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


def of_graph(row: Row, source: Source, text: str) -> Hit:
    """A user or a contact as Graph gives it; what is missing or of another kind counts as empty."""
    mails = [_text(row, "mail")] if source == "o365" else _mails(row)
    phones = _texts(row, "businessPhones")
    return Hit.model_construct(
        sources=[source],
        match=match_of(row, source, text),
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


def merged(hits: Iterable[Hit]) -> list[Hit]:
    """Each person once, best matches first. Two hits are one person if their object id is the same or they share a
    mail address, as which a user principal name counts; within one source two entries with one address stay two."""
    people: list[Hit] = []
    known: dict[str, list[int]] = {}
    for hit in hits:
        place = next((at for key in _keys(hit) for at in known.get(key, ()) if _is_new_to(people[at], hit)), None)
        if place is None:
            place = len(people)
            people.append(hit)
        else:
            people[place] = _together(people[place], hit)
        for key in _keys(hit):
            known.setdefault(key, []).append(place)
    return sorted(people, key=lambda person: person.order)


def _is_new_to(person: Hit, hit: Hit) -> bool:
    return not set(person.sources) & set(hit.sources)


def _keys(hit: Hit) -> Sequence[str]:
    mails = {fold(mail) for mail in [*hit.email_addresses, hit.user_principal_name or ""]} - {""}
    return [*([f"id {hit.object_id}"] if hit.object_id else []), *sorted(mails)]


def _together(one: Hit, other: Hit) -> Hit:
    """The first has the word; the second fills what it leaves empty."""
    filled = {
        name: getattr(other, name)
        for name in Hit.model_fields
        if name not in (*_LISTS, "sources", "match") and getattr(one, name) is None
    }
    lists = {name: list(dict.fromkeys([*getattr(one, name), *getattr(other, name)])) for name in _LISTS}
    match = min(one.match, other.match, key=MATCHES.index)
    return one.model_copy(update={**filled, **lists, "sources": [*one.sources, *other.sources], "match": match})


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
