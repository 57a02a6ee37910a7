"""What a process keeps in mind for a while."""

from __future__ import annotations

from datetime import datetime, timedelta
from threading import Event, Thread

import pytest

from shared.errors import Unreachable
from shared.kept import Kept
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
    assert kept._turns == {}
