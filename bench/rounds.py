"""Takes turns between what is compared, and says how far the figures spread.

One round runs every side once, one round forwards and the next one backwards, so that a machine that gets
slower meanwhile does so for all sides alike. A ratio is taken within each round before the median of them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and most of one figure over all rounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(median(values), min(values), max(values))

    def text(self, digits: int = 0) -> str:
        """``median (least..most)``."""
        return f"{self.median:.{digits}f} ({self.least:.{digits}f}..{self.most:.{digits}f})"


def ratio(ours: Sequence[float], bare: Sequence[float]) -> Spread:
    """Ours divided by the bare equivalent of the same round."""
    return Spread.of([one / other for one, other in zip(ours, bare, strict=True)])


def take_turns(
    sides: Mapping[str, Callable[[], T]], *, rounds: int, warm_ups: int = 1, title: str
) -> dict[str, list[T]]:
    """What each side gave in each round, in the order of the rounds. Warm-ups run before and are not kept."""
    names = list(sides)
    kept: dict[str, list[T]] = {name: [] for name in sides}
    for number in range(-warm_ups, rounds):
        say(f"{title}: " + (f"round {number + 1} of {rounds}" if number >= 0 else "warm-up"))
        for name in names if number % 2 == 0 else reversed(names):
            given = sides[name]()
            if number >= 0:
                kept[name].append(given)
    return kept


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that ``share`` (0 to 1) of the values do not pass."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def say(text: str) -> None:
    """A line about progress, beside the result."""
    print(text, file=sys.stderr, flush=True)
