"""Filters drawn at random: trees as ``parse`` returns them."""

from __future__ import annotations

from typing import get_args

from hypothesis import strategies as st

from shared.attendant.odata_filter import support as filter_support
from shared.attendant.odata_filter.nodes import (
    Among,
    AnyOf,
    Call,
    Compare,
    Comparison,
    Condition,
    Negation,
    Operand,
    Property,
    Value,
    junction,
)

TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=12) | st.sampled_from(["'", "''", "') or ("])
NAMES = st.sampled_from(["city", "displayName", "manager/id", "unknownName", "contoso_course/id", "otherMails/$count"])
VARIABLES = st.sampled_from(["x", "p", "city", "any"])

values = st.one_of(
    TEXTS.map(lambda text: Value("string", text)),
    st.integers(-999, 999).map(lambda number: Value("number", str(number))),
    st.sampled_from(["true", "false"]).map(lambda text: Value("boolean", text)),
    st.just(Value("null", "null")),
    st.uuids().map(lambda guid: Value("guid", str(guid))),
    st.datetimes().map(lambda time: Value("date", time.isoformat() + "Z")),
    st.dates().map(lambda day: Value("date", day.isoformat())),
)
plain = NAMES.map(lambda name: Property(tuple(name.split("/"))))


def _calls(inner: st.SearchStrategy[Operand]) -> st.SearchStrategy[Operand]:
    return inner.map(lambda argument: Call("tolower", (argument,))) | st.tuples(inner, inner).map(
        lambda both: Call("concat", both)
    )


operands: st.SearchStrategy[Operand] = st.recursive(values | plain, _calls, max_leaves=3)
leaves: st.SearchStrategy[Condition] = st.one_of(
    st.builds(Compare, operands, st.sampled_from(get_args(Comparison)), operands),
    st.builds(Among, operands, st.lists(values, min_size=1, max_size=3).map(tuple)),
    st.builds(Call, st.sampled_from(["startswith", "endswith", "contains"]), st.tuples(operands, operands)),
)


def _item_test(variable: str, collection: str) -> Condition:
    path = filter_support.spelled((collection, "skuId"))[1:]
    return Compare(Property((variable, *path)), "eq", Value("string", "it's"))


lambdas: st.SearchStrategy[Condition] = st.builds(
    lambda name, variable: AnyOf(Property((name,)), variable, _item_test(variable, name)),
    st.sampled_from(["assignedLicenses", "otherMails"]),
    VARIABLES,
)


def _joined(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    several = st.lists(inner, min_size=2, max_size=3)
    return st.one_of(
        inner.map(Negation),
        several.map(lambda parts: junction("and", parts)),
        several.map(lambda parts: junction("or", parts)),
    )


conditions: st.SearchStrategy[Condition] = st.recursive(leaves | lambdas, _joined, max_leaves=8)
