"""One list from three directories."""

from __future__ import annotations

from typing import Any

from shared.attendant.hits import Hit, merged, of_address_book, of_graph
from shared.attendant.search_fields import Source


def hit(*sources: Source, name: Any = "Anna", **fields: Any) -> Hit:
    return Hit(**{"sources": list(sources), "match": "prefix", "display_name": name} | fields)


def test_better_matches_come_first_and_equal_ones_by_name() -> None:
    found = merged([
        hit("o365", name="B", match="contains"),
        hit("addressBook", name="ä", match="exact"),
        hit("o365", name="C"),
        hit("exchange", name="b"),
    ])  # fmt: skip
    assert [one.display_name for one in found] == ["ä", "b", "C", "B"]


def test_a_person_known_to_all_three_is_one_hit_that_names_them_all() -> None:
    mail = {"email_addresses": ["Anna@Contoso.example"]}
    (one,) = merged([
        hit("addressBook", external_id="7", user_principal_name="ANNA@contoso.example", city="Bern"),
        hit("o365", object_id="id", match="exact", department="IT", city="Basel", **mail),
        hit("exchange", business_phones=["+4131"], **mail),
    ])  # fmt: skip
    assert one.sources == ["addressBook", "o365", "exchange"]
    assert (one.match, one.external_id, one.object_id) == ("exact", "7", "id")
    assert (one.city, one.department, one.business_phones) == ("Bern", "IT", ["+4131"])


def test_two_entries_of_one_directory_that_share_an_address_stay_two() -> None:
    shared = {"email_addresses": ["info@acme.example"]}
    found = merged(
        [hit("addressBook", name="A", **shared), hit("addressBook", name="B", **shared), hit("o365", **shared)]
    )
    assert [one.sources for one in found] == [["addressBook", "o365"], ["addressBook"]]


def test_people_without_anything_in_common_stay_apart() -> None:
    assert len(merged([hit("addressBook"), hit("o365"), hit("exchange")])) == 3


def test_an_answer_of_graph_that_is_not_as_promised_makes_a_hit_with_blanks() -> None:
    odd: dict[str, object] = {
        "id": 1,
        "displayName": None,
        "businessPhones": "x",
        "emailAddresses": [1, {"address": 2}],
    }
    for source in ("o365", "exchange"):
        found = of_graph(odd, source, "x")
        assert (found.object_id, found.display_name, found.business_phones, found.email_addresses) == (
            None,
            None,
            [],
            [],
        )


def test_a_contact_shows_its_first_address() -> None:
    doc = {"externalId": "1", "addresses": [{"city": "Bern", "postalCode": "3011"}, {"city": "Basel"}]}
    found = of_address_book(doc, "prefix")
    assert (found.city, found.postal_code, found.street) == ("Bern", "3011", None)


def test_how_well_graphs_rows_fit_is_judged_by_the_fields_that_are_searched() -> None:
    row = {"displayName": "Anna Moser", "department": "ANNA", "officeLocation": "mos"}
    assert [of_graph(row, "o365", text).match for text in ("anna", "ann", "mos")] == ["exact", "prefix", "contains"]
