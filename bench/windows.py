"""Runs one thing on some threads for a while and sums up what it took."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from time import perf_counter, process_time
from typing import Any, Final

from requests.adapters import HTTPAdapter

from bench.rounds import Spread, percentile, say

Cycle = Callable[[], float | None]
"""Does the thing once and gives the seconds that count as latency, or None if it gave up."""


@dataclass(frozen=True, slots=True)
class Window:
    """One side in one round: cycles a second; each latency in ms; client CPU ms and HTTP requests a cycle."""

    per_second: float
    latencies: list[float]
    cpu: float
    trips: float
    give_ups: int


@dataclass(frozen=True, slots=True)
class Side:
    """All rounds of one side, in the units of Window. Percentiles are of the ``samples`` latencies of all rounds."""

    per_second: Spread
    p50: float
    p99: float
    samples: int
    cpu: Spread
    trips: Spread
    give_ups: int

    @classmethod
    def of(cls, windows: Sequence[Window]) -> Side:
        latencies = [latency for window in windows for latency in window.latencies]
        return cls(
            per_second=Spread.of([window.per_second for window in windows]),
            p50=percentile(latencies, 0.5),
            p99=percentile(latencies, 0.99),
            samples=len(latencies),
            cpu=Spread.of([window.cpu for window in windows]),
            trips=Spread.of([window.trips for window in windows]),
            give_ups=sum(window.give_ups for window in windows),
        )


@dataclass(slots=True)
class _Tally:
    latencies: list[float] = field(default_factory=list)
    give_ups: int = 0


class RoundTrips:
    """How many HTTP requests this process has sent since ``counting`` began, through requests' adapter."""

    def __init__(self) -> None:
        self._numbers = count()  # next() on it is one step, so threads lose no request
        self._looks = 0

    @property
    def sent(self) -> int:
        self._looks += 1
        return next(self._numbers) - self._looks + 1

    @contextmanager
    def counting(self) -> Iterator[RoundTrips]:
        """Count what every session of the process sends: ours builds its own, so the class is where to look."""
        send: Final = HTTPAdapter.send

        def counted(adapter: HTTPAdapter, *args: Any, **kwargs: Any) -> Any:
            next(self._numbers)
            return send(adapter, *args, **kwargs)

        HTTPAdapter.send = counted  # type: ignore[method-assign, assignment]
        try:
            yield self
        finally:
            HTTPAdapter.send = send  # type: ignore[method-assign]


def run(cycle: Cycle, trips: RoundTrips, *, threads: int, seconds: float) -> Window:
    """Every thread repeats the cycle until the time is over. CPU is that of the whole process: keep it quiet."""
    started = threading.Barrier(threads + 1)
    tallies = [_Tally() for _ in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        for tally in tallies:
            pool.submit(_repeat, cycle, tally, started, seconds)
        sent, cpu, began = trips.sent, process_time(), perf_counter()
        started.wait()
    took, spent = perf_counter() - began, process_time() - cpu
    latencies = [1000 * latency for tally in tallies for latency in tally.latencies]
    if not latencies:
        raise RuntimeError("nothing was done in the time given")
    done = len(latencies)
    return Window(
        per_second=done / took,
        latencies=latencies,
        cpu=1000 * spent / done,
        trips=(trips.sent - sent) / done,
        give_ups=sum(tally.give_ups for tally in tallies),
    )


def _repeat(cycle: Cycle, tally: _Tally, started: threading.Barrier, seconds: float) -> None:
    started.wait()
    end = perf_counter() + seconds
    while perf_counter() < end:
        try:
            latency = cycle()
        except Exception as error:  # whatever it is, the task did not get its answer
            say(f"gave up: {error!r}")
            latency = None
        if latency is None:
            tally.give_ups += 1
        else:
            tally.latencies.append(latency)
