"""Threads that start at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from shared.kernel.errors import AppError

T = TypeVar("T")


def together(count: int, act: Callable[[int], T]) -> list[T | AppError]:
    """What ``act(0)`` ... ``act(count - 1)`` gave or raised, each in a thread of its own, all at once."""
    start = Barrier(count)

    def run(number: int) -> T | AppError:
        start.wait(30)
        try:
            return act(number)
        except AppError as exc:
            return exc

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def codes(outcomes: list[T | AppError]) -> list[str]:
    """The codes of those that raised."""
    return [outcome.code for outcome in outcomes if isinstance(outcome, AppError)]
