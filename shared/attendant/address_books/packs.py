"""Contacts as they lie in rows: some hundred together, compressed, beside the text that is searched.

A pack holds the contacts of one address book whose ids fall into it. ``docs`` has one contact per line as JSON;
``text`` has one entry per contact in the same order, see search_text.py.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Final

from shared.attendant.address_books.contacts import Doc
from shared.attendant.address_books.text import entry_of
from shared.kernel.errors import Conflict
from shared.storage.entities import Row, Value

PACKS: Final = 1024  # of one address book: 100,000 contacts make packs of about 14 KB
# Even what cannot be compressed must fit into one row (1 MiB), and a pack is written anew for each contact.
MOST_BYTES: Final = 768 * 1024
_CHUNK: Final = 60_000  # bytes; a property ends at 64 KiB
_FAST: Final = 1  # zlib's level: half the size, a fifth of the time of its default

Contacts = Mapping[str, Doc]
"""By external id."""


def number_of(external_id: str) -> int:
    """Which pack a contact belongs to."""
    return int.from_bytes(hashlib.sha256(external_id.encode()).digest()[:4], "big") % PACKS


def packed(contacts: Contacts) -> dict[str, Value]:
    """Values of a row. Raises Conflict (``AddressBookFull``)."""
    docs = "\n".join(json.dumps(doc, ensure_ascii=False, separators=(",", ":")) for doc in contacts.values())
    text = "".join(entry_of(doc) for doc in contacts.values())
    parts = {"docs": docs.encode(), "text": text.encode()}
    if sum(map(len, parts.values())) > MOST_BYTES:
        raise Conflict("the address book is full; remove contacts or spread them over several", code="AddressBookFull")
    return {name: chunk for part, data in parts.items() for name, chunk in _chunks(part, data).items()}


def contacts_in(row: Row | None) -> dict[str, Doc]:
    """The contacts of a row, none if there is no row."""
    if row is None:
        return {}
    docs = (json.loads(line) for line in lines_of(compressed(row, "docs")))
    return {doc["externalId"]: doc for doc in docs}


def compressed(row: Row, name: str) -> bytes:
    """``docs`` or ``text`` as it lies in the row."""
    chunks: list[bytes] = []
    while isinstance(chunk := row.values.get(f"{name}{len(chunks) or ''}"), bytes):
        chunks.append(chunk)
    return b"".join(chunks)


def plain(data: bytes) -> str:
    return zlib.decompress(data).decode()


def lines_of(docs: bytes) -> list[str]:
    """The JSON texts of a pack's contacts, in their order."""
    text = plain(docs)
    return text.split("\n") if text else []


def by_pack(external_ids: Iterable[str]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for external_id in external_ids:
        found.setdefault(number_of(external_id), []).append(external_id)
    return found


def _chunks(name: str, data: bytes) -> dict[str, Value]:
    small = zlib.compress(data, _FAST)
    parts = [small[at : at + _CHUNK] for at in range(0, len(small), _CHUNK)]
    return {f"{name}{number or ''}": part for number, part in enumerate(parts)}
