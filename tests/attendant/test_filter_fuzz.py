"""No text gets through, none hangs, none escapes its quotes."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared.attendant.filter_findings import examine
from shared.attendant.filter_nodes import Call, Compare, Condition, Junction, Property, Value, junction
from shared.attendant.filter_syntax import parse
from shared.attendant.filter_text import canonical, join, quoted
from shared.attendant.filter_tokens import LONGEST, FilterError, Token, sendable, tokens
from tests.attendant.trees import conditions
from tests.scale import scaled

PIECES = [
    *"'(),:/$%=& \t\n\x00\ud800é",
    *("''", "city", "userPrincipalName", "x", "otherMails/any(x:", "any(", "all(", "startswith(", "tolower(", "$count"),
    *("not", "and", "or", "eq", "in", "null", "true", "1", "-1", "2021-01-01", "'x'", "$filter=", "%27", "＇", "has"),
    "2e2ddb96-6af9-4b1d-a3f0-d6ecfd22edb2",
]
TRICKS = [
    "') or (1 eq 1",
    "') or startswith(userPrincipalName,'",
    "'",
    "''",
    "'''",
    "%27) or (1 eq 1",
    "&#39;",
    "＇) or (1 eq 1",
    "’) or (1 eq 1",
    "ʼ",
    "\\') or (1 eq 1",
    "\x00'",
    "\r\n') or (1 eq 1",
    "\ud800'",
    "a&$filter=1 eq 1",
    "*" * 2048,
    "'" * 2048,
]


def _read(text: str) -> Condition | FilterError:
    try:
        return parse(text)
    except FilterError as problem:
        return problem


def _cut(text: str) -> list[Token] | FilterError:
    try:
        return tokens(text)
    except FilterError as problem:
        return problem


@given(conditions)
@settings(max_examples=scaled(80, 1_000), deadline=None)
def test_a_tree_survives_being_written_and_read(tree: Condition) -> None:
    text = canonical(tree)
    assume(len(text) <= LONGEST)
    assert parse(text) == tree
    assert canonical(parse(text)) == text


@given(st.text(max_size=200) | st.lists(st.sampled_from(PIECES), max_size=40).map(" ".join))
@settings(max_examples=scaled(80, 1_000), deadline=None)
def test_a_text_is_read_or_refused_and_examined_in_any_case(text: str) -> None:
    report, tree = examine(text), _read(text)
    if isinstance(tree, FilterError):
        assert 0 <= tree.position <= len(text)
        assert not report.canonical
    else:
        assert report.canonical == canonical(tree)
        assert parse(report.canonical) == tree
    for finding in report.findings:
        assert finding.message
        assert 0 <= (finding.position or 0) <= max(len(text), LONGEST)


def test_a_hundred_thousand_random_texts_neither_crash_nor_hang() -> None:
    chance = random.Random(7)  # the same texts every time
    read, longest = 0, 0.0
    for number in range(scaled(10_000, 100_000)):
        if number % 2:
            text = "".join(chance.choices(PIECES, k=chance.randint(1, 25)))
        else:
            signs = chance.choices([0x7F, 0x2FFF, 0x10FFFF], k=chance.randint(0, 60))
            text = "".join(chr(chance.randint(0, most)) for most in signs)
        began = time.process_time()
        read += examine(text).canonical is not None
        longest = max(longest, time.process_time() - began)
    assert read
    assert longest < 0.5  # a millisecond here


@pytest.mark.parametrize("piece", [*PIECES, "a.", "a/", "city eq 1 or ", "city eq 'x' and not ", "x/any(y:y eq 1) or ", "1.", "-", "a_"])  # fmt: skip # noqa: E501
def test_a_text_of_full_length_costs_no_more_than_its_length(piece: str) -> None:
    text = (piece * LONGEST)[:LONGEST]
    cut = _cut(text)
    assert isinstance(cut, FilterError) or len(cut) <= LONGEST + 1
    began = time.process_time()
    examine(text)
    # A few milliseconds here; anything that grows with the square of the length would take seconds.
    assert time.process_time() - began < 0.5


@given(st.text(max_size=60) | st.sampled_from(TRICKS) | st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
@settings(max_examples=scaled(80, 1_000), deadline=None)
def test_a_users_text_is_one_string_whatever_it_holds(text: str) -> None:
    written = quoted(text)
    assume(len(written) <= LONGEST)
    assert [(token.kind, token.text) for token in tokens(written)] == [("string", sendable(text)), ("end", "")]


@pytest.mark.parametrize("sign", ["\x00", "\x1f", "\x7f", "\x80", "\x9f", "\ud800"])
def test_what_cannot_be_sent_becomes_a_blank_in_a_users_text_and_is_refused_in_a_filter(sign: str) -> None:
    assert quoted(f"a{sign}b") == "'a b'"
    refused = _read(f"city eq 'a{sign}b'")
    assert isinstance(refused, FilterError)
    assert refused.position == 10


@pytest.mark.parametrize("text", TRICKS)
def test_quote_tricks_stay_within_their_string(text: str) -> None:
    written = quoted(text)
    assert (written[0], written[-1]) == ("'", "'")
    assert "'" not in written[1:-1].replace("''", "")
    assert written.isprintable() or not sendable(text).isprintable()
    written.encode()  # half a surrogate pair would break the request


@pytest.mark.parametrize("text", [text for text in TRICKS if len(text) < 100])
def test_a_search_stays_within_the_tenants_filter(text: str) -> None:
    tenant = parse("city eq 'Bern' or city eq 'Basel'")
    value = Value("string", sendable(text))
    user = junction("or", (Call("startswith", (Property((name,)), value)) for name in ("displayName", "mail")))
    joined = parse(join(tenant, user))
    assert joined == Junction("and", (tenant, user))
    assert canonical(joined) == f"({canonical(tenant)}) and ({canonical(user)})"


@given(conditions, conditions)
@settings(max_examples=50, deadline=None)
def test_joined_filters_keep_their_own_meaning(tenant: Condition, user: Condition) -> None:
    text = join(tenant, user)
    assume(len(text) <= LONGEST)
    joined = parse(text)
    sides = [
        part.conditions if isinstance(part, Junction) and part.word == "and" else (part,) for part in (tenant, user)
    ]
    assert isinstance(joined, Junction)
    assert (joined.word, joined.conditions) == ("and", sides[0] + sides[1])


def test_without_a_tenant_filter_the_users_search_stands_alone() -> None:
    assert join(None, parse("startswith(mail,'a')")) == "startswith(mail,'a')"


def test_a_string_cannot_be_taken_for_another_value() -> None:
    tree = parse("city eq 'null'")
    assert tree == Compare(Property(("city",)), "eq", Value("string", "null"))
    assert tree != parse("city eq null")
