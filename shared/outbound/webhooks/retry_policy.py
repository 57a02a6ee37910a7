"""How long a callback that fails is tried again, and what an answer means. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

FIRST_PAUSE: Final = timedelta(seconds=10)  # doubled by each failure
LONGEST_PAUSE: Final = timedelta(hours=1)
GIVE_UP: Final = timedelta(hours=24)
KEPT: Final = timedelta(days=30)  # a switched-off hook, for admins to see
# An appointment may be called a little early by an instance whose clock runs ahead.
SLACK: Final = timedelta(seconds=5)

Verdict = Literal["delivered", "gone", "refused", "unwell"]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Failing without a break: since when, after how many tries, and when the next one is due."""

    since: datetime
    tries: int
    next_try: datetime

    def is_due(self, now: datetime) -> bool:
        return now + SLACK >= self.next_try

    def is_over(self, now: datetime) -> bool:
        """24 hours are long enough."""
        return now >= self.since + GIVE_UP


def after_failure(before: Trouble | None, now: datetime, asked: float | None = None) -> Trouble:
    """One more failure. ``asked`` are the seconds the receiver wants to be left alone; it gets an hour at most.

    The last try falls on the very end of the 24 hours, whatever the pauses are.
    """
    since, tries = (before.since, before.tries + 1) if before else (now, 1)
    pause = min(FIRST_PAUSE * 2 ** min(tries - 1, 16), LONGEST_PAUSE)
    if asked is not None:
        pause = max(pause, min(timedelta(seconds=asked), LONGEST_PAUSE))
    return Trouble(since, tries, max(now, min(now + pause, since + GIVE_UP)))


def verdict(status: int | None) -> Verdict:
    """What an answer says; None is no answer.

    ``refused`` may concern this event only, so others are still worth a try; ``unwell`` concerns the receiver.
    """
    match status:
        case None | 408 | 429:
            return "unwell"
        case 410:
            return "gone"
        case _ if 200 <= status < 300:
            return "delivered"
        case _ if 400 <= status < 500:
            return "refused"
        case _:
            return "unwell"
