"""Waiting for work that may never end."""

from __future__ import annotations

import threading
from collections.abc import Callable

from shared import log


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
