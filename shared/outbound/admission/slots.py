"""The rule that keeps a service within its limit, whoever submits wherever at the same time.

Each unfinished entry holds one numbered slot, a row that only one entry can create. Slots 0, 1, 2, ... below a
bound are open; the bound is the largest m for which m plus the slots held at m and above is at most the limit.

Why that is exact: with a fixed limit nobody takes a slot at or above the bound it read, so the sum "m plus
what is held at m and above" never grows for any bound once read; all entries lie below m or count in the
second part, so there are never more than the limit, however old a reader's view is. With nothing held
above the limit the bound is the limit itself. After the limit was lowered, slots above it drain first.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Admitted:
    """There is room: any of these slots, all of them free when they were read. Never empty."""

    slots: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Full:
    """As many as the limit, or more after it was lowered, are unfinished."""

    limit: int
    held: int


def admit(held: Collection[int], *, limit: int) -> Admitted | Full:
    """May one more entry come in, given the slots that are held?"""
    if len(held) >= limit:
        return Full(limit, len(held))
    taken = set(held)
    bound = limit
    while bound + sum(1 for slot in taken if slot >= bound) > limit:
        bound -= 1
    return Admitted(tuple(slot for slot in range(bound) if slot not in taken))
