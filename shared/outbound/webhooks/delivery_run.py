"""One delivery turn of a hook: what it has come to so far, and what that makes of the hook. No input or output here."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Any, Final

from shared.kernel.clock import to_wire
from shared.outbound.webhooks.models import Hook
from shared.outbound.webhooks.retry_policy import Trouble, after_failure, verdict
from shared.outbound.webhooks.store import KeptHook

_RELEASED: Final[dict[str, Any]] = {"lease_until": None}
_WELL: Final[dict[str, Any]] = {"failing_since": None, "tries": 0, "next_try": None}


@dataclass(frozen=True, slots=True)
class Said:
    """What a receiver said: a status, or none and the code of the problem."""

    status: int | None = None
    problem: str | None = None
    retry_after: float | None = None


@dataclass
class Turn:
    """Shared by the threads of a turn. ``give_up_at`` is in seconds of the caller's stop watch."""

    tenant_id: str
    kept: KeptHook
    give_up_at: float
    delivered: int = 0
    failures: int = 0
    skipped: int = 0
    given_up: int = 0
    last: Said | None = None
    delivered_at: datetime | None = None
    asked: float | None = None
    is_gone: bool = False
    next_look: datetime | None = None
    owned: dict[str, bool] = field(default_factory=dict)
    _unwell: bool = False
    _lock: Lock = field(default_factory=Lock)

    @property
    def hook(self) -> Hook:
        return self.kept.hook

    def is_over(self, elapsed: float) -> bool:
        """No post is begun any more: time is up, the receiver is gone or needs rest."""
        return self.is_gone or self._unwell or elapsed >= self.give_up_at

    def look_at(self, moment: datetime) -> None:
        """Something is left to do then."""
        with self._lock:
            self.next_look = moment if self.next_look is None else min(moment, self.next_look)

    def succeeded(self, said: Said, now: datetime) -> None:
        with self._lock:
            self.delivered += 1
            self.last, self.delivered_at = said, now

    def failed(self, said: Said) -> None:
        with self._lock:
            self.failures += 1
            self.last = said
            self.asked = max(filter(None, (self.asked, said.retry_after)), default=None)
            self._unwell = self._unwell or verdict(said.status) == "unwell"

    def skip(self) -> None:
        with self._lock:
            self.skipped += 1

    def give_up(self, now: datetime) -> None:
        """What comes behind the event that was dropped is due."""
        with self._lock:
            self.given_up += 1
        self.look_at(now)


def well(hook: Hook) -> Hook:
    """The hook with no lease and no trouble."""
    return hook.model_copy(update=_RELEASED | _WELL)


def after_turn(turn: Turn, now: datetime) -> Hook:
    """The hook without its lease. One delivery makes it well; failures alone make it, or keep it, failing.

    Failing for 24 h without a break switches it off.
    """
    hook = turn.hook
    update: dict[str, Any] = {
        **_RELEASED,
        "skipped": hook.skipped + turn.skipped,
        "given_up": hook.given_up + turn.given_up,
    }
    if turn.last is not None:
        update |= {"last_status": turn.last.status, "last_problem": turn.last.problem}
    if turn.delivered_at is not None:
        update |= {**_WELL, "last_delivery_at": to_wire(turn.delivered_at)}
        if turn.asked is not None:
            update["next_try"] = to_wire(after_failure(None, now, turn.asked).next_try)
    elif turn.failures:
        trouble = after_failure(hook.trouble, now, turn.asked)
        update |= _failing(trouble)
        if trouble.is_over(now):
            update["switched_off_at"] = to_wire(now)
    return hook.model_copy(update=update)


def _failing(trouble: Trouble) -> dict[str, Any]:
    return {
        "failing_since": to_wire(trouble.since),
        "tries": trouble.tries,
        "next_try": to_wire(trouble.next_try),
    }
