"""Much work side by side, of which nobody takes more than a share."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

T = TypeVar("T")


class SideBySide(Generic[T]):
    """Runs ``act`` on items, ``at_once`` at the same time and ``per_lane`` of one lane, so that a lane which hangs
    leaves room for the others. ``act`` says whether the item counts.

    Behind those of a lane that run, ``waiting`` may wait; further ones are left out, so that memory has a bound.
    """

    def __init__(
        self,
        lane_of: Callable[[T], str],
        act: Callable[[T], bool],
        is_over: Callable[[], bool],
        *,
        at_once: int,
        per_lane: int,
        waiting: int,
    ) -> None:
        """Once ``is_over`` no further item is begun."""
        self.counted = 0
        self.left_out = 0
        self._lane_of = lane_of
        self._act = act
        self._is_over = is_over
        self._at_once = at_once
        self._per_lane = per_lane
        self._most_waiting = waiting
        self._running: dict[Future[bool], str] = {}
        self._load: Counter[str] = Counter()
        self._waiting: defaultdict[str, deque[T]] = defaultdict(deque)
        self._failure: BaseException | None = None

    def run(self, items: Iterable[T]) -> None:
        """Returns when all that was begun is done. An item that fails holds up no other; the first failure is raised
        at the end.
        """
        with ThreadPoolExecutor(self._at_once) as pool:
            for item in items:
                if self._is_over():
                    break
                self._take(pool, self._lane_of(item), item)
            while self._running:
                self._await_one(pool)
        if self._failure:
            raise self._failure

    def _take(self, pool: ThreadPoolExecutor, lane: str, item: T) -> None:
        while len(self._running) >= self._at_once:
            self._await_one(pool)
        if self._load[lane] < self._per_lane:
            self._begin(pool, lane, item)
        elif len(self._waiting[lane]) < self._most_waiting:
            self._waiting[lane].append(item)
        else:
            self.left_out += 1

    def _begin(self, pool: ThreadPoolExecutor, lane: str, item: T) -> None:
        self._load[lane] += 1
        self._running[pool.submit(self._act, item)] = lane

    def _await_one(self, pool: ThreadPoolExecutor) -> None:
        for done in wait(self._running, return_when=FIRST_COMPLETED).done:
            lane = self._running.pop(done)
            self._load[lane] -= 1
            if failure := done.exception():
                self._failure = self._failure or failure
            else:
                self.counted += done.result()
            if self._waiting[lane] and not self._is_over():
                self._begin(pool, lane, self._waiting[lane].popleft())
