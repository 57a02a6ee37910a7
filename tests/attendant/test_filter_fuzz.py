"""No text gets through, none hangs, none escapes its quotes."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared.attendant.odata_filter.findings import examine
from shared.attendant.odata_filter.nodes import Call, Compare, Condition, Junction, Property, Value, junction
from shared.attendant.odata_filter.syntax import parse
from shared.attendant.odata_filter.text import canonical, join, quoted
from shared.attendant.odata_filter.tokens import LONGEST, FilterError, Token, sendable, tokens
from tests.attendant.test_filter_syntax import READ
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


def _random_texts() -> Iterator[str]:
    """50,000 of any signs, 40,000 of pieces of filters, 10,000 real filters with a few pieces lost, added or exchanged.

    Of the first most are refused at their first sign; the last reach the depths of the parser."""
    chance = random.Random(7)  # the same texts every time
    # A third each of ASCII, of the scripts up to the kana, and of all there are.
    signs = [chr(sign) for sign in [*range(0x80)] * 0x60 + [*range(0x3000)] + chance.sample(range(0x110000), 0x3000)]
    real = [re.findall(r"'(?:[^']|'')*'|\w+|.", text) for text in READ]
    # Cut from one long text each: to draw sign by sign would take as long as to read them.
    noise, pieces = "".join(chance.choices(signs, k=300_000)), chance.choices(PIECES, k=100_000)
    for number in range(100_000):
        if number % 10 == 0:
            words = [*chance.choice(real)]
            for _ in range(chance.randint(1, 2)):
                place = chance.randrange(len(words) + 1)
                words[place : place + chance.randint(0, 2)] = chance.choices(PIECES, k=chance.randint(0, 1))
            yield "".join(words)
        elif number % 2:
            start = chance.randrange(len(noise))
            yield noise[start : start + chance.randint(0, 60)]
        else:
            start = chance.randrange(len(pieces))
            yield "".join(pieces[start : start + chance.randint(1, 25)])


def test_a_hundred_thousand_random_texts_neither_crash_nor_hang() -> None:
    read, longest = 0, 0.0
    for text in _random_texts():
        began = time.process_time()
        read += bool(examine(text).canonical)
        longest = max(longest, time.process_time() - began)
    assert read > 1_000  # else they would only show how texts are refused
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
