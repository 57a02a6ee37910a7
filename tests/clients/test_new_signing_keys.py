"""A key that Entra has just made is accepted within a minute, whatever key ids others send and even if Entra fails."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice

import jwt
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.clients.entra.signing_keys import MOST_WAITING, SigningKeys
from shared.kernel.errors import Unreachable
from tests.clients.fake_cloud import CLOUD, Answer, Asked, FakeCloud, KeyMaker, TurnedClock, a_key
from tests.scale import scaled

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SLOWEST = 13.0  # seconds that one fetch may take
PAUSE = 30.0  # seconds between the starts of two fetches for unknown ids
ACCEPTED_AFTER = PAUSE + SLOWEST  # within the 60 s that are promised
JWK = {name: jwt.algorithms.RSAAlgorithm.to_jwk(a_key().public_key(), as_dict=True)[name] for name in ("kty", "n", "e")}


@dataclass
class Entra(requests.Session):
    """Publishes k1, and from ``new_key_at`` on k2. Times are seconds since the start; fetches take ``durations``."""

    new_key_at: float
    outages: list[tuple[float, float]]
    durations: list[float]
    now: float = 0.0
    starts: list[float] = field(default_factory=list)

    def clock(self) -> datetime:
        return START + timedelta(seconds=self.now)

    def well_since(self, moment: float) -> float:
        """Since when the new key could be had, as seen at ``moment``."""
        return max([self.new_key_at, *(end for begin, end in self.outages if begin <= moment)])

    def get(self, url: str | bytes, **how: object) -> requests.Response:
        self.starts.append(self.now)
        whole = self.durations[len(self.starts) % len(self.durations)]
        self.now += whole / 2  # Entra looks at its keys half way
        answer = requests.Response()
        answer.status_code = 503 if any(begin <= self.now < end for begin, end in self.outages) else 200
        kids = ["k1", "k2"] if self.now >= self.new_key_at else ["k1"]
        answer._content = json.dumps({"keys": [JWK | {"kid": kid, "use": "sig"} for kid in kids]}).encode()
        self.now += whole / 2
        return answer


GAPS = st.sampled_from([0.0, 0.1, 5.0, 16.9, 17.0, 29.9, 30.0, 30.1, 60.0]) | st.floats(0, 90)
CALLS = st.lists(st.tuples(GAPS, st.sampled_from(["k1", "k2", "made up", "made up"])), min_size=1, max_size=30)
OUTAGES = st.lists(st.tuples(st.floats(0, 300), st.floats(0, 90)).map(lambda one: (one[0], sum(one))), max_size=3)
DURATIONS = st.lists(st.sampled_from([0.0, 0.1, SLOWEST]), min_size=1, max_size=4)
LAST = 1e6
ROUNDING = 0.002  # seconds; moments are kept to the millisecond
AGES = st.sampled_from([0.0, 3590.0, 7200.0])


@settings(max_examples=scaled(200, 2000), deadline=None)
@given(CALLS, st.floats(0, 300), OUTAGES, DURATIONS, AGES)
def test_a_new_key_is_accepted_within_a_minute_and_made_up_ids_cost_one_fetch_in_30_seconds(
    calls: list[tuple[float, str]],
    new_key_after: float,
    outages: list[tuple[float, float]],
    durations: list[float],
    age: float,
) -> None:
    """The minute counts from when the key is there and Entra well. ``age`` is that of the set as the calls begin."""
    begins = SLOWEST + age
    entra = Entra(begins + new_key_after, [(begins + begin, begins + end) for begin, end in outages], durations)
    keys = SigningKeys(entra, CLOUD, entra.clock)
    assert keys.find("k1")
    entra.now = begins
    for gap, kid in [*calls, (0.0, "made up")]:
        entra.now += gap
        accepted_from = entra.well_since(entra.now + SLOWEST) + ACCEPTED_AFTER
        asked_at, found = entra.now, keys.find(kid)
        assert found or kid != "k1"
        assert not found or kid != "made up"
        assert found or kid != "k2" or asked_at < accepted_from
    entra.now = max(entra.now, entra.well_since(LAST) + ACCEPTED_AFTER)
    assert keys.find("k2")
    starts = [round(start, 3) for start in entra.starts[1:]]
    # A set that is an hour old is fetched whatever ids come; only then may there be a second fetch in the 30 s.
    spared = starts[1:] if age == 0 else starts[2:]
    assert all(later - start >= PAUSE - ROUNDING for start, later in zip(starts, spared, strict=False)), starts


@pytest.mark.parametrize("since", [1.0, 29.0, 29.999])
def test_a_made_up_id_just_before_the_key_appears_delays_it_by_half_a_minute_at_most(since: float) -> None:
    entra = Entra(new_key_at=100.0 + since / 2, outages=[], durations=[0.0])
    keys = SigningKeys(entra, CLOUD, entra.clock)
    entra.now = 100.0
    assert keys.find("made up") is None
    entra.now = 100.0 + since
    assert keys.find("k2") is None
    for number in range(100):
        keys.find(f"made up {number}")
    entra.now = 130.0
    assert keys.find("k2")
    assert entra.starts == [100.0, 100.0, 130.0]


def test_a_fetch_that_fails_in_between_costs_no_more_than_the_pause(clock: TurnedClock) -> None:
    entra = Entra(new_key_at=3700.0, outages=[(3601.0, 3700.0)], durations=[0.0])
    keys = SigningKeys(entra, CLOUD, entra.clock)
    assert keys.find("k1")
    entra.now = 3699.0
    assert keys.find("k1"), "the set of the last hour, since a new one cannot be had"
    assert keys.find("made up") is None
    entra.now = 3728.9
    assert keys.find("k2") is None
    entra.now = 3729.0
    assert keys.find("k2")
    assert entra.starts == [0.0, 3699.0, 3729.0]


class SlowEntra:
    """Its answers wait for ``go_on``; ``reached`` says that one of them does."""

    def __init__(self, cloud: FakeCloud, maker: KeyMaker) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()
        self._maker = maker
        cloud.on(KeyMaker.path, self._answer)

    def _answer(self, _: Asked) -> Answer:
        self.reached.set()
        self.go_on.wait(5)
        return Answer(body={"keys": list(self._maker.published.values())})


def test_made_up_ids_do_not_wait_long_for_a_fetch_and_known_ones_not_at_all(
    cloud: FakeCloud, session: requests.Session, maker: KeyMaker, clock: TurnedClock
) -> None:
    keys = SigningKeys(session, CLOUD, clock, wait=0.001)
    assert keys.find("k1")
    entra = SlowEntra(cloud, maker)
    maker.publish("k2")
    with ThreadPoolExecutor(1) as pool:
        fetching = pool.submit(keys.find, "k2")
        assert entra.reached.wait(5)
        assert [keys.find(f"made up {number}") for number in range(50)] == [None] * 50
        assert keys.find("k1")
        assert not fetching.done()
        entra.go_on.set()
        assert fetching.result(5)
    assert maker.fetches == 2


def test_of_several_callers_with_a_new_key_none_is_refused(
    cloud: FakeCloud, session: requests.Session, maker: KeyMaker, clock: TurnedClock
) -> None:
    keys = SigningKeys(session, CLOUD, clock, wait=5)
    assert keys.find("k1")
    entra = SlowEntra(cloud, maker)
    maker.publish("k2")
    with ThreadPoolExecutor(8) as pool:
        fetching = [pool.submit(keys.find, "k2") for _ in range(8)]
        assert entra.reached.wait(5)
        entra.go_on.set()
        assert all(one.result(10) for one in fetching)


def test_few_wait_for_a_fetch_and_the_others_are_refused_at_once(
    cloud: FakeCloud, session: requests.Session, maker: KeyMaker, clock: TurnedClock
) -> None:
    keys = SigningKeys(session, CLOUD, clock, wait=30)
    assert keys.find("k1")
    entra = SlowEntra(cloud, maker)
    refused = 5
    with ThreadPoolExecutor(1 + MOST_WAITING + refused) as pool:
        asking = [pool.submit(keys.find, f"made up {number}") for number in range(1 + MOST_WAITING + refused)]
        assert entra.reached.wait(5)
        first = list(islice(as_completed(asking, timeout=4), refused))
        assert [one.result() for one in first] == [None] * refused
        assert sum(one.done() for one in asking) == refused
        entra.go_on.set()
        assert [one.result(10) for one in asking] == [None] * len(asking)


def test_without_any_set_a_call_waits_for_a_moment_only(
    cloud: FakeCloud, session: requests.Session, maker: KeyMaker, clock: TurnedClock
) -> None:
    keys = SigningKeys(session, CLOUD, clock, first_wait=0.001)
    entra = SlowEntra(cloud, maker)
    with ThreadPoolExecutor(1) as pool:
        fetching = pool.submit(keys.find, "k1")
        assert entra.reached.wait(5)
        with pytest.raises(Unreachable):
            keys.find("k1")
        entra.go_on.set()
        assert fetching.result(10)
