"""Waiting for work that may never end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from shared import log
from shared.errors import Unreachable

T = TypeVar("T")


def within(seconds: float, act: Callable[[], None]) -> bool:
    """Run ``act`` in a thread and say whether it ended in time; if not, it goes on alone.

    Time limits of sockets count from byte to byte: a far side that drips one every second passes them all. The
    thread is a daemon, so such a far side does not keep the process from ending either.
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
