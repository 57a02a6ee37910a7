"""One list from three directories."""

from __future__ import annotations

import time
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.attendant.address_books.text import END, Match, entry_of
from shared.attendant.fields import SOURCES, Source
from shared.attendant.search.ranking import (
    Candidate,
    Hit,
    Row,
    in_address_book,
    in_graph,
    merged,
    of_address_book,
    shown,
)
from tests.scale import scaled


def known(source: Source, name: str = "Anna", match: Match = "prefix", **fields: Any) -> Candidate:
    """A contact or a row of Graph, found by one of its fields."""
    if source == "addressBook":
        book = fields.pop("book", "book")
        doc = {"externalId": fields.pop("externalId", name), "displayName": name} | fields
        return in_address_book(book, entry_of(doc).rstrip(END), match, doc["externalId"], lambda: doc)
    text = {"exact": name, "prefix": name[:-1], "contains": name[1:]}[match]
    return in_graph({"id": name, "displayName": name} | fields, source, text)


DIRECTORIES = [*SOURCES, "book 2", "book 3"]


def people(*candidates: Candidate) -> list[Hit]:
    return [shown(person) for person in merged(candidates)]


def mailed(*addresses: str) -> dict[str, Any]:
    """Of an Exchange contact."""
    return {"emailAddresses": [{"address": address} for address in addresses]}


def test_better_matches_come_first_and_equal_ones_by_name() -> None:
    found = people(
        known("o365", "Bea", "contains"),
        known("addressBook", "ärzte", "exact"),
        known("o365", "Cleo"),
        known("exchange", "bea"),
    )
    assert [one.display_name for one in found] == ["ärzte", "bea", "Cleo", "Bea"]


def test_who_has_no_display_name_stands_where_first_and_last_name_say() -> None:
    found = people(
        known("addressBook", "Anna Zeller"),
        in_address_book(
            "book",
            entry_of(doc := {"externalId": "7", "firstName": "Anna", "lastName": "Moser"}),
            "prefix",
            "7",
            lambda: doc,
        ),
        in_graph({"id": "8", "givenName": "Anna", "surname": "Naef"}, "o365", "an"),
    )
    assert [one.last_name for one in found] == ["Moser", "Naef", None]


def test_a_person_known_to_all_three_is_one_hit_that_names_them_all() -> None:
    (one,) = people(
        known("addressBook", externalId="7", userPrincipalName="ANNA@contoso.example", addresses=[{"city": "Bern"}]),
        known("o365", match="exact", id="id", department="IT", city="Basel", mail="Anna@Contoso.example"),
        known("exchange", businessPhones=["+4131"], **mailed("anna@contoso.example")),
    )
    assert one.sources == ["addressBook", "o365", "exchange"]
    assert (one.match, one.external_id, one.object_id) == ("exact", "7", "id")
    assert (one.city, one.department, one.business_phones) == ("Bern", "IT", ["+4131"])


def test_two_entries_of_one_directory_that_share_an_address_stay_two() -> None:
    shared: dict[str, Any] = {"emailAddresses": ["info@acme.example"]}
    found = people(
        known("addressBook", "A", **shared),
        known("addressBook", "B", **shared),
        known("o365", mail="info@acme.example"),
    )
    assert [one.sources for one in found] == [["addressBook", "o365"], ["addressBook"]]


def test_each_address_book_is_a_directory_of_its_own() -> None:
    shared: dict[str, Any] = {"emailAddresses": ["anna@acme.example"]}
    found = people(
        known("addressBook", "A", book="one", **shared),
        known("addressBook", "B", book="two", company="Acme", **shared),
        known("addressBook", "C", book="two", **shared),
        known("o365", mail="Anna@acme.example"),
    )
    assert [(one.display_name, one.company, one.sources) for one in found] == [
        ("A", "Acme", ["addressBook", "o365"]),
        ("C", None, ["addressBook"]),
    ]


def test_an_entry_with_two_addresses_makes_one_person_of_two_that_have_one_each() -> None:
    (one,) = people(
        known("addressBook", "A", emailAddresses=["a@x.example"]),
        known("o365", "B", mail="b@x.example"),
        known("exchange", "C", **mailed("A@x.example", "b@X.example")),
    )
    assert (one.sources, one.display_name) == (["addressBook", "o365", "exchange"], "A")
    assert one.email_addresses == ["a@x.example", "b@x.example", "A@x.example", "b@X.example"]


@settings(max_examples=scaled(100, 2_000), deadline=None)
@given(st.lists(st.tuples(st.sampled_from(DIRECTORIES), st.lists(st.sampled_from("abcd"), max_size=3)), max_size=9))
def test_no_two_people_of_different_directories_share_an_address_and_no_directory_is_in_one_twice(
    entries: list[tuple[str, list[str]]],
) -> None:
    candidates = [
        Candidate("o365", directory, "prefix", "", mails, f"{n}", lambda: Hit(sources=[], match="prefix"))
        for n, (directory, mails) in enumerate(sorted(entries))
    ]
    found = [
        ({one.directory for one in person}, {m for one in person for m in one.mails}) for person in merged(candidates)
    ]
    assert sum(len(directories) for directories, _ in found) == len(candidates)
    for (directories, mails), (others, theirs) in combinations(found, 2):
        assert directories & others or not mails & theirs


def test_a_thousand_entries_with_one_address_are_merged_in_no_time() -> None:
    shared: dict[str, Any] = {"emailAddresses": ["info@acme.example"]}
    entries = [known("addressBook", f"{n}", **shared) for n in range(999)]
    entries += [known("exchange", f"{n}", **mailed("info@acme.example")) for n in range(999)]
    began = time.process_time()
    assert len(merged(entries)) == 999
    assert time.process_time() - began < 2


@pytest.mark.parametrize("books", [100, 999])
def test_a_thousand_entries_of_many_books_with_one_address_are_merged_in_no_time(books: int) -> None:
    shared: dict[str, Any] = {"emailAddresses": ["info@acme.example"]}
    entries = [known("addressBook", f"{n}", book=f"{n % books}", **shared) for n in range(999)]
    entries += [known("exchange", f"{n}", **mailed("info@acme.example")) for n in range(999)]
    began = time.process_time()
    assert len(merged(entries)) == 999
    assert time.process_time() - began < 2


def test_people_without_anything_in_common_stay_apart() -> None:
    assert len(people(known("addressBook"), known("o365"), known("exchange"))) == 3


def test_an_answer_of_graph_that_is_not_as_promised_makes_a_hit_with_blanks() -> None:
    odd: Row = {
        "id": 1,
        "displayName": None,
        "businessPhones": "x",
        "emailAddresses": [1, {"address": 2}],
    }
    for source in ("o365", "exchange"):
        assert people(in_graph(odd, source, "x")) == [Hit(sources=[source], match="contains")]


def test_a_contact_shows_its_first_address() -> None:
    doc = {"externalId": "1", "addresses": [{"city": "Bern", "postalCode": "3011"}, {"city": "Basel"}]}
    found = of_address_book(doc, "prefix")
    assert (found.city, found.postal_code, found.street) == ("Bern", "3011", None)


def test_how_well_graphs_rows_fit_is_judged_by_the_fields_that_are_searched() -> None:
    row = {"displayName": "Anna Moser", "department": "ANNA", "officeLocation": "mos"}
    assert [in_graph(row, "o365", text).match for text in ("anna", "ann", "mos")] == ["exact", "prefix", "contains"]
