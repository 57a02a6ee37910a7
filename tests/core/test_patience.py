"""How long is waited for whom, and how many may wait after nobody waits for them."""

from __future__ import annotations

from threading import Event

import pytest

from shared.concurrency.deadlines import Latecomers
from shared.kernel.errors import Unreachable
from tests.devhost.stack import eventually


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
    assert late.in_time("a", 20, lambda: "again", undo=undone.append) == "again"


def test_who_fails_in_time_holds_no_place() -> None:
    late = Latecomers(per_lane=1, most=1)

    def fail() -> None:
        raise Unreachable("silence")

    for _ in range(3):
        with pytest.raises(Unreachable, match="silence"):
            late.in_time("a", 20, fail, undo=lambda _: None)
