"""Waiting for work that may never end."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import Final, TypeVar

from shared.kernel import log
from shared.kernel.errors import Unreachable

T = TypeVar("T")

LATE: Final = 60.0  # seconds of silence after which an answer that something hangs on is not expected any more


def within(seconds: float, act: Callable[[], None]) -> bool:
    """Run ``act`` in a thread and say whether it ended in time; if not, it goes on alone.

    It ends by itself: every answer of a far side has a limit in all, see keep_alive.py. The thread is a daemon, so it
    does not keep the process from ending before.
    """
    ended = threading.Event()

    def run() -> None:
        try:
            act()
        except Exception as exc:  # nobody above would see it; its text may quote what it worked on
            log.error("work in a thread of its own failed", why=type(exc).__name__)
        finally:
            ended.set()

    threading.Thread(target=run, name=getattr(act, "__name__", "work"), daemon=True).start()
    return ended.wait(seconds)


def in_time(
    seconds: float, ask: Callable[[], T], *, undo: Callable[[T], object], ended: Callable[[], None] = lambda: None
) -> T:
    """What ``ask`` gives or raises; Unreachable if that takes longer.

    An answer that comes too late is given to ``undo``, in the thread that waited for it. ``ended`` is called as the
    last thing that thread does.
    """
    outcomes: list[tuple[T, None] | tuple[None, BaseException]] = []
    left_alone, turn = threading.Event(), threading.Lock()

    def run() -> None:
        try:
            answer = ask()
        except BaseException as exc:
            outcomes.append((None, exc))
            return
        with turn:
            if not left_alone.is_set():
                outcomes.append((answer, None))
                return
        undo(answer)

    def act() -> None:
        try:
            run()
        finally:
            ended()

    if seconds > 0:
        within(seconds, act)
    with turn:
        left_alone.set()
    match outcomes:
        case [(None, BaseException() as failure)]:
            raise failure
        case [(answer, _)]:
            return answer  # type: ignore[return-value]
    raise Unreachable("no answer came in time")


class Latecomers:
    """``in_time`` for far sides that may hang: at most ``per_lane`` threads of one lane exist at once, and at most
    ``most`` in all, whether their callers still wait or have gone.

    A caller beyond that waits for a thread to end, within its own time. When the callers of all those threads have
    gone, the far side hangs, and the next caller is refused at once.
    """

    def __init__(self, *, per_lane: int = 20, most: int = 200) -> None:
        self._per_lane = per_lane
        self._most = most
        self._running: Counter[str] = Counter()  # threads by lane
        self._abandoned: Counter[str] = Counter()  # those whose caller has gone
        self._changed = threading.Condition()

    def in_time(self, lane: str, seconds: float, ask: Callable[[], T], *, undo: Callable[[T], object]) -> T:
        """What ``ask`` gives or raises. Raises Unreachable if that takes longer, or if no thread is free in time."""
        left = self._take_place(lane, seconds)
        gone = ended = False

        def end() -> None:
            nonlocal ended
            with self._changed:
                ended = True
                _decrease(self._running, lane)
                if gone:
                    _decrease(self._abandoned, lane)
                self._changed.notify_all()

        try:
            return in_time(left, ask, undo=undo, ended=end)
        finally:
            with self._changed:
                if not ended:
                    gone = True
                    self._abandoned[lane] += 1
                    self._changed.notify_all()

    def _take_place(self, lane: str, seconds: float) -> float:
        """Returns the seconds that are left, more than 0. Raises Unreachable."""
        give_up_at = monotonic() + seconds
        with self._changed:
            self._changed.wait_for(lambda: self._has_place(lane) or self._hangs(lane), seconds)
            left = give_up_at - monotonic()
            if left <= 0 or not self._has_place(lane):
                raise Unreachable("no answer came in time, nor to those who asked before")
            self._running[lane] += 1
        return left

    def _has_place(self, lane: str) -> bool:
        return self._running[lane] < self._per_lane and self._running.total() < self._most

    def _hangs(self, lane: str) -> bool:
        return self._abandoned[lane] >= self._per_lane or self._abandoned.total() >= self._most


def _decrease(counts: Counter[str], lane: str) -> None:
    """Count one less, and keep no lane with none."""
    counts[lane] -= 1
    if not counts[lane]:
        del counts[lane]
