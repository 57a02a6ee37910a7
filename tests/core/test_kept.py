"""What a process keeps in mind for a while."""

from __future__ import annotations

from datetime import datetime, timedelta
from threading import Event, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.concurrency.expiring_cache import Entries, Kept
from shared.kernel.errors import Unreachable
from tests.core.race import together
from tests.core.world import FakeClock


class Maker:
    """Makes values that are good for an hour, and counts them."""

    def __init__(self, clock: FakeClock) -> None:
        self.made = 0
        self._clock = clock

    def __call__(self) -> tuple[int, datetime]:
        self.made += 1
        return self.made, self._clock() + timedelta(hours=1)


def test_a_value_is_made_again_when_its_moment_has_come(clock: FakeClock) -> None:
    kept: Kept[int] = Kept(clock, most=10)
    make = Maker(clock)
    assert [kept.get("a", make=make), kept.get("a", make=make)] == [1, 1]
    clock.move(minutes=59)
    assert kept.get("a", make=make) == 1
    clock.move(minutes=1)
    assert kept.get("a", make=make) == 2


def test_keys_of_several_parts_do_not_run_together(clock: FakeClock) -> None:
    kept: Kept[int] = Kept(clock, most=10)
    make = Maker(clock)
    assert kept.get("a", "bc", make=make) != kept.get("ab", "c", make=make)


def test_the_one_unused_longest_goes_when_there_are_too_many(clock: FakeClock) -> None:
    kept: Kept[int] = Kept(clock, most=2)
    make = Maker(clock)
    for key in ("a", "b", "a", "c"):
        kept.get(key, make=make)
    assert kept.get("a", make=make) == 1
    assert kept.get("b", make=make) == 4


def test_who_asks_at_the_same_moment_waits_for_one_making(clock: FakeClock) -> None:
    kept: Kept[int] = Kept(clock, most=10)
    make, began = Maker(clock), Event()

    def slowly() -> tuple[int, datetime]:
        began.wait(0.05)
        return make()

    assert set(map(str, together(8, lambda _: kept.get("a", make=slowly)))) == {"1"}


def test_a_failure_is_not_remembered(clock: FakeClock) -> None:
    kept: Kept[int] = Kept(clock, most=10)

    def fail() -> tuple[int, datetime]:
        raise Unreachable("silence")

    with pytest.raises(Unreachable):
        kept.get("a", make=fail)
    assert kept.get("a", make=Maker(clock)) == 1


def test_a_making_that_hangs_holds_up_its_own_key_alone_and_that_not_without_end(clock: FakeClock) -> None:
    kept: Kept[int] = Kept(clock, most=1_000, patience=0.05)
    began, release = Event(), Event()

    def hang() -> tuple[int, datetime]:
        began.set()
        assert release.wait(20)
        return Maker(clock)()

    first = Thread(target=lambda: kept.get("hangs", make=hang))
    first.start()
    try:
        assert began.wait(20)
        make = Maker(clock)
        assert [kept.get(str(number), make=make) for number in range(500)] == list(range(1, 501))
        with pytest.raises(Unreachable):
            kept.get("hangs", make=make)
    finally:
        release.set()
        first.join(20)
    assert kept.get("hangs", make=Maker(clock)) == 1
    assert len(kept._turns) == 0


def test_an_entry_leaves_the_memory_once_its_moment_has_come(clock: FakeClock) -> None:
    entries: Entries[str, datetime] = Entries(clock, most=1_000)
    for number in range(100):
        entries.put("contoso", number, "token", clock() + timedelta(hours=1))
    clock.move(hours=1)
    assert entries.get("contoso", 7) is None
    assert len(entries) == 99
    for number in range(101):
        entries.put("fabrikam", number, "token", clock() + timedelta(hours=1))
    assert len(entries) == 101


def test_a_tenant_that_leaves_takes_its_entries_along_and_no_others(clock: FakeClock) -> None:
    kept: Kept[int] = Kept(clock, most=10)
    make = Maker(clock)
    for tenant in ("contoso", "fabrikam"):
        kept.get(tenant, "token", make=make)
    kept.forget_tenant("contoso")
    assert len(kept._entries) == 1
    assert [kept.get(tenant, "token", make=make) for tenant in ("fabrikam", "contoso")] == [2, 3]


@given(steps=st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5), st.integers(0, 3)), max_size=40))
def test_entries_never_give_what_has_expired_and_never_exceed_their_bound(steps: list[tuple[str, int, int]]) -> None:
    moment = 0.0
    entries: Entries[float, float] = Entries(lambda: moment, most=4)
    latest: dict[tuple[str, int], float] = {}
    for tenant, key, life in steps:
        moment += 1
        found = entries.get(tenant, key)
        assert found is None or found == latest[tenant, key] > moment
        latest[tenant, key] = moment + life
        entries.put(tenant, key, moment + life, moment + life)
        assert len(entries) <= 4
