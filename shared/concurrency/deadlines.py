"""Waiting for work that may never end."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Final, TypeVar

from shared.kernel import log
from shared.kernel.errors import Unreachable

T = TypeVar("T")

LATE: Final = 60.0  # seconds of silence after which an answer that something hangs on is not expected any more


def within(seconds: float, act: Callable[[], None]) -> bool:
    """Run ``act`` in a thread and say whether it ended in time; if not, it goes on alone.

    It ends by itself: every answer of a far side has a limit in all, see connections.py. The thread is a daemon, so it
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


def in_time(seconds: float, ask: Callable[[], T], *, undo: Callable[[T], object]) -> T:
    """What ``ask`` gives or raises; Unreachable if that takes longer.

    An answer that comes too late is given to ``undo``, in the thread that waited for it.
    """
    outcomes: list[tuple[T, None] | tuple[None, BaseException]] = []
    left_alone, turn = threading.Event(), threading.Lock()

    def act() -> None:
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
    """``in_time`` for far sides that may hang.

    While ``per_lane`` threads of one lane, or ``most`` in all, wait on after their callers have gone, nothing new
    begins: a caller is told at once that no answer came in time. Calls that begin together may pass the bound together.
    """

    def __init__(self, *, per_lane: int = 20, most: int = 200) -> None:
        self._per_lane = per_lane
        self._most = most
        self._waiting: Counter[str] = Counter()
        self._lock = threading.Lock()

    def in_time(self, lane: str, seconds: float, ask: Callable[[], T], *, undo: Callable[[T], object]) -> T:
        """What ``ask`` gives or raises. Raises Unreachable if that takes longer, or if too many wait in the lane."""
        with self._lock:
            if self._waiting[lane] >= self._per_lane or self._waiting.total() >= self._most:
                raise Unreachable("no answer came in time to those who asked before")
        left_alone = ended = False

        def act() -> T:
            nonlocal ended
            try:
                return ask()
            finally:
                with self._lock:
                    ended = True
                    if left_alone:
                        self._forget(lane)

        try:
            return in_time(seconds, act, undo=undo)
        finally:
            with self._lock:
                if not ended and seconds > 0:
                    left_alone = True
                    self._waiting[lane] += 1

    def _forget(self, lane: str) -> None:
        self._waiting[lane] -= 1
        if not self._waiting[lane]:
            del self._waiting[lane]
