"""The address books of a tenant and their contacts: one partition of the table ``contacts`` each tenant.

| row | holds |
| --- | --- |
| ``book:<id>`` | the address book, its ``edition`` |
| ``pack:<id>:<edition>:<nnn>`` | some hundred contacts of that edition, see packs.py |
| ``trace:book:<id>`` | the last revision of a book that was deleted |
| ``generation`` | a new value with each change of any of these |

A contact is written with its whole pack, conditionally, in one transaction with a new generation; whoever keeps a copy
(search_copy.py) sees from that one row whether it is still true. Clearing starts a new edition: packs of another one
are never read again, wherever they came from, so they may be removed in any order or be left behind by a crash. Whoever
makes a pack looks again whether its edition is still the book's, and takes the pack away if not: the sweep that follows
a clearing sees the pack, or the look sees the clearing.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final

from shared.attendant.address_books.contacts import AddressBook, AddressBookWrite, Doc, is_book_id
from shared.attendant.address_books.packs import Contacts, by_pack, contacts_in, number_of, packed
from shared.kernel import log
from shared.kernel.callers import Caller
from shared.kernel.errors import Conflict, Invalid, NotFound, Stale, Unavailable
from shared.storage.entities import Insert, Operation, Overwrite, Replace, Row
from shared.storage.keys import key, prefix_end
from shared.storage.tables import Exists, Table
from shared.tenants.documents import Held, Versions, check, commit, held, past, remove, write
from shared.tenants.models import Page, Stored

GENERATION: Final = "generation"
MOST_BOOKS: Final = 100  # of one tenant
_BOOK: Final = "book:"
_PACK: Final = "pack:"
# Each time one attempt fails another writer got through; so many in a row means a storm on one pack.
_ATTEMPTS: Final = 50
_FEW: Final = 16  # packs that are read one by one rather than with all others
_AT_ONCE: Final = 3  # packs written in one transaction: of the largest that many fit


class AddressBooks:
    """Reads and writes. Methods raise NotFound (``AddressBookNotFound``) for a book that is not there."""

    def __init__(self, table: Table) -> None:
        self._table = table

    # books

    def page(self, tenant_id: str, *, top: int, continuation: str | None = None) -> Page[AddressBook]:
        rows, following = self._table.page(tenant_id, _BOOK, prefix_end(_BOOK), top=top, continuation=continuation)
        return Page([held(AddressBook, row).value for row in rows], following)

    def all(self, tenant_id: str) -> list[AddressBook]:
        """In the order of their names."""
        rows = self._table.span(tenant_id, _BOOK, prefix_end(_BOOK))
        return sorted((held(AddressBook, row).value for row in rows), key=lambda book: book.name.casefold())

    def pack_prefixes(self, tenant_id: str) -> list[str]:
        """What the row keys of packs begin with that hold contacts now, one per book."""
        rows = self._table.span(tenant_id, _BOOK, prefix_end(_BOOK))
        return [_pack_prefix(held(AddressBook, row)) for row in rows]

    def put(
        self,
        tenant_id: str,
        book_id: str,
        wanted: Callable[[], AddressBookWrite],
        *,
        versions: Versions,
        by: Caller,
    ) -> Stored[AddressBook]:
        """What is wanted comes as a function and is judged after the version. Raises Stale, NeedsVersion, Invalid."""
        found = self._find(tenant_id, book_id)
        check(found, versions)
        if not is_book_id(book_id):
            raise Invalid.field("id", "is not 1 to 64 letters, digits, dots, dashes and underscores")
        book = AddressBook(id=found.value.id if found else book_id, name=wanted().name)
        if found is None and len(self.page(tenant_id, top=MOST_BOOKS).items) == MOST_BOOKS:
            raise Conflict(f"a tenant has at most {MOST_BOOKS} address books", code="TooManyAddressBooks")
        edition = found.row.text("edition") if found else uuid.uuid4().hex
        row = _BOOK + key(book_id)
        after, claim = past(self._table, found, tenant_id, row)
        operations = [write(found, tenant_id, row, book, after=after, edition=edition), *claim, _changed(tenant_id)]
        saved = commit(self._table, found, book, operations, lambda: self._find(tenant_id, book_id), after)
        log.info("address book written", tenant=tenant_id, book=book.id, by=by.oid)
        return saved

    def delete(self, tenant_id: str, book_id: str, *, versions: Versions, by: Caller) -> None:
        """With all its contacts. Without versions any goes."""
        while True:
            found = self._book(tenant_id, book_id)
            if versions is not None:
                check(found, versions)
            if remove(self._table, found, _changed(tenant_id)):
                break
        self._sweep(tenant_id, book_id)
        log.info("address book deleted", tenant=tenant_id, book=found.value.id, by=by.oid)

    # contacts

    def contacts(self, tenant_id: str, book_id: str, wanted: Callable[[], Collection[str]] = tuple) -> list[Doc]:
        """Those named that are there, or all of the book where none are, in the order of their external ids.

        What is wanted comes as a function and is judged after the book was found.
        """
        book = self._book(tenant_id, book_id)
        external_ids = wanted()
        if external_ids:
            packs = self._packs(tenant_id, book, by_pack(external_ids))
            found = [doc for pack in packs.values() for doc in pack.values() if doc["externalId"] in external_ids]
        else:
            found = [doc for row in self._rows(tenant_id, book) for doc in contacts_in(row).values()]
        return sorted(found, key=lambda doc: str(doc["externalId"]))

    def put_contact(self, tenant_id: str, book_id: str, wanted: Callable[[], Doc]) -> Doc:
        """Add the contact, or replace the one with its external id; doing so twice is doing so once.

        What is wanted comes as a function and is judged after the book was found.
        """

        def change(before: Contacts, doc: Doc) -> Contacts:
            return {**before, doc["externalId"]: doc}

        return self._change(tenant_id, book_id, wanted, change)

    def replace_contact(self, tenant_id: str, book_id: str, wanted: Callable[[], Doc]) -> Doc:
        """Like ``put_contact``, for one that is there. Raises NotFound (``ContactNotFound``)."""

        def change(before: Contacts, doc: Doc) -> Contacts:
            if doc["externalId"] not in before:
                raise NotFound("the address book has no contact with this external id", code="ContactNotFound")
            return {**before, doc["externalId"]: doc}

        return self._change(tenant_id, book_id, wanted, change)

    def remove_contacts(self, tenant_id: str, book_id: str, wanted: Callable[[], Collection[str]]) -> None:
        """Those that are there; the others are no error. Not one step, but repeating it ends in the same."""
        book = self._book(tenant_id, book_id)
        waiting = by_pack(wanted())
        for _ in range(_ATTEMPTS):
            rows = self._pack_rows(tenant_id, book, waiting)
            operations = [_without(row, waiting[number]) for number, row in rows.items()]
            try:
                self._write(tenant_id, [operation for operation in operations if operation is not None])
                return
            except (Stale, NotFound):
                book = self._book(tenant_id, book_id)
        raise _storm()

    def clear(self, tenant_id: str, book_id: str, *, by: Caller) -> None:
        """Leave the book without contacts, in one step whatever their number."""
        for _ in range(_ATTEMPTS):
            found = self._book(tenant_id, book_id)
            edition = uuid.uuid4().hex
            try:
                emptied = Row(tenant_id, found.row.row, {**found.row.values, "edition": edition})
                self._table.transact([Replace(emptied, found.row.etag), _changed(tenant_id)])
            except (Stale, NotFound):
                continue
            self._sweep(tenant_id, book_id)
            log.info("address book cleared", tenant=tenant_id, book=found.value.id, by=by.oid)
            return
        raise _storm()

    # rows

    def _change(
        self, tenant_id: str, book_id: str, wanted: Callable[[], Doc], change: Callable[[Contacts, Doc], Contacts]
    ) -> Doc:
        book = self._book(tenant_id, book_id)
        doc = wanted()
        for _ in range(_ATTEMPTS):
            row_key = _pack_key(book, number_of(doc["externalId"]))
            row = self._table.get(tenant_id, row_key)
            before = contacts_in(row)
            after = change(before, doc)
            if after == before:
                return doc
            pack = Row(tenant_id, row_key, {**packed(after), "revision": row.number("revision") + 1 if row else 1})
            try:
                self._table.transact([Replace(pack, row.etag) if row else Insert(pack), _changed(tenant_id)])
                is_done = True
            except (Exists, Stale, NotFound):
                # Another contact of the same pack was faster, or the book was cleared or deleted.
                is_done = False
            if row is None and not self._is_current(tenant_id, book):
                # Cleared or deleted since it was read, and the sweep may have passed before the pack was there.
                self._table.remove_blindly([pack])
                is_done = False
            if is_done:
                return doc
            book = self._book(tenant_id, book_id)
        raise _storm()

    def _is_current(self, tenant_id: str, book: Held[AddressBook]) -> bool:
        """Looked at after a pack was made. A touch of the book's row with each new pack would need no second look, but
        let only one writer at a time fill a book."""
        found = self._find(tenant_id, book.value.id)
        return found is not None and found.row.text("edition") == book.row.text("edition")

    def _write(self, tenant_id: str, operations: list[Operation]) -> None:
        for start in range(0, len(operations), _AT_ONCE):
            self._table.transact([*operations[start : start + _AT_ONCE], _changed(tenant_id)])

    def _packs(self, tenant_id: str, book: Held[AddressBook], numbers: Collection[int]) -> dict[int, Contacts]:
        return {number: contacts_in(row) for number, row in self._pack_rows(tenant_id, book, numbers).items()}

    def _pack_rows(self, tenant_id: str, book: Held[AddressBook], numbers: Collection[int]) -> dict[int, Row]:
        if len(numbers) <= _FEW:
            rows = {number: self._table.get(tenant_id, _pack_key(book, number)) for number in numbers}
            return {number: row for number, row in rows.items() if row is not None}
        every = {int(row.row.rpartition(":")[2], 16): row for row in self._rows(tenant_id, book)}
        return {number: every[number] for number in numbers if number in every}

    def _rows(self, tenant_id: str, book: Held[AddressBook]) -> Iterator[Row]:
        start = _pack_prefix(book)
        return self._table.span(tenant_id, start, prefix_end(start))

    def _sweep(self, tenant_id: str, book_id: str) -> None:
        """Remove packs of editions that are over. Nobody reads them: stopped half way, the next sweep goes on."""
        start = f"{_PACK}{key(book_id)}:"
        rows = list(self._table.span(tenant_id, start, prefix_end(start), select=["PartitionKey", "RowKey"]))
        # Looked at after the packs: an edition that is not the current one now will never be again.
        book = self._find(tenant_id, book_id)
        self._table.remove_blindly([row for row in rows if book is None or not row.row.startswith(_pack_prefix(book))])

    def _book(self, tenant_id: str, book_id: str) -> Held[AddressBook]:
        found = self._find(tenant_id, book_id)
        if found is None:
            raise NotFound("there is no such address book", code="AddressBookNotFound")
        return found

    def _find(self, tenant_id: str, book_id: str) -> Held[AddressBook] | None:
        if not is_book_id(book_id):
            return None
        row = self._table.get(tenant_id, _BOOK + key(book_id))
        return held(AddressBook, row) if row else None


def _pack_prefix(book: Held[AddressBook]) -> str:
    return f"{_PACK}{key(book.value.id)}:{book.row.text('edition')}:"


def book_of(pack_key: str) -> str:
    """What the keys of the packs of one book have in common."""
    return pack_key.rpartition(":")[0]


def _pack_key(book: Held[AddressBook], number: int) -> str:
    return f"{_pack_prefix(book)}{number:03x}"


def _changed(tenant_id: str) -> Operation:
    # Blindly, since any new value will do: writers of different packs must not refuse each other here.
    return Overwrite(Row(tenant_id, GENERATION, {"value": uuid.uuid4().hex}))


def _without(row: Row, external_ids: Collection[str]) -> Operation | None:
    before: Mapping[str, Doc] = contacts_in(row)
    after = {external_id: doc for external_id, doc in before.items() if external_id not in external_ids}
    if len(after) == len(before):
        return None
    values = {**packed(after), "revision": row.number("revision") + 1}
    return Replace(Row(row.partition, row.row, values), row.etag)


def _storm() -> Unavailable:
    return Unavailable("too many changes of the same contacts at once; send it again")
