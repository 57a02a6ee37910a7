"""Is this instance able to work? Each dependency with its state and how long it took to tell."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shared.errors import AppError


@dataclass(frozen=True, slots=True)
class Dependency:
    """``needed`` ones decide whether the instance is ready; the others only explain what is slow or missing."""

    name: str
    ok: bool
    needed: bool
    latency_ms: int
    detail: str = ""


class Health:
    """``probes`` raise an AppError when their dependency does not answer."""

    def __init__(self, needed: Mapping[str, Callable[[], object]], useful: Mapping[str, Callable[[], object]]) -> None:
        self._probes = [(name, True, probe) for name, probe in needed.items()]
        self._probes += [(name, False, probe) for name, probe in useful.items()]

    def check(self) -> list[Dependency]:
        return [_ask(name, needed, probe) for name, needed, probe in self._probes]


def _ask(name: str, needed: bool, probe: Callable[[], object]) -> Dependency:
    started = time.perf_counter()
    detail = ""
    try:
        probe()
    except AppError as exc:
        detail = exc.detail
    return Dependency(name, not detail, needed, round((time.perf_counter() - started) * 1000), detail)
