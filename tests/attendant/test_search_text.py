"""Search in text finds what a look at each contact would find."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.attendant.address_books.contacts import Doc, read_contact, values_of
from shared.attendant.address_books.packs import contacts_in, packed
from shared.attendant.address_books.text import END, SEP, Match, Question, entry_of, fold, search
from shared.attendant.fields import names, places
from shared.kernel.errors import Conflict
from shared.storage.entities import Row

LETTERS = {name: place.letter for name, place in places("addressBook").items()}
ALL = frozenset(LETTERS.values())
ANYTHING = st.text(alphabet="aAbcßéE '%*\x1f\x1e\x00ABC＇)( 1", max_size=6)


def contact(number: int, **fields: Any) -> Doc:
    return read_contact({"externalId": str(number)} | fields)


def ask(docs: list[Doc], text: str, *fields: str, most: int = 100, **narrowed: str) -> dict[str, Match]:
    """External ids found, with how well they match; every contact in a text of its own."""
    letters = frozenset(LETTERS[name] for name in fields) or ALL
    question = Question(fold(text), letters, {LETTERS[name]: fold(value) for name, value in narrowed.items()})
    found = search((entry_of(doc) for doc in docs), question, most=most)
    return {docs[one.number]["externalId"]: one.match for one in found}


def test_the_pages_own_example_is_found() -> None:
    docs = [contact(1, firstName="Chadwick"), contact(2, firstName="Michael"), contact(3, firstName="Anna")]
    assert ask(docs, "cha") == {"1": "prefix", "2": "contains"}


def test_better_matches_come_first_wherever_they_lie() -> None:
    docs = [contact(1, company="Banana"), contact(2, lastName="Anatole"), contact(3, initials="ANA")]
    assert list(ask(docs, "ana").items()) == [("3", "exact"), ("2", "prefix"), ("1", "contains")]
    assert list(ask(docs, "ana", most=1)) == ["3"]


def test_a_contact_is_found_once_with_its_best_match() -> None:
    docs = [contact(1, firstName="Ana", lastName="Banana", company="Ana")]
    assert ask(docs, "ana") == {"1": "exact"}


@pytest.mark.parametrize("text", ["ÄRZTE", "ärzte", "a\u0308rzte", "Ａ\u0308RZTE"])
def test_case_and_composition_make_no_difference(text: str) -> None:
    assert ask([contact(1, company="Ärzte")], text) == {"1": "exact"}


def test_only_the_fields_asked_for_are_looked_at() -> None:
    docs = [contact(1, company="Anna AG", firstName="Bea"), contact(2, firstName="Anna")]
    assert ask(docs, "anna", "firstName") == {"2": "exact"}
    assert ask(docs, "anna", "company") == {"1": "prefix"}


def test_narrowing_compares_the_whole_value_of_its_field() -> None:
    docs = [contact(1, firstName="Anna", department="Sales"), contact(2, firstName="Anna", department="Sales Ops")]
    assert ask(docs, "anna", department="SALES") == {"1": "exact"}
    assert ask(docs, "anna", jobTitle="sales") == {}


@pytest.mark.parametrize("name", [name for name, place in places("addressBook").items() if place.ability.filter])
def test_each_plus_of_the_matrix_narrows_to_those_who_have_that_value(name: str) -> None:
    def anna(number: int, value: str) -> Doc:
        where: dict[str, Any] = {"addresses": [{}, {name: value}]} if name in ("country", "state") else {name: value}
        return contact(number, firstName="Anna", company="Sales", **where)

    docs = [anna(1, "Sales"), anna(2, "Sales Ops"), anna(3, "")]
    assert ask(docs, "anna", most=9, **{name: "sales"}) == {"1": "exact"}


def test_narrowing_alone_is_a_question_too() -> None:
    docs = [contact(1, department="Sales"), contact(2, company="Sales"), contact(3, department="sales")]
    question = Question("", frozenset({LETTERS["department"]}), {LETTERS["department"]: "sales"})
    found = search(map(entry_of, docs), question, most=10)
    assert [docs[one.number]["externalId"] for one in found] == ["1", "3"]


def test_custom_fields_and_external_ids_are_not_searched() -> None:
    docs = [read_contact({"externalId": "needle", "customFields": [{"name": "needle", "value": "needle"}]})]
    assert ask(docs, "needle") == {}


def test_each_tick_of_the_matrix_finds_a_contact_by_that_field_and_each_blank_does_not() -> None:
    samples: dict[str, Any] = {
        **{name: {name: "a needle in it"} for name in ("displayName", "firstName", "lastName", "initials", "jobTitle")},
        **{name: {name: "a needle in it"} for name in ("userPrincipalName", "company", "department")},
        **{name: {name: ["x", "a needle in it"]} for name in ("businessPhones", "homePhones", "mobilePhones")},
        "mail": {"emailAddresses": ["a needle in it"]},
        "imAddress": {"imAddresses": ["a needle in it"]},
        **{name: {"addresses": [{}, {name: "a needle in it"}]} for name in ("street", "city", "country", "state")},
        "postalCode": {"addresses": [{"postalCode": "a needle in it"}]},
        "externalId": {"externalId": "a needle in it"},
        "customFields": {"customFields": [{"name": "n", "value": "a needle in it"}]},
        **{name: {} for name in ("id", "picture", "givenName", "surname")},
    }
    assert samples.keys() == names()
    found = {name for name, fields in samples.items() if ask([contact(1, **fields)], "needle")}
    assert found == LETTERS.keys()


@given(
    st.lists(st.fixed_dictionaries({"firstName": ANYTHING, "department": ANYTHING, "emailAddresses": st.lists(ANYTHING, max_size=2)}), max_size=6),  # noqa: E501
    ANYTHING,
    st.sampled_from([(), ("firstName",), ("mail", "department")]),
    st.none() | ANYTHING,
    st.integers(1, 8),
    st.integers(1, 3),
)  # fmt: skip
def test_it_finds_what_a_look_at_each_contact_finds(
    people: list[dict[str, Any]],
    text: str,
    fields: tuple[str, ...],
    department: str | None,
    most: int,
    per_text: int,
) -> None:
    docs = [contact(number, **fields_) for number, fields_ in enumerate(people)]
    entries = [entry_of(doc) for doc in docs]
    texts = ["".join(entries[at : at + per_text]) for at in range(0, len(entries), per_text)]
    sought = fold(text)
    if not sought:
        return
    narrowed = {} if department is None else {LETTERS["department"]: fold(department)}
    expected = {
        n: best
        for n, doc in enumerate(docs)
        if (best := best_match(doc, sought, fields or tuple(LETTERS)))
        and (department is None or fold(doc.get("department", "\x1f")) == fold(department))
    }
    letters = frozenset(LETTERS[name] for name in fields) or ALL
    found = search(texts, Question(sought, letters, narrowed), most=most)
    assert all(one.entry + END == entries[one.number * per_text + one.place] for one in found)
    matches = {one.number * per_text + one.place: one.match for one in found}
    assert len(matches) == len(found) == min(most, len(expected))
    assert matches.items() <= expected.items()
    ranks = ["exact", "prefix", "contains"]
    assert [ranks.index(one.match) for one in found] == sorted(ranks.index(m) for m in expected.values())[:most]


@pytest.mark.parametrize(
    ("text", "fields", "narrowed"),
    [
        ("e", ["postalCode"], {}),
        ("e", [], {"department": "nobody's"}),
        ("person", [], {"department": "board"}),
        ("sales", ["department"], {"department": "board"}),
        ("", ["department"], {"department": "nobody's"}),
    ],
)
def test_chosen_fields_and_narrowings_take_no_longer_than_a_look_at_all_of_100_000_contacts(
    text: str, fields: list[str], narrowed: dict[str, str]
) -> None:
    many = {
        "displayName": "Person Number",
        "firstName": "Person",
        "company": "Example Enterprises",
        "jobTitle": "Clerk",
    }
    docs = [
        contact(n, department="Sales" if n else "Board", emailAddresses=["person@example.com"], **many)
        for n in range(100)
    ]
    texts = ["".join(map(entry_of, docs))] * 1_000
    letters = frozenset(LETTERS[name] for name in fields) or ALL
    question = Question(text, letters, {LETTERS[name]: value for name, value in narrowed.items()})
    began = time.process_time()
    search(texts, question, most=999)
    # Some 0.1 s here; one look at every place where a common text stands took seconds.
    assert time.process_time() - began < 0.8


def best_match(doc: Doc, sought: str, fields: tuple[str, ...]) -> Match | None:
    values = [fold(value) for name, value in values_of(doc) if name in fields]
    if sought in values:
        return "exact"
    if any(value.startswith(sought) for value in values):
        return "prefix"
    return "contains" if any(sought in value for value in values) else None


@given(st.text())
def test_no_text_looks_like_what_separates_values(text: str) -> None:
    folded = fold(text)
    assert not {SEP, END} & set(folded)
    assert not set("ABCDEFGHIJKLMNOPQRSTUVWXYZ") & set(folded)


@given(st.lists(st.fixed_dictionaries({"lastName": st.text(st.characters(exclude_categories=["Cs"]), max_size=20)})))
def test_a_pack_gives_back_what_was_put_in(people: list[dict[str, Any]]) -> None:
    contacts = {str(number): contact(number, **fields) for number, fields in enumerate(people)}
    assert contacts_in(Row("p", "r", packed(contacts))) == contacts


def test_a_pack_of_text_without_pattern_is_cut_to_what_a_property_holds() -> None:
    chance = random.Random(7)
    contacts = {str(n): contact(n, emailAddresses=[chance.randbytes(500).hex()] * 2) for n in range(100)}
    values = packed(contacts)
    assert len(values) > 2
    assert all(isinstance(value, bytes) and len(value) <= 65_536 for value in values.values())
    assert contacts_in(Row("p", "r", values)) == contacts


def test_a_pack_beyond_a_rows_size_is_refused() -> None:
    contacts = {str(n): contact(n, emailAddresses=["x" * 1000] * 30) for n in range(30)}
    with pytest.raises(Conflict):
        packed(contacts)


def test_letters_differ_and_are_capitals() -> None:
    assert len(ALL) == len(LETTERS)
    assert all("A" <= letter <= "Z" for letter in ALL)
