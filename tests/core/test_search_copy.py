"""Copies of address books in a process: as true as the last read of the generation, and bounded."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from shared.attendant.address_books.address_books import AddressBooks
from shared.attendant.address_books.contacts import AddressBookWrite, read_contact
from shared.attendant.address_books.text import Question, fold
from shared.attendant.address_books.text_index import UNUSED, Pack, SearchCopies
from shared.attendant.fields import places
from shared.storage.entities import Row
from shared.storage.tables import Table
from tests.core.race import together
from tests.core.world import World

LETTERS = frozenset(place.letter for place in places("addressBook").values())


class CountingTable(Table):
    """Remembers which rows were read, one by one or in a span."""

    def __init__(self, inner: Table) -> None:
        self.__dict__.update(inner.__dict__)
        self.gets: list[str] = []
        self.spans: list[str] = []

    def get(self, partition: str, row: str) -> Row | None:
        self.gets.append(row.split(":", maxsplit=1)[0])
        return super().get(partition, row)

    def span(self, partition: str, start: str, end: str, **how: Any) -> Iterator[Row]:
        self.spans.append(start.split(":", maxsplit=1)[0])
        return super().span(partition, start, end, **how)


class Instance:
    """One process: its own table client, its own copies."""

    def __init__(self, world: World, **how: Any) -> None:
        self.tenant_id = world.tenant_id
        self.world = world
        self.table = CountingTable(world.account.table("contacts"))
        self.books = AddressBooks(self.table)
        self.copies = SearchCopies(self.table, self.books, **how)

    def book(self, book_id: str = "b", *, tenant_id: str | None = None) -> None:
        self.books.put(
            tenant_id or self.tenant_id, book_id, lambda: AddressBookWrite(name="B"), versions=None, by=self.world.by
        )

    def add(self, external_id: str, *, book_id: str = "b", tenant_id: str | None = None, **fields: Any) -> None:
        doc = read_contact({"externalId": external_id} | fields)
        self.books.put_contact(tenant_id or self.tenant_id, book_id, lambda: doc)

    def find(self, text: str, *, tenant_id: str | None = None, most: int = 100) -> set[str]:
        question = Question(fold(text), LETTERS, {})
        hits, whole = self.copies.search(tenant_id or self.tenant_id, question, most=most)
        assert whole
        return {hit.contact()["externalId"] for hit in hits}


@pytest.fixture
def one(world: World) -> Instance:
    one = Instance(world)
    one.book()
    return one


@pytest.fixture
def other(world: World, one: Instance) -> Instance:
    return Instance(world)


def test_a_contact_is_found_by_every_instance_at_its_next_search(one: Instance, other: Instance) -> None:
    assert (one.find("anna"), other.find("anna")) == (set(), set())
    one.add("1", firstName="Anna")
    assert (one.find("anna"), other.find("anna")) == ({"1"}, {"1"})
    other.add("1", firstName="Bea")
    assert (one.find("anna"), one.find("bea")) == (set(), {"1"})
    one.books.remove_contacts(one.tenant_id, "b", lambda: ["1"])
    assert (one.find("bea"), other.find("bea")) == (set(), set())


def test_a_hit_tells_its_book_from_others_in_whatever_pack_it_lies(one: Instance) -> None:
    one.book("other")
    for number in range(6):
        one.add(f"{number}", book_id="b" if number % 2 else "other", firstName="Anna")
    hits, _ = one.copies.search(one.tenant_id, Question("anna", LETTERS, {}), most=100)
    books = {hit.contact()["externalId"]: hit.book for hit in hits}
    odd, even = ({books[f"{number}"] for number in numbers} for numbers in ((1, 3, 5), (0, 2, 4)))
    assert (len(odd), len(even), len(odd | even)) == (1, 1, 2)


def test_a_cleared_or_deleted_book_is_gone_from_every_instance_at_its_next_search(
    one: Instance, other: Instance
) -> None:
    one.book("c")
    one.add("1", firstName="Anna")
    one.add("2", firstName="Anna", book_id="c")
    assert other.find("anna") == {"1", "2"}
    one.books.clear(one.tenant_id, "b", by=one.world.by)
    assert other.find("anna") == {"2"}
    one.books.delete(one.tenant_id, "c", versions=None, by=one.world.by)
    assert other.find("anna") == set()


def test_a_search_without_a_change_costs_one_small_read(one: Instance) -> None:
    one.add("1", firstName="Anna")
    one.find("anna")
    one.table.gets.clear()
    one.table.spans.clear()
    assert one.find("anna") == {"1"}
    assert (one.table.gets, one.table.spans) == (["generation"], [])


def test_after_a_change_only_the_changed_packs_are_read_again(one: Instance, other: Instance) -> None:
    for number in range(60):
        one.add(str(number), firstName="Anna")
    other.find("anna")
    one.add("3", firstName="Bea")
    other.table.gets.clear()
    other.table.spans.clear()
    assert other.find("bea") == {"3"}
    assert other.table.gets == ["generation", "generation", "pack"]
    assert other.table.spans == ["book", "pack"]  # of the packs their revisions only


def test_a_hundred_searches_after_a_change_read_the_packs_once(one: Instance, other: Instance) -> None:
    for number in range(40):
        one.add(str(number), firstName="Anna")
    found = together(12, lambda _: frozenset(other.find("anna")))
    assert {len(ids) for ids in found if isinstance(ids, frozenset)} == {40}
    assert other.table.spans.count("book") == 1


def test_a_pack_of_an_edition_that_is_over_is_not_searched(one: Instance) -> None:
    one.add("1", firstName="Anna")
    stray = next(row for row in one.table.span(one.tenant_id, "pack:", "pack;"))
    one.books.clear(one.tenant_id, "b", by=one.world.by)
    one.table.insert(Row(stray.partition, stray.row, stray.values))
    one.add("2", firstName="Bea")
    assert one.find("anna") == set()
    assert [doc["externalId"] for doc in one.books.contacts(one.tenant_id, "b")] == ["2"]


def test_where_equal_matches_are_cut_off_does_not_depend_on_which_instance_is_asked(
    one: Instance, other: Instance
) -> None:
    for number in range(8):
        one.add(str(number), firstName="Anna")
        if number == 4:
            other.find("anna")
    fresh, grown = one.find("anna", most=3), other.find("anna", most=3)
    assert fresh == grown
    assert len(fresh) == 3


def test_a_tenant_finds_nothing_of_another(one: Instance) -> None:
    neighbour = str(uuid.uuid4())
    one.book(tenant_id=neighbour)
    one.add("theirs", firstName="Anna", tenant_id=neighbour)
    one.add("ours", firstName="Anna")
    assert one.find("anna", tenant_id=neighbour) == {"theirs"}
    assert one.find("anna") == {"ours"}


def test_copies_beyond_what_a_process_may_keep_make_room_the_oldest_first(world: World) -> None:
    one = Instance(world, most_bytes=1)
    tenants = [str(uuid.uuid4()) for _ in range(2)]
    for tenant_id in tenants:
        one.book(tenant_id=tenant_id)
        one.add("1", firstName="Anna", tenant_id=tenant_id)

    def reads_anew(tenant_id: str) -> bool:
        one.table.spans.clear()
        assert one.find("anna", tenant_id=tenant_id) == {"1"}
        return bool(one.table.spans)

    first, second = tenants
    assert [reads_anew(first), reads_anew(first)] == [True, False]
    assert [reads_anew(second), reads_anew(second), reads_anew(first)] == [True, False, True]


def test_a_pack_with_an_emoji_counts_as_the_memory_it_takes() -> None:
    latin, wide = (Pack(1, "x" * 10_000 + sign, b"") for sign in ("y", "\U0001f600"))
    assert 10_000 < latin.size < 10_500
    assert 40_000 < wide.size < 40_500


def test_what_finds_no_room_in_a_copy_is_said(world: World) -> None:
    one = Instance(world, most_of_tenant=1_500)
    one.book()
    for number in range(20):
        one.add(str(number), firstName="Anna")
    hits, whole = one.copies.search(one.tenant_id, Question("anna", LETTERS, {}), most=100)
    assert not whole
    assert 0 < len(hits) < 20


def test_a_copy_leaves_the_memory_with_its_tenant_or_an_hour_after_its_last_search(world: World) -> None:
    elapsed = [0.0]
    one = Instance(world, elapsed=lambda: elapsed[0])
    one.book()
    one.add("1", displayName="Ann")
    assert one.find("ann") == {"1"}
    elapsed[0] = UNUSED - 1
    assert one.find("ann") == {"1"}
    elapsed[0] = 2 * UNUSED - 2
    one.find("ann", tenant_id=str(uuid.uuid4()))
    assert world.tenant_id in one.copies._copies
    elapsed[0] = 2 * UNUSED - 1
    one.find("ann", tenant_id=str(uuid.uuid4()))
    assert world.tenant_id not in one.copies._copies
    assert one.find("ann") == {"1"}
    one.copies.forget_tenant(world.tenant_id)
    assert world.tenant_id not in one.copies._copies
    assert len(one.copies._turns) == 0
