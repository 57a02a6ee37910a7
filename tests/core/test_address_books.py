"""Contacts in address books: nothing lost, nothing twice, nothing of another tenant."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import pytest

from shared.attendant.address_books.address_books import AddressBooks
from shared.attendant.address_books.contacts import AddressBookWrite, Doc, read_contact
from shared.attendant.address_books.packs import number_of
from shared.kernel.errors import AppError, Conflict, Invalid, NeedsVersion, NotFound, Stale, StorageDown
from shared.storage.account import StorageAccount
from shared.storage.entities import Operation, Row
from shared.storage.tables import Table
from shared.tenants.offboarding import Offboarding
from tests.core.faults import FragileTable
from tests.core.race import codes, together
from tests.core.world import World

BOOK = "customers"
LEFT = ["generation", f"trace:book:{BOOK}"]  # of a book that was deleted


def contact(external_id: str, **more: Any) -> Doc:
    return read_contact({"externalId": external_id, "displayName": f"Person {external_id}"} | more)


class Shelf:
    """The address books of one tenant, with one book on the shelf."""

    def __init__(self, world: World) -> None:
        self.world, self.tenant_id = world, world.tenant_id
        self.table = FragileTable(world.account.table("contacts"))
        self.books = AddressBooks(self.table)
        self.put_book(BOOK)

    def put_book(self, book_id: str, name: str = "Customers", **how: Any) -> None:
        wanted = {"versions": None, "by": self.world.by} | how
        self.books.put(self.tenant_id, book_id, lambda: AddressBookWrite(name=name), **wanted)

    def add(self, external_id: str, **more: Any) -> Doc:
        return self.books.put_contact(self.tenant_id, BOOK, lambda: contact(external_id, **more))

    def remove(self, ids: Collection[str]) -> None:
        self.books.remove_contacts(self.tenant_id, BOOK, lambda: ids)

    def clear(self) -> None:
        self.books.clear(self.tenant_id, BOOK, by=self.world.by)

    def ids(self, book_id: str = BOOK) -> list[str]:
        return [doc["externalId"] for doc in self.books.contacts(self.tenant_id, book_id)]

    def rows(self) -> list[str]:
        return [row.row for row in self.table.span(self.tenant_id, "a", "z")]


@pytest.fixture
def shelf(world: World) -> Shelf:
    return Shelf(world)


def same_pack(count: int) -> list[str]:
    """External ids that lie in one pack, so that their writers meet."""
    found: list[str] = []
    number = 0
    while len(found) < count:
        if number_of(f"c{number}") == 7:
            found.append(f"c{number}")
        number += 1
    return found


def test_a_contact_comes_back_as_it_was_sent_and_empty_fields_stay_away(shelf: Shelf) -> None:
    sent = {"externalId": "1", "lastName": "Müller", "company": None, "customFields": [{"name": "a", "value": "b"}]}
    shelf.books.put_contact(shelf.tenant_id, BOOK, lambda: read_contact(sent | {"unknown": 1}))
    kept = {"externalId": "1", "lastName": "Müller", "customFields": [{"name": "a", "value": "b"}]}
    assert shelf.books.contacts(shelf.tenant_id, BOOK) == [kept]


def test_whatever_is_empty_stays_away(shelf: Shelf) -> None:
    empty = {"company": "", "emailAddresses": [], "imAddresses": [""], "addresses": [{}, {"city": ""}]}
    kept = {"externalId": "1", "homePhones": ["+41"], "addresses": [{"city": "Bern"}], "customFields": [{"name": "a"}]}
    sent = {"homePhones": ["", "+41"], "customFields": [{"name": "a", "value": ""}]}
    assert shelf.books.put_contact(shelf.tenant_id, BOOK, lambda: read_contact({**kept, **sent})) == kept
    bare = shelf.books.put_contact(shelf.tenant_id, BOOK, lambda: read_contact({"externalId": "2", **empty}))
    assert shelf.books.contacts(shelf.tenant_id, BOOK) == [kept, bare] == [kept, {"externalId": "2"}]


def test_adding_twice_is_adding_once_and_the_later_content_stays(shelf: Shelf) -> None:
    shelf.add("1")
    shelf.add("1")
    shelf.add("1", company="Acme")
    assert [doc.get("company") for doc in shelf.books.contacts(shelf.tenant_id, BOOK)] == ["Acme"]


def test_external_ids_are_compared_to_the_letter(shelf: Shelf) -> None:
    shelf.add("abc")
    shelf.add("ABC")
    assert shelf.ids() == ["ABC", "abc"]


def test_an_update_replaces_what_is_there_and_makes_nothing_new(shelf: Shelf) -> None:
    shelf.add("1", company="Acme")
    shelf.books.replace_contact(shelf.tenant_id, BOOK, lambda: contact("1"))
    assert "company" not in shelf.books.contacts(shelf.tenant_id, BOOK)[0]
    with pytest.raises(NotFound) as refused:
        shelf.books.replace_contact(shelf.tenant_id, BOOK, lambda: contact("2"))
    assert refused.value.code == "ContactNotFound"
    assert shelf.ids() == ["1"]


def test_only_those_asked_for_are_read(shelf: Shelf) -> None:
    for number in range(40):
        shelf.add(f"{number:02}")
    few, many = {"03", "nobody"}, {f"{number:02}" for number in range(5, 30)}
    assert [doc["externalId"] for doc in shelf.books.contacts(shelf.tenant_id, BOOK, lambda: few)] == ["03"]
    assert [doc["externalId"] for doc in shelf.books.contacts(shelf.tenant_id, BOOK, lambda: many)] == sorted(many)


def test_removing_takes_those_that_are_there_and_leaves_the_rest(shelf: Shelf) -> None:
    for number in range(40):
        shelf.add(f"{number:02}")
    shelf.remove([f"{number:02}" for number in range(39)] + ["nobody"])
    shelf.remove(["00"])
    assert shelf.ids() == ["39"]


def test_no_contact_is_lost_when_two_instances_write_one_pack_at_once(shelf: Shelf) -> None:
    other = AddressBooks(shelf.world.account.table("contacts"))
    ids = same_pack(16)

    def write(number: int) -> Doc:
        books = shelf.books if number % 2 else other
        return books.put_contact(shelf.tenant_id, BOOK, lambda: contact(ids[number]))

    assert codes(together(16, write)) == []
    assert shelf.ids() == sorted(ids)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_process_that_dies_while_adding_leaves_one_contact_once_the_flow_tries_again(
    shelf: Shelf, moment: str
) -> None:
    shelf.table.fails = moment
    with pytest.raises(StorageDown):
        shelf.add("1")
    shelf.add("1")
    assert shelf.ids() == ["1"]


def test_each_change_makes_a_new_generation_in_the_same_transaction(shelf: Shelf) -> None:
    changes: list[Callable[[], object]] = [
        lambda: shelf.add("1"),
        lambda: shelf.add("1", company="Acme"),
        lambda: shelf.remove(["1"]),
        shelf.clear,
        lambda: shelf.put_book(BOOK, "Clients", versions=frozenset({1})),
        lambda: shelf.books.delete(shelf.tenant_id, BOOK, versions=None, by=shelf.world.by),
    ]
    for change in changes:
        shelf.table.transactions.clear()
        change()
        (operations, *sweeps) = shelf.table.transactions
        assert "generation" in {operation.row.row for operation in operations}
        assert all(operation.row.row.startswith("pack:") for sweep in sweeps for operation in sweep)


# clearing


def test_a_cleared_book_is_empty_and_takes_new_contacts(shelf: Shelf) -> None:
    for number in range(30):
        shelf.add(str(number))
    shelf.clear()
    assert shelf.ids() == []
    assert [row for row in shelf.rows() if row.startswith("pack:")] == []
    shelf.add("new")
    assert shelf.ids() == ["new"]


def test_clearing_costs_transactions_by_packs_and_not_by_contacts(shelf: Shelf) -> None:
    for external_id in same_pack(20):
        shelf.add(external_id)
    shelf.table.transactions.clear()
    shelf.clear()
    assert [len(operations) for operations in shelf.table.transactions] == [2, 1]


def test_what_a_crash_leaves_behind_after_clearing_is_never_seen_again(shelf: Shelf) -> None:
    shelf.add("old")
    shelf.table.fails = "after"  # the edition is switched, and the process dies before it sweeps
    with pytest.raises(StorageDown):
        shelf.clear()
    assert [row for row in shelf.rows() if row.startswith("pack:")] != []
    assert shelf.ids() == []
    shelf.clear()
    assert [row for row in shelf.rows() if row.startswith("pack:")] == []


def test_a_contact_written_while_the_book_is_cleared_lands_in_the_new_edition(shelf: Shelf) -> None:
    shelf.add("first")
    ids = same_pack(1)
    other = AddressBooks(shelf.world.account.table("contacts"))
    pack_mate = next(f"d{n}" for n in range(100_000) if number_of(f"d{n}") == number_of(ids[0]))
    shelf.add(pack_mate)
    shelf.table.meanwhile = lambda: other.clear(shelf.tenant_id, BOOK, by=shelf.world.by)
    shelf.add(ids[0])
    assert shelf.ids() == ids


def delete_there(shelf: Shelf) -> None:
    other = AddressBooks(shelf.world.account.table("contacts"))
    other.delete(shelf.tenant_id, BOOK, versions=None, by=shelf.world.by)


@pytest.mark.parametrize("answer", ["", "again"])  # comes, or gets lost so that the SDK asks a second time
def test_a_contact_added_while_its_book_is_deleted_is_refused_and_leaves_no_row(shelf: Shelf, answer: str) -> None:
    shelf.table.fails = answer
    shelf.table.meanwhile = lambda: delete_there(shelf)  # with its sweep, before the pack is there
    with pytest.raises(NotFound) as refused:
        shelf.add("1")
    assert refused.value.code == "AddressBookNotFound"
    assert shelf.rows() == LEFT


@pytest.mark.parametrize("again", [False, True])
def test_a_contact_added_while_its_book_is_emptied_is_in_the_new_edition_and_nowhere_else(
    shelf: Shelf, again: bool
) -> None:
    other = AddressBooks(shelf.world.account.table("contacts"))

    def empty() -> None:
        if again:
            delete_there(shelf)
            shelf.put_book(BOOK)
        else:
            other.clear(shelf.tenant_id, BOOK, by=shelf.world.by)

    shelf.table.meanwhile = empty
    shelf.add("1")
    assert shelf.ids() == ["1"]
    assert len([row for row in shelf.rows() if row.startswith("pack:")]) == 1


def test_no_contact_outlives_its_book_whoever_adds_while_it_is_deleted(shelf: Shelf) -> None:
    ids = same_pack(4) + [f"n{number}" for number in range(8)]

    def act(number: int) -> None:
        if number == len(ids):
            delete_there(shelf)
        else:
            AddressBooks(shelf.world.account.table("contacts")).put_contact(
                shelf.tenant_id, BOOK, lambda: contact(ids[number])
            )

    for _ in range(3):
        assert set(codes(together(len(ids) + 1, act))) <= {"AddressBookNotFound"}
        assert shelf.rows() == LEFT
        shelf.put_book(BOOK)


class Crossed(Table):
    """The contacts' table, where somebody acts before the next look at many rows, which is the sweep's."""

    def __init__(self, inner: Table, act: Callable[[], None]) -> None:
        self.__dict__.update(inner.__dict__)
        self._acts = [act]

    def span(self, *given: Any, **named: Any) -> Iterator[Row]:
        while self._acts:
            self._acts.pop()()
        return super().span(*given, **named)


@pytest.mark.parametrize("step", ["delete", "clear"])
def test_a_sweep_leaves_what_others_have_put_into_the_book_since(shelf: Shelf, step: str) -> None:
    shelf.add("old")

    def anew() -> None:
        delete_there(shelf) if step == "clear" else None
        shelf.put_book(BOOK)
        shelf.add("new")

    books = AddressBooks(Crossed(shelf.world.account.table("contacts"), anew))
    getattr(books, step)(shelf.tenant_id, BOOK, by=shelf.world.by, **({"versions": None} if step == "delete" else {}))
    assert shelf.ids() == ["new"]
    assert len([row for row in shelf.rows() if row.startswith("pack:")]) == 1


# books


class SentAgain(Table):
    """Of a transaction that took effect the answer gets lost, somebody acts, and it is sent again."""

    def __init__(self, shelf: Shelf, act: Callable[[], None]) -> None:
        self.__dict__.update(shelf.world.account.table("contacts").__dict__)
        self._acts = [act]

    def transact(self, operations: Sequence[Operation]) -> list[str]:
        if self._acts:
            super().transact(operations)
            self._acts.pop()()
        return super().transact(operations)


def test_a_book_whose_deletion_loses_its_answer_is_deleted_with_its_contacts(shelf: Shelf) -> None:
    shelf.add("1")
    shelf.table.fails = "again"
    shelf.books.delete(shelf.tenant_id, BOOK, versions=frozenset({1}), by=shelf.world.by)
    assert shelf.rows() == LEFT


def test_a_book_made_again_while_a_deletion_is_sent_twice_stays_with_its_contacts(shelf: Shelf) -> None:
    shelf.add("old")

    def anew() -> None:
        shelf.put_book(BOOK)
        shelf.add("new")

    AddressBooks(SentAgain(shelf, anew)).delete(shelf.tenant_id, BOOK, versions=frozenset({1}), by=shelf.world.by)
    assert shelf.ids() == ["new"]


def test_a_book_made_while_it_is_deleted_by_others_does_not_come_back(shelf: Shelf) -> None:
    delete_there(shelf)

    books = AddressBooks(SentAgain(shelf, lambda: delete_there(shelf)))
    with pytest.raises(Stale):
        books.put(shelf.tenant_id, BOOK, lambda: AddressBookWrite(name="Again"), versions=None, by=shelf.world.by)
    assert shelf.rows() == LEFT


def test_a_version_of_a_deleted_book_does_not_fit_the_one_made_again(shelf: Shelf) -> None:
    delete_there(shelf)
    shelf.put_book(BOOK)
    with pytest.raises(Stale):
        shelf.books.delete(shelf.tenant_id, BOOK, versions=frozenset({1}), by=shelf.world.by)
    shelf.books.delete(shelf.tenant_id, BOOK, versions=frozenset({2}), by=shelf.world.by)


def test_of_all_who_delete_a_book_at_once_one_is_told_that_it_did(shelf: Shelf) -> None:
    for _ in range(5):
        assert codes(together(4, lambda _: delete_there(shelf))) == ["AddressBookNotFound"] * 3
        shelf.put_book(BOOK)


def test_a_deleted_book_takes_its_contacts_with_it_even_if_it_is_made_again(shelf: Shelf) -> None:
    shelf.add("1")
    shelf.books.delete(shelf.tenant_id, BOOK, versions=None, by=shelf.world.by)
    with pytest.raises(NotFound):
        shelf.add("2")
    shelf.put_book(BOOK)
    assert shelf.ids() == []


def test_renaming_names_the_version_and_keeps_the_contacts(shelf: Shelf) -> None:
    shelf.add("1")
    shelf.clear()
    shelf.add("2")
    with pytest.raises(NeedsVersion):
        shelf.put_book(BOOK, "Clients")
    shelf.put_book(BOOK.upper(), "Clients", versions=frozenset({1}))
    assert [(book.id, book.name) for book in shelf.books.all(shelf.tenant_id)] == [(BOOK, "Clients")]
    assert shelf.ids() == ["2"]


@pytest.mark.parametrize("book_id", ["", "a b", "a/b", "a:b", "é", "x" * 65, ".."])
def test_an_id_that_makes_no_key_is_refused_for_writing_and_unknown_for_reading(shelf: Shelf, book_id: str) -> None:
    with pytest.raises(Invalid):
        shelf.put_book(book_id)
    with pytest.raises(NotFound):
        shelf.ids(book_id)


def test_an_unknown_book_is_said_before_the_contact_is_judged(shelf: Shelf) -> None:
    with pytest.raises(NotFound) as refused:
        shelf.books.put_contact(shelf.tenant_id, "nobody", lambda: read_contact({}))
    assert refused.value.code == "AddressBookNotFound"


def test_two_tenants_may_use_one_book_id_and_see_their_own_only(shelf: Shelf, account: StorageAccount) -> None:
    neighbour = Shelf(World(account, shelf.world.clock, str(uuid.uuid4())))
    shelf.add("ours")
    neighbour.add("theirs")
    neighbour.clear()
    assert (shelf.ids(), neighbour.ids()) == (["ours"], [])


def test_offboarding_leaves_no_row(shelf: Shelf) -> None:
    world = shelf.world
    shelf.add("1")
    world.tenants.start_offboarding(world.tenant_id, world.by)
    tables, records = [world.account.table("contacts")], world.account.table("system")
    Offboarding(world.tenants, tables, records, world.clock).run(world.tenant_id)
    assert shelf.rows() == []


def test_a_pack_that_would_not_fit_into_a_row_is_refused_and_stays_as_it_was(shelf: Shelf) -> None:
    full = [chr(0x4E00 + n) * 1000 for n in range(10)]
    ids = same_pack(60)
    outcome: AppError | None = None
    for external_id in ids:
        try:
            shelf.add(external_id, emailAddresses=full)
        except AppError as exc:
            outcome = exc
            break
    assert isinstance(outcome, Conflict)
    assert outcome.code == "AddressBookFull"
    kept = shelf.ids()
    assert 0 < len(kept) < len(ids)


def test_all_findings_of_a_contact_come_at_once() -> None:
    with pytest.raises(Invalid) as refused:
        read_contact({"firstName": 1, "emailAddresses": ["x" * 1025], "externalId": "a\x00"})
    assert {finding.path for finding in refused.value.findings} == {"firstName", "emailAddresses.0", "externalId"}
    with pytest.raises(Invalid):
        read_contact({"externalId": "1", "imAddresses": ["x" * 1000] * 40})
