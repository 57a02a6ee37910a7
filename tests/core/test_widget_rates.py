"""The widget's limits: strangers with a copied key cannot lock out visitors, and whose bucket an address belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.concurrency.token_buckets import Rate
from shared.interact.widget import rates
from shared.interact.widget.rates import Place, WidgetRates, place, session_mark
from shared.kernel.errors import RateLimited
from tests.core.stopwatch import StopWatch, passes

TENANT, KEY = "t1", "5c6b8a3e-0000-4000-8000-000000000001"
ATTACKERS = [f"203.{number}.113.7" for number in range(20)]
MINE = "198.51.100.1"
ENDLESS = 20_000  # more than any limit lets through at once
SESSION = session_mark(KEY, "my session", "my secret")


def stranger(limits: WidgetRates, address: str) -> None:
    """A call with the key alone, or with a wrong secret."""
    limits.arrive(address, session_mark(KEY, "a session", f"guess of {address}"))
    limits.proved_nothing(TENANT)


def start(limits: WidgetRates, address: str, *, proven: bool = False) -> None:
    limits.start(limits.arrive(address), TENANT, proven=proven)


def talk(limits: WidgetRates, address: str, session: str = SESSION) -> None:
    """A call that proves its session."""
    limits.proved_session(limits.arrive(address, session))


def drain(act: partial[None]) -> int:
    """Returns how often it passes until it is refused."""
    return drain_each(act for _ in range(ENDLESS))


def drain_each(acts: Iterable[partial[None]]) -> int:
    """Returns how many pass before one is refused; one of them is."""
    for count, act in enumerate(acts):
        if not passes(act):
            return count
    raise AssertionError("there is no limit")


@pytest.mark.parametrize(
    ("address", "key"),
    [(rates.CALLS_PER_ADDRESS, rates.CALLS_PER_KEY), (rates.STARTS_PER_ADDRESS, rates.STARTS_PER_KEY)],
)
def test_twenty_addresses_get_half_of_a_keys_bucket_at_most(address: Rate, key: Rate) -> None:
    assert 20 * address.burst <= key.burst / 2
    assert 20 * address.per_second <= key.per_second / 2


Wave = tuple[Literal["guess", "start"], int, int, float]
WAVES = st.lists(
    st.tuples(
        st.sampled_from(["guess", "start"]),
        st.integers(1, 20),  # addresses
        st.integers(1, 30),  # calls of each
        st.sampled_from([0, 0.01, 1, 30]),  # seconds to the next wave
    ),
    max_size=6,
)


@given(WAVES)
@example([("start", 20, 60, 0)] * 3)
@example([("guess", 20, 60, 0)] * 8)
def test_whatever_twenty_addresses_do_visitors_elsewhere_start_and_talk(waves: list[Wave]) -> None:
    watch = StopWatch()
    limits = WidgetRates(watch)
    acts = {"guess": stranger, "start": start}
    for act, addresses, times, pause in waves:
        for address in ATTACKERS[:addresses]:
            for _ in range(times):
                passes(partial(acts[act], limits, address))
        for visitor in (MINE, "198.51.101.1"):
            stranger(limits, visitor)
            talk(limits, visitor, session_mark(KEY, visitor, "my secret"))
        watch.seconds += pause
    start(limits, MINE)


@pytest.mark.parametrize("addresses", [ATTACKERS, [f"203.0.{number >> 8}.{number & 255}" for number in range(5000)]])
def test_a_running_conversation_goes_on_though_strangers_empty_all_they_can(addresses: list[str]) -> None:
    """Five thousand addresses do empty the key's buckets. Only new visitors without a proof notice."""
    limits = WidgetRates(StopWatch())
    for address in addresses:
        drain(partial(stranger, limits, address))
        drain(partial(start, limits, address))
    assert passes(partial(start, limits, MINE)) == (addresses is ATTACKERS)
    for _ in range(rates.CALLS_PER_SESSION.burst):
        talk(limits, MINE)
    start(limits, MINE, proven=True)


def test_a_known_session_is_served_at_an_address_that_strangers_have_emptied() -> None:
    limits = WidgetRates(StopWatch())
    limits.started(SESSION)
    drain(partial(stranger, limits, MINE))
    drain(partial(start, limits, MINE))
    talk(limits, MINE)
    with pytest.raises(RateLimited, match="calls from your address"):
        talk(limits, MINE, session_mark(KEY, "my session", "another secret"))


def test_a_proof_gives_the_token_of_the_door_back() -> None:
    limits = WidgetRates(StopWatch())
    for number in range(rates.PROVEN_CALLS_PER_ADDRESS.burst):
        talk(limits, MINE, session_mark(KEY, str(number), "secret"))
    assert drain(partial(stranger, limits, MINE)) == rates.CALLS_PER_ADDRESS.burst


def test_a_session_has_a_limit_and_so_have_all_sessions_of_an_address() -> None:
    """Sessions are cheap to start for a stranger, so many of them are no way around the limit of an address."""
    limits = WidgetRates(StopWatch())
    assert drain(partial(talk, limits, MINE)) == rates.CALLS_PER_SESSION.burst
    others = (session_mark(KEY, str(number), "secret") for number in range(ENDLESS))
    passed = drain_each(partial(talk, limits, MINE, other) for other in others)
    assert passed + rates.CALLS_PER_SESSION.burst == rates.PROVEN_CALLS_PER_ADDRESS.burst
    talk(limits, "198.51.100.2", session_mark(KEY, "elsewhere", "secret"))


def test_new_tokens_are_limited_by_session_and_by_address() -> None:
    limits = WidgetRates(StopWatch())
    arrival = limits.arrive(MINE, SESSION)
    assert drain(partial(limits.renew, arrival)) == rates.RENEWALS_PER_SESSION.burst
    others = [limits.arrive(MINE, session_mark(KEY, str(number), "secret")) for number in range(60)]
    passed = sum(passes(partial(limits.renew, other)) for other in others)
    assert passed + rates.RENEWALS_PER_SESSION.burst == rates.RENEWALS_PER_ADDRESS.burst


def test_starts_with_an_accepted_token_are_counted_apart_and_limited_too() -> None:
    limits = WidgetRates(StopWatch())
    assert drain(partial(start, limits, MINE)) == rates.STARTS_PER_ADDRESS.burst
    assert drain(partial(start, limits, MINE, proven=True)) == rates.PROVEN_STARTS_PER_ADDRESS.burst


def test_a_website_whose_own_server_starts_sessions_has_half_of_what_the_tenant_has() -> None:
    assert Rate(rates.STARTS_PER_KEY.per_second / 2, rates.STARTS_PER_KEY.burst // 2) == rates.PROVEN_STARTS_PER_ADDRESS


@pytest.mark.parametrize(
    "network",
    [[f"203.0.113.{number}" for number in range(200)], [f"2001:db8:1:{number:x}::1" for number in range(200)]],
)
def test_a_whole_network_counts_as_four_addresses(network: list[str]) -> None:
    limits = WidgetRates(StopWatch())
    starts = sum(drain(partial(start, limits, address)) for address in network)
    assert starts == 4 * rates.STARTS_PER_ADDRESS.burst
    with pytest.raises(RateLimited, match="your network"):
        start(limits, network[-1])
    start(limits, MINE)


def test_calls_without_a_known_address_are_limited_by_key_alone() -> None:
    limits = WidgetRates(StopWatch())
    assert drain(partial(start, limits, "")) == rates.STARTS_PER_KEY.burst


def test_a_mark_names_key_session_and_secret_together() -> None:
    marks = {session_mark(KEY, "a", "b"), session_mark(KEY, "ab", "b"), session_mark("other", "a", "b")}
    assert len(marks) == 3
    assert session_mark(KEY.upper(), "A", "b") in marks
    assert session_mark(KEY, "a", "") == ""
    assert session_mark(KEY, "a", "\udcff")


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ("203.0.113.7", Place("203.0.113.7", "203.0.113.0/24")),
        ("203.0.113.7:50123", Place("203.0.113.7", "203.0.113.0/24")),
        ("1.2.3.4, 203.0.113.7:50123", Place("203.0.113.7", "203.0.113.0/24")),
        ("[2001:db8:1:2:3:4:5:6]:50123", Place("2001:db8:1:2::/64", "2001:db8:1::/48")),
        ("2001:db8:1:2:ffff::1", Place("2001:db8:1:2::/64", "2001:db8:1::/48")),
        ("::ffff:203.0.113.7", Place("203.0.113.7", "203.0.113.0/24")),
        ("fe80::1%eth0", Place("fe80::/64", "fe80::/48")),
        ("", None),
        ("unknown", None),
        ("x" * 5000, None),
    ],
)
def test_the_last_hop_says_whose_call_it_is(said: str, where: Place | None) -> None:
    assert place(said) == where


def test_a_forged_header_does_not_change_whose_call_it_is() -> None:
    forged = {place(f"{text}, 203.0.113.7") for text in ("9.9.9.9", "", "[::1]", "a,b")}
    assert forged == {Place("203.0.113.7", "203.0.113.0/24")}
