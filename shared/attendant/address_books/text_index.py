"""Search in the address books of a tenant, over a copy of their text in this process.

A copy is true as long as the tenant's generation is the one it was made at: one read per search. If not, only the
packs that changed are read again. Instances therefore agree as soon as each of them searches next.
"""

from __future__ import annotations

import json
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Final

from shared.attendant.address_books.address_books import GENERATION, AddressBooks, book_of
from shared.attendant.address_books.contacts import Doc
from shared.attendant.address_books.packs import compressed, lines_of, plain
from shared.attendant.address_books.text import Match, Question, search
from shared.concurrency.expiring_cache import Turns
from shared.storage.entities import Row
from shared.storage.keys import prefix_end
from shared.storage.tables import Table

# Of all copies of this process together; 100,000 contacts take about 30 MB. The one just used always stays.
MOST_BYTES: Final = 256 * 1024 * 1024
# Of one tenant; what lies behind is not searched, and the answer says so.
MOST_OF_TENANT: Final = 128 * 1024 * 1024
UNUSED: Final = 3600.0  # seconds after its last search a copy leaves the memory, with the next search of any tenant
REFRESH: Final = 60.0  # seconds to wait for another thread that reads the same books
_FEW: Final = 30  # changed packs that are read one by one rather than with all others


@dataclass(frozen=True, slots=True)
class Pack:
    """``docs`` stays compressed: of a search only the contacts shown are read from it. ``size`` is in bytes of memory:
    one sign of another script makes a text two or four times as large as its length."""

    revision: int
    text: str
    docs: bytes

    @property
    def size(self) -> int:
        return sys.getsizeof(self.text) + sys.getsizeof(self.docs)


@dataclass(frozen=True, slots=True)
class Copy:
    """The packs by row key as they were at ``generation``; not ``is_whole`` if some found no room."""

    generation: str
    packs: Mapping[str, Pack]
    is_whole: bool

    @property
    def size(self) -> int:
        return sum(pack.size for pack in self.packs.values())


@dataclass(frozen=True, slots=True)
class Hit:
    """``book`` stands for an address book, ``entry`` is the text in which its contact was found. ``key`` is its place
    in the books, the same in every process as long as the contacts are."""

    book: str
    entry: str
    match: Match
    key: str
    pack: Pack
    place: int

    def contact(self) -> Doc:
        """Read from its pack, which takes as long as for ten entries of it: read what is shown."""
        doc: Doc = json.loads(lines_of(self.pack.docs)[self.place])
        return doc


class SearchCopies:
    """Safe to share between threads; copies are never changed, only replaced."""

    def __init__(
        self,
        table: Table,
        books: AddressBooks,
        most_bytes: int = MOST_BYTES,
        most_of_tenant: int = MOST_OF_TENANT,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._table = table
        self._books = books
        self._most_bytes = most_bytes
        self._most_of_tenant = most_of_tenant
        self._elapsed = elapsed
        self._copies: OrderedDict[str, tuple[Copy, float]] = OrderedDict()  # with the moment of the last use, in order
        self._lock = Lock()
        self._turns = Turns(REFRESH)

    def search(self, tenant_id: str, question: Question, *, most: int) -> tuple[list[Hit], bool]:
        """At most ``most`` contacts, better matches first, and whether everything could be looked at."""
        copy = self._true_copy(tenant_id)
        names, packs = list(copy.packs), list(copy.packs.values())
        found = search((pack.text for pack in packs), question, most=most)
        hits = [
            Hit(book_of(name), one.entry, one.match, f"{name}:{one.place:05}", packs[one.number], one.place)
            for one in found
            for name in (names[one.number],)
        ]
        return hits, copy.is_whole

    def _true_copy(self, tenant_id: str) -> Copy:
        generation = self._generation(tenant_id)
        copy = self._recall(tenant_id)
        if copy is not None and copy.generation == generation:
            return copy
        # One at a time per tenant: a hundred searches after a change read the packs once.
        with self._turns.of(tenant_id):
            generation = self._generation(tenant_id)
            copy = self._recall(tenant_id)
            if copy is None or copy.generation != generation:
                # The generation was read first, so a change meanwhile makes the copy old rather than wrong.
                copy = self._refreshed(tenant_id, generation, copy)
                self._keep(tenant_id, copy)
            return copy

    def _refreshed(self, tenant_id: str, generation: str, before: Copy | None) -> Copy:
        known = before.packs if before else {}
        prefixes = self._books.pack_prefixes(tenant_id)
        revisions = {
            row.row: row.number("revision")
            for start in prefixes
            for row in self._table.span(
                tenant_id, start, prefix_end(start), select=["PartitionKey", "RowKey", "revision"]
            )
        }
        changed = [name for name, revision in revisions.items() if name not in known or known[name].revision < revision]
        fresh = {row.row: _pack(row) for row in self._rows(tenant_id, changed, prefixes)}
        current = {**{name: known[name] for name in revisions if name in known}, **fresh}
        # In the order of their keys in every process: where equal matches are cut off must not depend on who is asked.
        packs = {name: current[name] for name in sorted(current)}
        return _bounded(generation, packs, self._most_of_tenant)

    def _rows(self, tenant_id: str, names: list[str], prefixes: Iterable[str]) -> Iterable[Row]:
        if len(names) <= _FEW:
            rows = (self._table.get(tenant_id, name) for name in names)
            return [row for row in rows if row is not None]
        wanted = set(names)
        every = (row for start in prefixes for row in self._table.span(tenant_id, start, prefix_end(start)))
        return [row for row in every if row.row in wanted]

    def _generation(self, tenant_id: str) -> str:
        row = self._table.get(tenant_id, GENERATION)
        return row.text("value") if row else ""

    def forget_tenant(self, tenant_id: str) -> None:
        """Drop the copy of a tenant that leaves. Other processes drop theirs an hour after its last search."""
        with self._lock:
            self._copies.pop(tenant_id, None)

    def _recall(self, tenant_id: str) -> Copy | None:
        now = self._elapsed()
        with self._lock:
            self._drop_unused(now)
            known = self._copies.pop(tenant_id, None)
            if known is None:
                return None
            self._copies[tenant_id] = known[0], now  # behind those that were used before
            return known[0]

    def _keep(self, tenant_id: str, copy: Copy) -> None:
        with self._lock:
            self._copies[tenant_id] = copy, self._elapsed()
            self._copies.move_to_end(tenant_id)
            while len(self._copies) > 1 and sum(kept.size for kept, _ in self._copies.values()) > self._most_bytes:
                self._copies.popitem(last=False)

    def _drop_unused(self, now: float) -> None:
        while self._copies and now - next(iter(self._copies.values()))[1] >= UNUSED:
            self._copies.popitem(last=False)


def _pack(row: Row) -> Pack:
    return Pack(row.number("revision"), plain(compressed(row, "text")), compressed(row, "docs"))


def _bounded(generation: str, packs: Mapping[str, Pack], most: int) -> Copy:
    kept: dict[str, Pack] = {}
    size = 0
    for name, pack in packs.items():
        size += pack.size
        if size > most:
            return Copy(generation, kept, is_whole=False)
        kept[name] = pack
    return Copy(generation, kept, is_whole=True)
