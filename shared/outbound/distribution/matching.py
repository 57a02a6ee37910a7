"""Whose turn it is: which task is offered next, and to whom. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.outbound.tasks.entities import KeptTask
from shared.outbound.tasks.lifecycle import may_be_offered
from shared.outbound.tasks.models import Priority
from shared.outbound.tasks.task import ExternalTask, Task

_RANK: Final[dict[Priority, int]] = {"High": 0, "Normal": 1, "Low": 2}
_NOT_PREFERRED: Final = 100  # behind every priority a flow can give a preferred user


@dataclass(frozen=True, slots=True)
class Candidate:
    """A member who could take a task now."""

    user_id: str
    upn: str


def order_of_tasks(queued: Sequence[KeptTask]) -> list[KeptTask]:
    """By priority, then by due time."""
    return sorted(
        queued,
        key=lambda kept: (_RANK[kept.task.distribution_priority], kept.task.due_date_time_utc, kept.task.task_id),
    )


def next_pair(
    tasks: Sequence[Task], free: Sequence[Candidate], idle_since: Mapping[str, str], now: datetime
) -> tuple[int, Candidate] | None:
    """The first task that has a candidate, by its place, and that candidate; None when no task has one."""
    for place, task in enumerate(tasks):
        ranked = [(_rank(task, one, idle_since), one) for one in free if may_be_offered(task, one.user_id, now)]
        if ranked:
            return place, min(ranked, key=lambda pair: pair[0])[1]
    return None


def _rank(task: Task, candidate: Candidate, idle_since: Mapping[str, str]) -> tuple[str, int, str, str]:
    """Who let this task pass comes last; then preferred users; then who is idle longest, new ones first of all."""
    return (
        task.passed.get(candidate.user_id, ""),
        _preference(task, candidate),
        idle_since.get(candidate.user_id, ""),
        candidate.user_id,
    )


def _preference(task: Task, candidate: Candidate) -> int:
    if not isinstance(task, ExternalTask):
        return _NOT_PREFERRED
    upn = candidate.upn.casefold()
    priorities = [user.priority for user in task.preferred_users or [] if user.upn.casefold() == upn]
    return min(priorities, default=_NOT_PREFERRED)
