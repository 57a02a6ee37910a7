"""Is this instance able to work? Each dependency with its state and how long it took to tell."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared.kernel.clock import Clock
from shared.kernel.errors import AppError

FRESH: Final = timedelta(seconds=1)  # anybody may ask, so the dependencies are asked at most once in that time
PATIENCE: Final = 5.0  # seconds; of who asks while a check is under way
_LATE: Final = "a check that is under way has no result yet"


@dataclass(frozen=True, slots=True)
class Dependency:
    """``needed`` ones decide whether the instance is ready; the others only explain what is slow or missing."""

    name: str
    ok: bool
    needed: bool
    latency_ms: int
    detail: str = ""


class Health:
    """``probes`` raise an AppError when their dependency does not answer. Safe to share between threads."""

    def __init__(
        self,
        needed: Mapping[str, Callable[[], object]],
        useful: Mapping[str, Callable[[], object]],
        clock: Clock,
        *,
        patience: float = PATIENCE,
    ) -> None:
        self._probes = [(name, True, probe) for name, probe in needed.items()]
        self._probes += [(name, False, probe) for name, probe in useful.items()]
        self._clock = clock
        self._patience = patience
        self._checking = threading.Lock()
        self._found: list[Dependency] = []
        self._good_until = clock()

    def check(self) -> list[Dependency]:
        """Returns the state of all dependencies, at most one second old. Who asks during a check gets its result.

        Where that takes longer than ``patience`` seconds, no dependency counts as ok.
        """
        if not self._checking.acquire(timeout=self._patience):
            waited = round(self._patience * 1000)
            return [Dependency(name, False, needed, waited, _LATE) for name, needed, _ in self._probes]
        try:
            if self._clock() >= self._good_until:
                self._found = [_ask(name, needed, probe) for name, needed, probe in self._probes]
                self._good_until = self._clock() + FRESH
            return self._found
        finally:
            self._checking.release()


def _ask(name: str, needed: bool, probe: Callable[[], object]) -> Dependency:
    started = time.perf_counter()
    detail = ""
    try:
        probe()
    except AppError as exc:
        detail = exc.detail
    return Dependency(name, not detail, needed, round((time.perf_counter() - started) * 1000), detail)
