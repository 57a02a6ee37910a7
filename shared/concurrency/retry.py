"""The only place that waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from shared.kernel.errors import Throttled

T = TypeVar("T")
Sleep = Callable[[float], None]
wait: Sleep = time.sleep


def patiently(
    attempt: Callable[[], T],
    *,
    patience: float,
    sleep: Sleep = wait,
    elapsed: Callable[[], float] = time.monotonic,
) -> T:
    """Run ``attempt``; when the far side says slow down, wait as long as it asks for and try again.

    ``patience`` is the sum of seconds this may take. A pause that does not fit into what is left of it is
    raised at once: waiting for what cannot come helps nobody. Every other error passes through.
    """
    give_up_at = elapsed() + patience
    while True:
        try:
            return attempt()
        except Throttled as exc:
            if elapsed() + exc.retry_after >= give_up_at:
                raise
            sleep(exc.retry_after)
