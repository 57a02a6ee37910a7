"""Keys are fetched rarely, by one thread, and the last good set outlives an outage."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from shared.clients.entra.signing_keys import SigningKeys, usable
from shared.kernel.errors import Broken, Unreachable
from tests.clients.fake_cloud import CLOUD, Answer, Asked, FakeCloud, KeyMaker, TurnedClock


def test_a_set_is_fetched_once_and_serves_an_hour(keys: SigningKeys, maker: KeyMaker, clock: TurnedClock) -> None:
    for _ in range(3):
        assert keys.find("k1")
    assert maker.fetches == 1
    clock.turn(minutes=59)
    assert keys.find("k1")
    assert maker.fetches == 1
    clock.turn(minutes=2)
    assert keys.find("k1")
    assert maker.fetches == 2


def test_a_new_key_is_found_at_once(keys: SigningKeys, maker: KeyMaker) -> None:
    assert keys.find("k1")
    maker.publish("k2")
    assert keys.find("k2")
    assert maker.fetches == 2


def test_unknown_key_ids_cost_one_fetch_in_30_seconds_however_many_there_are(
    keys: SigningKeys, maker: KeyMaker, clock: TurnedClock
) -> None:
    keys.find("k1")
    for number in range(50):
        assert keys.find(f"junk-{number}") is None
    assert maker.fetches == 2
    clock.turn(seconds=29)
    assert keys.find("junk") is None
    assert maker.fetches == 2
    clock.turn(seconds=1)
    for number in range(50):
        assert keys.find(f"junk-{number}") is None
    assert maker.fetches == 3


def test_the_last_good_set_serves_a_day_of_outage_and_no_longer(
    keys: SigningKeys, maker: KeyMaker, clock: TurnedClock
) -> None:
    keys.find("k1")
    maker.failure = Answer(503)
    clock.turn(hours=23, minutes=59)
    assert keys.find("k1")
    assert keys.find("k2") is None
    clock.turn(minutes=2)
    with pytest.raises(Unreachable):
        keys.find("k1")
    maker.failure = None
    clock.turn(seconds=6)
    assert keys.find("k1")


def test_an_outage_is_not_asked_about_at_every_call(keys: SigningKeys, maker: KeyMaker, clock: TurnedClock) -> None:
    keys.find("k1")
    maker.failure = Answer(503)
    clock.turn(hours=2)
    for _ in range(10):
        assert keys.find("k1")
    assert maker.fetches == 2
    clock.turn(seconds=61)
    keys.find("k1")
    assert maker.fetches == 3


def test_without_any_set_the_reason_is_raised_and_the_next_try_comes_soon(
    keys: SigningKeys, maker: KeyMaker, clock: TurnedClock
) -> None:
    maker.failure = Answer(500)
    for _ in range(3):
        with pytest.raises(Unreachable):
            keys.find("k1")
    assert maker.fetches == 1
    maker.failure = None
    clock.turn(seconds=6)
    assert keys.find("k1")


@pytest.mark.parametrize(
    "failure",
    [
        Answer(404),
        Answer(302, b"", {"Location": "https://evil.example/"}),
        Answer(body=b"<html>"),
        Answer(body=b"[]"),
        Answer(body={"keys": 5}),
        Answer(body={"keys": []}),
        Answer(body=b"[" * 100_000),
    ],
)
def test_an_answer_without_keys_is_broken_and_does_not_replace_a_good_set(
    keys: SigningKeys, maker: KeyMaker, clock: TurnedClock, failure: Answer
) -> None:
    maker.failure = failure
    with pytest.raises(Broken):
        keys.find("k1")
    maker.failure = None
    clock.turn(seconds=6)
    assert keys.find("k1")
    maker.failure = failure
    clock.turn(hours=2)
    assert keys.find("k1")


def test_a_dropped_connection_is_unreachable(keys: SigningKeys, maker: KeyMaker) -> None:
    maker.failure = Answer(drop=True)
    with pytest.raises(Unreachable):
        keys.find("k1")


def test_many_threads_at_a_cold_start_cause_one_fetch(
    cloud: FakeCloud, maker: KeyMaker, session: requests.Session, clock: TurnedClock
) -> None:
    keys = SigningKeys(session, CLOUD, clock)
    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(keys.find, ["k1"] * 16))
    assert maker.fetches == 1


def test_while_one_thread_fetches_the_others_use_the_old_set(
    cloud: FakeCloud, maker: KeyMaker, keys: SigningKeys, clock: TurnedClock
) -> None:
    keys.find("k1")
    clock.turn(hours=2)
    reached, go_on = threading.Event(), threading.Event()

    def slowly(_: Asked) -> Answer:
        reached.set()
        go_on.wait(5)
        return Answer(body={"keys": list(maker.published.values())})

    cloud.on(KeyMaker.path, slowly)
    with ThreadPoolExecutor(1) as pool:
        fetching = pool.submit(keys.find, "k1")
        assert reached.wait(5)
        assert keys.find("k1")
        assert not fetching.done()
        go_on.set()
        assert fetching.result(5)
    assert maker.fetches == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"kty": "EC"},
        {"use": "enc"},
        {"alg": "RS512"},
        {"n": 5},
        {"n": ""},
        {"n": "AQAB"},
        {"n": "ä"},
        {"e": "AA"},
        {"e": None},
        {"kid": 7},
        {"kid": ""},
        {"issuer": ["https://login.microsoftonline.com/{tenantid}/v2.0"]},
    ],
)
def test_a_key_that_is_not_for_us_is_passed_over(maker: KeyMaker, changes: dict[str, object]) -> None:
    maker.publish("odd", **changes)
    assert set(usable(list(maker.published.values()))) == {"k1"}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.lists(st.fixed_dictionaries({"kty": st.just("RSA"), "kid": _JSON, "n": _JSON, "e": _JSON}) | _JSON) | _JSON)
def test_no_key_set_is_strange_enough_to_raise(entries: object) -> None:
    assert usable(entries) == {}
