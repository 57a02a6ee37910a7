"""Address books and their contacts on the wire, contacts in the casing of the published connector."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from shared.kernel.errors import Finding, Invalid
from shared.kernel.wire import ConnectorModel, Name, Wire, parse

MAX_CONTACT_BYTES: Final = 32_768  # of one contact as JSON
MOST_IDS: Final = 10_000  # in one call
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_SINGLE: Final = (
    *("displayName", "firstName", "lastName", "initials"),
    *("userPrincipalName", "jobTitle", "company", "department"),
)
_LISTS: Final = {
    "mail": "emailAddresses",
    "imAddress": "imAddresses",
    "businessPhones": "businessPhones",
    "homePhones": "homePhones",
    "mobilePhones": "mobilePhones",
}

Text = Annotated[str, Field(max_length=1024)]


def is_book_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def _readable(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise ValueError("holds nothing to read, or control characters")
    return text


ExternalId = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_readable)]
Texts = Annotated[list[Text], Field(max_length=100)] | None


class AddressBookWrite(Wire):
    name: Name


class AddressBook(AddressBookWrite):
    id: str


class Address(ConnectorModel):
    street: Text | None = None
    city: Text | None = None
    country: Text | None = None
    state: Text | None = None
    postal_code: Text | None = None


class CustomField(ConnectorModel):
    name: Annotated[Text, Field(min_length=1)]
    value: Text | None = None


class Contact(ConnectorModel):
    """One entry of an address book. ``external_id`` is its identity, compared to the letter."""

    external_id: ExternalId
    first_name: Text | None = None
    last_name: Text | None = None
    display_name: Text | None = None
    initials: Text | None = None
    company: Text | None = None
    department: Text | None = None
    job_title: Text | None = None
    user_principal_name: Text | None = None
    im_addresses: Texts = None
    email_addresses: Texts = None
    business_phones: Texts = None
    mobile_phones: Texts = None
    home_phones: Texts = None
    addresses: Annotated[list[Address], Field(max_length=100)] | None = None
    custom_fields: Annotated[list[CustomField], Field(max_length=100)] | None = None


Doc = Mapping[str, Any]
"""A contact as it is kept and answered: JSON, empty fields absent."""


def read_contact(data: object) -> Doc:
    """A body as a flow sends it. Raises Invalid, also for more than 32 KiB of content."""
    doc: dict[str, Any] = _filled(parse(Contact, data).as_json())
    if len(json.dumps(doc, ensure_ascii=False).encode()) > MAX_CONTACT_BYTES:
        raise Invalid.field("", f"the contact has more than {MAX_CONTACT_BYTES} bytes of content", "TooBig")
    return doc


def _filled(value: Any) -> Any:
    """Without what is empty: texts, lists, objects, and what holds nothing else."""
    if isinstance(value, dict):
        return {name: kept for name, item in value.items() if (kept := _filled(item))}
    if isinstance(value, list):
        return [kept for item in value if (kept := _filled(item))]
    return value


def read_ids(data: object) -> list[str]:
    """A bare array of external ids. Raises Invalid with the items that are none."""
    if not isinstance(data, list):
        raise Invalid.field("", "the body is not a JSON array of external ids", "NotAnArray")
    if len(data) > MOST_IDS:
        raise Invalid.field("", f"more than {MOST_IDS} external ids in one call", "OutOfRange")
    if not all(isinstance(item, str) for item in data):
        wrong = (number for number, item in enumerate(data) if not isinstance(item, str))
        raise Invalid(Finding(str(number), "is not a text", "InvalidValue") for number in wrong)
    return data


def ids_in_query(values: Sequence[str]) -> frozenset[str]:
    """The ids of ``?externalIds=``, repeated or separated by commas. An id that holds a comma is meant as well."""
    parts = (part.strip() for value in values for part in value.split(","))
    return frozenset({*parts, *values} - {""})


def values_of(doc: Doc) -> Iterator[tuple[str, str]]:
    """Names of search fields (search_fields.json) with what the contact has in them."""
    for name in _SINGLE:
        if name in doc:
            yield name, doc[name]
    for name, member in _LISTS.items():
        for value in doc.get(member, ()):
            yield name, value
    for address in doc.get("addresses", ()):
        for name in ("street", "city", "country", "state", "postalCode"):
            if name in address:
                yield name, address[name]
