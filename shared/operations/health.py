"""Is this instance able to work? Each dependency with its state and how long it took to tell."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.concurrency.expiring_cache import Kept
from shared.kernel.clock import Clock
from shared.kernel.errors import AppError

FRESH: Final = timedelta(seconds=1)  # anybody may ask, so the dependencies are asked at most once in that time
PATIENCE: Final = 5.0  # seconds; of who asks while a check is under way


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
        self._last: Kept[list[Dependency]] = Kept(clock, 1, patience=patience)

    def check(self) -> list[Dependency]:
        """Returns the state of all dependencies, at most one second old. Who asks during a check gets its result.

        Raises Unreachable when that takes longer than PATIENCE.
        """
        return self._last.get("dependencies", make=self._asked)

    def _asked(self) -> tuple[list[Dependency], datetime]:
        found = [_ask(name, needed, probe) for name, needed, probe in self._probes]
        return found, self._clock() + FRESH


def _ask(name: str, needed: bool, probe: Callable[[], object]) -> Dependency:
    started = time.perf_counter()
    detail = ""
    try:
        probe()
    except AppError as exc:
        detail = exc.detail
    return Dependency(name, not detail, needed, round((time.perf_counter() - started) * 1000), detail)
