"""How long is waited for whom, and how many may wait after nobody waits for them."""

from __future__ import annotations

from threading import Event, Lock

import pytest

from shared.concurrency.deadlines import Latecomers
from shared.kernel.errors import Unreachable
from tests.core.race import codes, together
from tests.devhost.stack import eventually


def answered(late: Latecomers, lane: str) -> bool:
    """Whether a question in this lane gets its answer."""
    try:
        return late.in_time(lane, 20, lambda: True, undo=lambda _: None)
    except Unreachable:
        return False


def test_a_lane_that_hangs_takes_so_many_threads_and_the_others_none() -> None:
    release, begun = Event(), []
    undone: list[str] = []

    def hang() -> str:
        begun.append("one")
        assert release.wait(20)
        return "late"

    late = Latecomers(per_lane=2, most=3)

    def ask(lane: str) -> None:
        with pytest.raises(Unreachable):
            late.in_time(lane, 0.02, hang, undo=undone.append)

    try:
        for _ in range(5):
            ask("a")
        assert len(begun) == 2
        assert late.in_time("b", 20, lambda: "at once", undo=undone.append) == "at once"
        ask("b")
        ask("c")
        assert len(begun) == 3
    finally:
        release.set()
    eventually(lambda: undone == ["late"] * 3, "what came late is undone")
    eventually(lambda: answered(late, "a"), "the lane is free again")


def test_who_fails_in_time_holds_no_place() -> None:
    late = Latecomers(per_lane=1, most=1)

    def fail() -> None:
        raise Unreachable("silence")

    for _ in range(3):
        with pytest.raises(Unreachable, match="silence"):
            late.in_time("a", 20, fail, undo=lambda _: None)


@pytest.mark.parametrize("one_lane", [True, False])
def test_callers_that_come_at_once_start_no_more_threads_than_the_bound(one_lane: bool) -> None:
    release, begun = Event(), []
    late = Latecomers(per_lane=3 if one_lane else 20, most=20 if one_lane else 3)

    def hang() -> None:
        begun.append("one")
        assert release.wait(20)

    def ask(number: int) -> None:
        late.in_time("a" if one_lane else str(number), 0.1, hang, undo=lambda _: None)

    try:
        assert codes(together(12, ask)) == ["UpstreamUnreachable"] * 12
        assert len(begun) == 3
    finally:
        release.set()


def test_callers_beyond_the_bound_wait_for_a_thread_and_are_answered() -> None:
    late, lock = Latecomers(per_lane=2), Lock()
    at_work, most_at_work = 0, 0
    moment = Event()

    def work() -> str:
        nonlocal at_work, most_at_work
        with lock:
            at_work += 1
            most_at_work = max(most_at_work, at_work)
        moment.wait(0.01)
        with lock:
            at_work -= 1
        return "done"

    answers = together(12, lambda _: late.in_time("a", 20, work, undo=lambda _: None))
    assert answers == ["done"] * 12
    assert most_at_work == 2


def test_a_thread_that_undoes_a_late_answer_keeps_its_place_until_that_is_done() -> None:
    answer, undoing, undone = Event(), Event(), Event()
    late = Latecomers(per_lane=1)

    def undo(_: bool) -> None:
        undoing.set()
        assert undone.wait(20)

    try:
        with pytest.raises(Unreachable):
            late.in_time("a", 0.02, lambda: answer.wait(20), undo=undo)
        answer.set()
        assert undoing.wait(20)
        with pytest.raises(Unreachable):
            late.in_time("a", 20, lambda: "another", undo=lambda _: None)
    finally:
        undone.set()
    eventually(lambda: answered(late, "a"), "its place is free")
