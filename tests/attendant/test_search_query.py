"""What may be asked, and how it reaches Graph: the matrix of the product's page, tick by tick."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.attendant.fields import SOURCES, Source, matrix, places
from shared.attendant.odata_filter.findings import examine
from shared.attendant.odata_filter.nodes import AnyOf, Call, Compare, Condition, Junction, Negation, Value
from shared.attendant.odata_filter.syntax import parse
from shared.attendant.odata_filter.text import canonical, join
from shared.attendant.search.query import LONGEST, NARROWING, Query, condition, question, read_query
from shared.kernel.errors import Invalid

# The page, row by row: t = ticked, c = contains, f = filter; address books, directory, Exchange.
PAGE = {
    "Id": ("", "", ""),
    "External.Id": ("", "", ""),
    "Display Name": ("tc", "t", "tc"),
    "Given Name": ("", "t", ""),
    "First Name": ("tc", "", ""),
    "Last Name": ("tc", "", ""),
    "Initials": ("tc", "", ""),
    "Surname": ("", "t", ""),
    "Mail": ("tc", "t", ""),
    "User Principal Name": ("tc", "t", ""),
    "Job Title": ("tcf", "tf", "tcf"),
    "Business Phones": ("tc", "", ""),
    "Home Phones": ("tc", "", ""),
    "Mobile Phones": ("tc", "", ""),
    "IM Address": ("tc", "", ""),
    "Street": ("tc", "", ""),
    "City": ("tc", "tf", ""),
    "Company": ("tc", "t", "tf"),
    "Country": ("tcf", "tf", ""),
    "Department": ("tcf", "tf", "tf"),
    "State": ("tcf", "tf", ""),
    "Postal Code": ("tc", "", ""),
    "Picture": ("", "", ""),
    "External.CustomField1-10": ("", "", ""),
}
CELLS = [
    (row.name, source, cell)
    for row in matrix()
    for source, cell in zip(SOURCES, PAGE[row.field], strict=True)
]  # fmt: skip


def read(text: str | None = "anna", **more: Any) -> Query:
    wanted: dict[str, Any] = {"sources": None, "fields": None, "narrowed": {}, "top": 25, "continuation": None}
    return read_query(text, **(wanted | more))


def refusal(text: str | None = "anna", **more: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as refused:
        read(text, **more)
    return {finding.path: finding.code for finding in refused.value.findings}


def test_the_matrix_is_the_pages() -> None:
    written = {
        row.field: tuple(
            "t" * one.searchable + "c" * one.contains + "f" * one.filter
            for one in (row.address_book, row.o365, row.exchange)
        )
        for row in matrix()
    }
    assert written == PAGE


@pytest.mark.parametrize(("name", "source", "cell"), CELLS)
def test_a_tick_can_be_searched_and_a_blank_is_refused(name: str, source: Source, cell: str) -> None:
    if "t" in cell:
        assert [place.name for place in read(sources=source, fields=name).looked_at(source)] == [name]
    else:
        assert refusal(sources=source, fields=name) == {"fields": "NotSearchable"}


@pytest.mark.parametrize(("name", "source", "cell"), [one for one in CELLS if one[0] in NARROWING])
def test_a_plus_narrows_and_its_absence_is_refused(name: str, source: Source, cell: str) -> None:
    if "f" in cell:
        assert read(None, sources=source, narrowed={name: "x"}).is_for(source)
    else:
        assert refusal(sources=source, narrowed={name: "x"}) == {name: "NotNarrowing"}


def test_what_narrows_nowhere_is_no_parameter() -> None:
    pluses = {name for name, _, cell in CELLS if "f" in cell}
    assert set(NARROWING) == pluses == {"jobTitle", "city", "company", "country", "department", "state"}


@pytest.mark.parametrize(
    ("name", "source", "cell"), [one for one in CELLS if one[1] != "addressBook" and "t" in one[2]]
)
def test_graph_is_asked_to_look_anywhere_only_where_the_magnifier_is(name: str, source: Source, cell: str) -> None:
    asked = condition(read("an'na", sources=source, fields=name), source)
    place = places(source)[name]
    if place.whole:
        assert canonical(asked) == f"{place.property} eq 'an''na'"
    else:
        word = "contains" if "c" in cell else "startswith"
        assert canonical(asked) == f"{word}({place.property},'an''na')"


@pytest.mark.parametrize(
    ("name", "source", "cell"), [one for one in CELLS if one[1] != "addressBook" and "f" in one[2]]
)
def test_graph_is_asked_for_the_whole_value_of_what_narrows(name: str, source: Source, cell: str) -> None:
    property_ = places(source)[name].property
    alone = read(None, sources=source, narrowed={name: "O'B"})
    assert canonical(condition(alone, source)) == f"{property_} eq 'O''B'"
    both = read("anna", sources=source, fields="displayName", narrowed={name: "O'B"})
    assert canonical(condition(both, source)).endswith(f"(displayName,'anna') and {property_} eq 'O''B'")


def test_what_we_ask_of_the_directory_graph_supports() -> None:
    for name in [None, *places("o365")]:
        asked = canonical(condition(read(fields=name, sources="o365"), "o365"))
        assert {finding.code for finding in examine(asked).findings} <= {"NeedsPermission", "HidesServiceAccounts"}
    narrowed = {name: "x" for name in NARROWING if name != "company"}
    asked = canonical(condition(read(narrowed=narrowed, sources="o365"), "o365"))
    assert "OperatorNotSupported" not in {finding.code for finding in examine(asked).findings}


def test_a_source_that_cannot_narrow_is_left_out_rather_than_not_narrowed() -> None:
    query = read(narrowed={"country": "CH"})
    assert [source for source in SOURCES if query.is_for(source)] == ["addressBook", "o365"]


def test_narrowings_no_single_source_can_do_together_are_refused() -> None:
    assert refusal(narrowed={"country": "CH", "company": "Acme"}) == {"sources": "NotSearchable"}


def test_all_findings_come_at_once() -> None:
    found = refusal("", sources="o365,nowhere", fields="displayname", continuation="-1")
    assert found == {
        "q": "Required",
        "sources": "UnknownSource",
        "fields": "UnknownField",
        "continuation": "InvalidValue",
    }


@pytest.mark.parametrize("text", ["", " \t ", "\x00", "\ud800"])
def test_nothing_to_look_for_is_said(text: str) -> None:
    assert refusal(text) == {"q": "Required"}


def test_long_texts_are_refused_and_not_cut() -> None:
    assert read("x" * LONGEST).text == "x" * LONGEST
    assert refusal("x" * (LONGEST + 1), narrowed={"country": "y" * 2048}) == {
        "q": "OutOfRange",
        "country": "OutOfRange",
    }


@pytest.mark.parametrize(("continuation", "offset"), [(None, 0), ("0", 0), ("25", 25), ("998", 998)])
def test_a_continuation_is_where_the_list_goes_on(continuation: str | None, offset: int) -> None:
    assert read(continuation=continuation).offset == offset


@pytest.mark.parametrize("text", ["", "1000", "-1", "1.0", "٣", "x"])
def test_a_continuation_we_did_not_give_out_is_refused(text: str) -> None:
    assert refusal(continuation=text) == {"continuation": "InvalidValue"}


# text of users


TRICKS = [
    "') or (1 eq 1",
    "%27) or (1 eq 1",
    "＇) or (1 eq 1",
    "''",
    "'",
    "\\'",
    "*" * 200,
    "a\r\n'",
    "a' or 'a' eq 'a",
]
ANY_TEXT = st.text(max_size=60) | st.sampled_from(TRICKS) | st.text(alphabet="'()%27＇ orq1", max_size=20)


def strings(node: Condition) -> list[str]:
    """Every text in a condition, in order."""
    match node:
        case Junction(_, parts):
            return [text for part in parts for text in strings(part)]
        case Call(_, arguments):
            return [argument.text for argument in arguments if isinstance(argument, Value)]
        case Compare(_, _, Value() as value):
            return [value.text]
        case Negation(inner) | AnyOf(_, _, inner):
            return strings(inner)
    raise AssertionError(node)


@given(ANY_TEXT, ANY_TEXT)
def test_whatever_is_typed_reads_back_as_the_same_condition_within_the_bounds(text: str, department: str) -> None:
    try:
        query = read(text, narrowed={"department": department} if department else {}, sources="o365")
    except Invalid:
        return
    bounds, asked = parse("city eq 'Bern' or city eq 'Basel'"), condition(query, "o365")
    written = join(bounds, asked)
    assert written.startswith("(city eq 'Bern' or city eq 'Basel') and (")
    if len(written) <= 2000:
        joined = parse(written)
        assert isinstance(joined, Junction)
        assert joined.word == "and"
        assert joined.conditions[0] == bounds
        said = strings(joined)[2:]
        assert set(said) <= {query.text, *strings(condition(query, "o365"))}


@given(ANY_TEXT)
def test_a_question_to_the_address_books_holds_no_control_character(text: str) -> None:
    try:
        asked = question(read(text, sources="addressBook"))
    except Invalid:
        return
    assert asked.text
    assert min(asked.text) >= " "
