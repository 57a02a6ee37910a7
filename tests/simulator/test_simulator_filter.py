"""The filter language, held against a plain Python reading of the same tree."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.graph_filter import Both, Compare, Either, Function, Node, Not, OneOf, matches
from simulator.graph_filter_parser import FilterSyntaxError, parse

WORDS = st.sampled_from(["", "Zürich", "O'Brien", "it", "IT", "a and b", "x)", "null"])
FIELDS = st.sampled_from(["city", "department", "mail"])

LEAVES: st.SearchStrategy[Node] = st.one_of(
    st.builds(Compare, FIELDS, st.sampled_from(["eq", "ne"]), st.one_of(WORDS, st.none())),
    st.builds(Function, st.sampled_from(["startswith", "endswith", "contains"]), FIELDS, WORDS),
    st.builds(OneOf, FIELDS, st.lists(WORDS, min_size=1, max_size=3).map(tuple)),
)
TREES: st.SearchStrategy[Node] = st.recursive(
    LEAVES, lambda node: st.one_of(st.builds(Not, node), st.builds(Both, node, node), st.builds(Either, node, node))
)
ITEMS = st.dictionaries(FIELDS, st.one_of(WORDS, st.none()))


def literal(value: Any) -> str:
    return "null" if value is None else "'" + str(value).replace("'", "''") + "'"


def written(node: Node) -> str:
    match node:
        case Compare(path, op, value):
            return f"{path} {op} {literal(value)}"
        case Function(name, path, text):
            return f"{name}({path},{literal(text)})"
        case OneOf(path, values):
            return f"{path} in ({', '.join(map(literal, values))})"
        case Not(part):
            return f"not ({written(part)})"
        case Both(left, right):
            return f"({written(left)}) and ({written(right)})"
        case Either(left, right):
            return f"({written(left)}) OR ({written(right)})"
    raise AssertionError(node)


def meant(node: Node, item: dict[str, Any]) -> bool:
    """The same question asked of Python, case folded."""
    fold = {name: value.casefold() if value is not None else None for name, value in item.items()}
    match node:
        case Compare(path, op, value):
            same = fold.get(path) == (str(value).casefold() if value is not None else None)
            return same if op == "eq" else not same
        case Function(name, path, text):
            found = fold.get(path)
            python = {"startswith": "startswith", "endswith": "endswith", "contains": "__contains__"}[name]
            return found is not None and bool(getattr(found, python)(text.casefold()))
        case OneOf(path, values):
            return fold.get(path) in [str(value).casefold() for value in values]
        case Not(part):
            return not meant(part, item)
        case Both(left, right):
            return meant(left, item) and meant(right, item)
        case Either(left, right):
            return meant(left, item) or meant(right, item)
    raise AssertionError(node)


@given(TREES)
def test_a_filter_is_read_as_it_was_written(node: Node) -> None:
    assert parse(written(node)) == node


@given(TREES, ITEMS)
def test_a_filter_finds_what_it_means(node: Node, item: dict[str, Any]) -> None:
    assert matches(parse(written(node)), item) == meant(node, item)


@given(st.text(alphabet="ab '(),:/eqnotadrinstwh0-", max_size=60))
def test_no_text_breaks_the_parser(text: str) -> None:
    with suppress(FilterSyntaxError):
        parse(text)


@pytest.mark.parametrize("text", ["(" * 3000, "not " * 3000 + "a eq 'b'", "", "a", "a eq", "a eq 'b' c", "f(a,'b')"])
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(FilterSyntaxError):
        parse(text)


def test_collections_are_searched_item_by_item() -> None:
    item = {"proxyAddresses": ["SMTP:a@b.example", "smtp:c@d.example"], "assignedLicenses": [{"skuId": "1"}]}
    assert matches(parse("proxyAddresses/any(p:startsWith(p,'smtp:c'))"), item)
    assert matches(parse("assignedLicenses/any(l:l/skuId eq '1') and assignedLicenses/$count ne 0"), item)
    assert not matches(parse("proxyAddresses/any(p:p eq 'x')"), item)
