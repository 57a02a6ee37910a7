"""Token buckets of the widget's calls, and whose bucket an address belongs to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import RateLimited
from shared.interact import rates
from shared.interact.rates import Buckets, Rate, WidgetRates, place


class StopWatch:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def passes(buckets: Buckets, key: str = "a") -> bool:
    try:
        buckets.take(key)
    except RateLimited:
        return False
    return True


def test_a_burst_passes_and_then_one_after_each_pause() -> None:
    watch = StopWatch()
    buckets = Buckets("calls", Rate(per_second=2, burst=3), watch)
    assert [passes(buckets) for _ in range(4)] == [True, True, True, False]
    watch.seconds = 0.5
    assert [passes(buckets) for _ in range(2)] == [True, False]
    watch.seconds = 1000
    assert [passes(buckets) for _ in range(4)] == [True, True, True, False]


def test_a_refusal_says_how_long_to_wait_and_costs_nothing() -> None:
    watch = StopWatch()
    buckets = Buckets("calls", Rate(per_second=0.1, burst=1), watch)
    buckets.take("a")
    for _ in range(5):
        with pytest.raises(RateLimited) as refused:
            buckets.take("a")
        assert refused.value.retry_after == pytest.approx(10)
    watch.seconds = 10
    assert passes(buckets)


@given(st.lists(st.floats(min_value=0, max_value=3), max_size=60))
def test_no_run_of_calls_gets_more_than_the_burst_and_what_came_back(pauses: list[float]) -> None:
    watch = StopWatch()
    buckets = Buckets("calls", Rate(per_second=2, burst=5), watch)
    passed = 0
    for pause in pauses:
        watch.seconds += pause
        passed += passes(buckets)
    assert passed <= 5 + 2 * watch.seconds + 1e-6


def test_buckets_have_a_bound() -> None:
    watch = StopWatch()
    buckets = Buckets("calls", Rate(per_second=1, burst=1), watch)
    for number in range(rates.MOST_KEPT + 1):
        buckets.take(str(number))
    assert passes(buckets, "0")
    assert not passes(buckets, str(rates.MOST_KEPT))


def test_addresses_and_tenants_have_limits_of_their_own() -> None:
    watch = StopWatch()
    limits = WidgetRates(watch)
    for _ in range(rates.STARTS_PER_ADDRESS.burst):
        limits.start("203.0.113.1", "t1")
    with pytest.raises(RateLimited, match="address"):
        limits.start("203.0.113.1", "t1")
    for number in range(rates.STARTS_PER_KEY.burst - rates.STARTS_PER_ADDRESS.burst):
        limits.start(f"203.0.112.{number}", "t1")
    with pytest.raises(RateLimited, match="widget key"):
        limits.start("203.0.113.2", "t1")
    limits.start("203.0.113.2", "t2")


def test_calls_have_limits_of_their_own_by_address_and_by_key() -> None:
    limits = WidgetRates(StopWatch())
    for _ in range(rates.CALLS_PER_ADDRESS.burst):
        limits.address("203.0.113.1")
    with pytest.raises(RateLimited, match="calls from your address"):
        limits.address("203.0.113.1")
    limits.address("203.0.113.2")
    for _ in range(rates.CALLS_PER_KEY.burst):
        limits.key("t1")
    with pytest.raises(RateLimited, match="calls with this widget key"):
        limits.key("t1")
    limits.key("t2")
    limits.start("203.0.113.1", "t1")  # starts are counted apart


def test_who_keeps_asking_gets_no_more_than_who_waits() -> None:
    """Refused calls between two that pass; each refusal counts the time before it once."""
    watch = StopWatch()
    buckets = Buckets("calls", Rate(per_second=1, burst=1), watch)
    buckets.take("a")
    passed = 0
    for _ in range(40):
        watch.seconds += 0.25
        passed += passes(buckets)
    assert passed == 10


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7:50123", "203.0.113.7"),
        ("1.2.3.4, 203.0.113.7:50123", "203.0.113.7"),
        ("[2001:db8:1:2:3:4:5:6]:50123", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("", ""),
        ("unknown", ""),
        ("x" * 5000, ""),
    ],
)
def test_the_last_hop_says_whose_call_it_is(said: str, where: str) -> None:
    assert place(said) == where


def test_a_forged_header_does_not_change_whose_call_it_is() -> None:
    assert {place(f"{forged}, 203.0.113.7") for forged in ("9.9.9.9", "", "[::1]", "a,b")} == {"203.0.113.7"}
