"""The rule that keeps the limit, against every interleaving of readers with old views."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shared.outbound.admission.slots import Admitted, Full, admit

LIMITS = st.integers(1, 6)
HELD = st.sets(st.integers(0, 8), max_size=7)


@dataclass(frozen=True)
class View:
    """What a submitter read, some time ago. ``alone`` when nobody with an older limit was about then or came since."""

    limit: int
    slots: tuple[int, ...]
    alone: bool = True


class Submitters(RuleBasedStateMachine):
    """Submitters read, wait as long as they like, and then take one of the slots they saw, if it is still free."""

    def __init__(self) -> None:
        super().__init__()
        self.limit = 1
        self.held: set[int] = set()
        self.views: list[View] = []

    @initialize(limit=LIMITS, held=HELD)
    def start(self, limit: int, held: set[int]) -> None:
        """Any slots may be held: whatever limits there were before, they have left something behind."""
        self.limit = limit
        self.held = set(held)

    @rule()
    def read(self) -> None:
        verdict = admit(self.held, limit=self.limit)
        if isinstance(verdict, Admitted):
            self.views.append(View(self.limit, verdict.slots, all(view.alone for view in self.views)))

    @precondition(lambda self: self.views)
    @rule(data=st.data())
    def act_on_an_old_view(self, data: st.DataObject) -> None:
        view = self.views.pop(data.draw(st.integers(0, len(self.views) - 1)))
        slot = data.draw(st.sampled_from(view.slots))
        if slot not in self.held:  # else somebody was faster, and this submitter starts over
            self.take(slot, view)

    def take(self, slot: int, view: View) -> None:
        self.held.add(slot)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        self.held.remove(data.draw(st.sampled_from(sorted(self.held))))


class SubmittersUnderChangingLimits(Submitters):
    """A submitter keeps the limit it read, so one who read just before the change may still come in after it."""

    def __init__(self) -> None:
        super().__init__()
        self.highest = 0

    @rule(limit=LIMITS)
    def change_the_limit(self, limit: int) -> None:
        self.limit = limit
        self.views = [replace(view, alone=False) for view in self.views]

    def take(self, slot: int, view: View) -> None:
        self.held.add(slot)
        if view.alone and all(other.alone for other in self.views):
            assert len(self.held) <= self.limit, "admitted although the count was not below the lowered limit"
        assert len(self.held) <= self.highest, "more than any limit ever allowed"

    @invariant()
    def remember_the_most_that_was_ever_allowed(self) -> None:
        self.highest = max(self.highest or len(self.held), self.limit)


TestSubmitters = SubmittersUnderChangingLimits.TestCase
TestSubmitters.settings = settings(
    max_examples=80, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)

State = tuple[frozenset[int], tuple[tuple[int, ...], ...]]
"""The slots that are held, and what each submitter on its way has seen free."""


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_under_one_limit_no_interleaving_at_all_lets_one_too_many_in(limit: int) -> None:
    """Every state that up to three submitters with old views can reach, whatever earlier limits have left behind."""
    slots = range(limit + 3)
    waiting: list[State] = [(frozenset(held), ()) for count in slots for held in combinations(slots, count)]
    seen = set(waiting)
    while waiting:
        for state in steps(waiting.pop(), limit):
            if state not in seen:
                seen.add(state)
                waiting.append(state)
    assert len(seen) > 2 ** len(slots)


def steps(state: State, limit: int) -> Iterator[State]:
    held, views = state
    verdict = admit(held, limit=limit)
    if isinstance(verdict, Admitted) and len(views) < 3:
        yield held, tuple(sorted([*views, verdict.slots]))
    for number, view in enumerate(views):
        others = views[:number] + views[number + 1 :]
        for slot in view:
            if slot not in held:
                assert len(held) < limit, f"{slot} is taken although {sorted(held)} are held"
            yield held | {slot}, others
    for slot in held:
        yield held - {slot}, views


@given(held=HELD, limit=LIMITS)
def test_refused_exactly_when_as_many_as_the_limit_are_held(held: set[int], limit: int) -> None:
    verdict = admit(held, limit=limit)
    if len(held) >= limit:
        assert verdict == Full(limit, len(held))
    else:
        assert isinstance(verdict, Admitted)


@given(held=HELD, limit=LIMITS)
def test_where_there_is_room_only_free_slots_are_named_and_at_least_one(held: set[int], limit: int) -> None:
    match admit(held, limit=limit):
        case Admitted(slots):
            assert slots
            assert held.isdisjoint(slots)
            assert len(set(slots)) == len(slots)
            assert all(0 <= slot < limit for slot in slots)


@given(held=HELD, limit=LIMITS)
def test_filling_up_alone_reaches_the_limit_and_stops_there(held: set[int], limit: int) -> None:
    start = len(held)
    taken = set(held)
    while isinstance(verdict := admit(taken, limit=limit), Admitted):
        taken.add(verdict.slots[-1])
    assert len(taken) == max(start, limit)


@given(limit=LIMITS)
def test_an_empty_service_offers_as_many_slots_as_the_limit(limit: int) -> None:
    assert admit([], limit=limit) == Admitted(tuple(range(limit)))


def test_a_lowered_limit_admits_nobody_until_enough_have_finished() -> None:
    held = set(range(10))
    for finished in range(10):
        if len(held) >= 4:
            assert admit(held, limit=4) == Full(4, 10 - finished)
        held.remove(finished)
    assert isinstance(admit({9, 8, 7}, limit=4), Admitted)
