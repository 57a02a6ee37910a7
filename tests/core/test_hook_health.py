"""When a callback is tried again, and when no more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.outbound.webhooks.retry_policy import FIRST_PAUSE, GIVE_UP, LONGEST_PAUSE, Trouble, after_failure, verdict

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def tries(*asked: float | None) -> list[Trouble]:
    """What becomes of a receiver that fails at each try, made on time, until its time is over."""
    made = [after_failure(None, NOW, asked[0] if asked else None)]
    while not made[-1].is_over(now := made[-1].next_try):
        made.append(after_failure(made[-1], now, asked[len(made)] if len(made) < len(asked) else None))
    return made


def test_pauses_double_from_10_seconds_to_an_hour() -> None:
    moments = [NOW, *(trouble.next_try for trouble in tries())]
    pauses = [int((after - before).total_seconds()) for before, after in pairwise(moments)]
    assert pauses[:11] == [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]


def test_the_last_try_is_made_when_24_hours_are_over() -> None:
    made = tries()
    assert made[-1].next_try == NOW + GIVE_UP
    assert not made[-2].is_over(made[-2].next_try)


def test_a_receivers_wish_to_be_left_alone_counts_up_to_an_hour() -> None:
    assert after_failure(None, NOW, 90.0).next_try == NOW + timedelta(seconds=90)
    assert after_failure(None, NOW, 3.0).next_try == NOW + FIRST_PAUSE
    assert after_failure(None, NOW, 1e6).next_try == NOW + LONGEST_PAUSE


@given(st.lists(st.one_of(st.none(), st.floats(0, 86_400)), max_size=60))
def test_whatever_is_asked_for_tries_end_and_never_come_too_soon(asked: list[float | None]) -> None:
    made = tries(*asked)
    assert 24 <= len(made) <= 40
    assert {trouble.since for trouble in made} == {NOW}
    assert [trouble.tries for trouble in made] == list(range(1, len(made) + 1))
    for before, after in pairwise(made):
        pause = after.next_try - before.next_try
        assert pause >= FIRST_PAUSE or after.next_try == NOW + GIVE_UP
        assert pause <= LONGEST_PAUSE


@pytest.mark.parametrize(
    ("statuses", "meaning"),
    [
        ((200, 201, 202, 204, 299), "delivered"),
        ((410,), "gone"),
        ((400, 401, 403, 404, 409, 413, 422), "refused"),
        ((None, 301, 302, 307, 308, 304, 100, 408, 429, 500, 502, 503, 504, 599, 700), "unwell"),
    ],
)
def test_an_answer_has_one_meaning(statuses: tuple[int | None, ...], meaning: str) -> None:
    assert {verdict(status) for status in statuses} == {meaning}
