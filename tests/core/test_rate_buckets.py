"""Token buckets, and what they allow to a signed-in caller and to a tenant."""

from __future__ import annotations

from functools import partial
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.concurrency import token_buckets
from shared.concurrency.token_buckets import Buckets, Rate
from shared.kernel.callers import OPERATOR, TENANT_ADMIN, Caller
from shared.kernel.errors import RateLimited
from shared.tenants import caller_rates
from shared.tenants.caller_rates import CallerRates
from tests.core.stopwatch import StopWatch, passes

HOME, CONTOSO, FABRIKAM = "home", "contoso", "fabrikam"


def caller(tid: str, oid: str = "someone") -> Caller:
    return Caller(tid, oid, "", frozenset({OPERATOR if tid == HOME else TENANT_ADMIN}))


def taken(buckets: Buckets, count: int, key: str = "a") -> list[bool]:
    return [passes(partial(buckets.take, key)) for _ in range(count)]


def test_a_burst_passes_and_then_one_after_each_pause() -> None:
    watch = StopWatch()
    buckets = Buckets("calls", Rate(per_second=2, burst=3), watch)
    assert taken(buckets, 4) == [True, True, True, False]
    watch.seconds = 0.5
    assert taken(buckets, 2) == [True, False]
    watch.seconds = 1000
    assert taken(buckets, 4) == [True, True, True, False]


def test_a_refusal_says_how_long_to_wait_and_costs_nothing() -> None:
    watch = StopWatch()
    buckets = Buckets("calls", Rate(per_second=0.1, burst=1), watch)
    buckets.take("a")
    for _ in range(5):
        with pytest.raises(RateLimited) as refused:
            buckets.take("a")
        assert refused.value.retry_after == pytest.approx(10)
    watch.seconds = 10
    assert taken(buckets, 1) == [True]


Step = tuple[Literal["take", "give back"], float]


@given(st.lists(st.tuples(st.sampled_from(["take", "give back"]), st.floats(min_value=0, max_value=3)), max_size=60))
def test_no_run_of_calls_gets_more_than_the_burst_and_what_came_back(steps: list[Step]) -> None:
    watch = StopWatch()
    buckets = Buckets("calls", Rate(per_second=2, burst=5), watch)
    passed = given_back = 0
    for step, pause in steps:
        watch.seconds += pause
        if step == "take":
            passed += passes(partial(buckets.take, "a"))
        elif given_back < passed:
            given_back += 1
            buckets.give_back("a")
    assert passed - given_back <= 5 + 2 * watch.seconds + 1e-6


@given(st.lists(st.floats(min_value=0, max_value=3), max_size=60), st.floats(min_value=0.51, max_value=3))
def test_a_call_within_the_rate_always_passes_whatever_other_keys_do(pauses: list[float], pace: float) -> None:
    watch = StopWatch()
    buckets = Buckets("calls", Rate(per_second=2, burst=1), watch)
    for pause in pauses:
        for _ in range(3):
            passes(partial(buckets.take, "greedy"))
        assert passes(partial(buckets.take, "modest"))
        watch.seconds += max(pause, pace)


def test_a_caller_who_keeps_asking_gets_no_more_than_one_who_waits() -> None:
    """Refused calls between two that pass; each refusal counts the time before it once."""
    watch = StopWatch()
    buckets = Buckets("calls", Rate(per_second=1, burst=1), watch)
    buckets.take("a")
    passed = 0
    for _ in range(40):
        watch.seconds += 0.25
        passed += passes(partial(buckets.take, "a"))
    assert passed == 10


def test_memory_is_bounded() -> None:
    buckets = Buckets("calls", Rate(per_second=1, burst=1), StopWatch())
    for number in range(token_buckets.MOST_KEPT + 1):
        buckets.take(str(number))
    assert "0" not in buckets
    assert "1" in buckets
    assert taken(buckets, 1, str(token_buckets.MOST_KEPT)) == [False]


def test_giving_back_never_fills_a_bucket_beyond_its_burst() -> None:
    buckets = Buckets("calls", Rate(per_second=1, burst=1), StopWatch())
    buckets.give_back("a")
    buckets.take("a")
    for _ in range(5):
        buckets.give_back("a")
    assert taken(buckets, 2) == [True, False]


# signed-in callers


def test_a_caller_has_a_limit_that_is_nobody_elses() -> None:
    rates = CallerRates(StopWatch())
    for _ in range(caller_rates.CALLS_PER_CALLER.burst):
        rates.call(caller(CONTOSO))
    with pytest.raises(RateLimited, match="by this account") as refused:
        rates.call(caller(CONTOSO))
    assert refused.value.retry_after >= 1
    rates.call(caller(CONTOSO, "other"))
    rates.call(caller(FABRIKAM))  # the same object id in another tenant is another identity


def test_all_callers_of_a_tenant_share_its_limit_and_other_tenants_are_untouched() -> None:
    rates = CallerRates(StopWatch())
    for number in range(caller_rates.CALLS_PER_TENANT.burst):
        rates.call(caller(CONTOSO, str(number // 500)))
    with pytest.raises(RateLimited, match="accounts of this tenant"):
        rates.call(caller(CONTOSO, "fresh"))
    rates.call(caller(FABRIKAM))


def test_a_caller_over_its_own_limit_takes_nothing_from_its_tenant() -> None:
    watch = StopWatch()
    rates = CallerRates(watch)
    for _ in range(2 * caller_rates.CALLS_PER_TENANT.burst):
        passes(partial(rates.call, caller(CONTOSO, "greedy")))
    for number in range(caller_rates.CALLS_PER_TENANT.burst - caller_rates.CALLS_PER_CALLER.burst):
        rates.call(caller(CONTOSO, f"other {number // 500}"))


def test_an_operators_calls_use_up_nothing_of_the_tenant_that_is_opened() -> None:
    """The bucket is that of the operator's own tenant, whichever tenant the path names."""
    rates = CallerRates(StopWatch())
    for number in range(caller_rates.CALLS_PER_TENANT.burst):
        rates.call(caller(HOME, str(number // 500)))
    assert not passes(partial(rates.call, caller(HOME, "fresh")))
    rates.call(caller(CONTOSO))


def test_calls_that_ask_microsoft_have_a_tighter_limit_beside_that_of_all_calls() -> None:
    rates = CallerRates(StopWatch())
    for _ in range(caller_rates.UPSTREAM_PER_CALLER.burst):
        rates.upstream(caller(CONTOSO))
    with pytest.raises(RateLimited, match="ask Microsoft"):
        rates.upstream(caller(CONTOSO))
    rates.call(caller(CONTOSO))


def test_limits_leave_room_for_a_custom_connector_and_a_large_flow() -> None:
    """500 requests a minute per connection, which a flow may send in one burst."""
    limit = caller_rates.CALLS_PER_CALLER
    assert limit.burst >= 500
    assert limit.per_second * 60 >= 500
    assert caller_rates.CALLS_PER_TENANT.burst >= 4 * limit.burst
