"""When a task may be due."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from shared.kernel.errors import Finding, Invalid
from shared.outbound.tasks.models import SchedulerEntryWrite

MAY_BE_LATE: Final = timedelta(minutes=5)
MAY_BE_AHEAD: Final = timedelta(days=90)


def is_due_fine(write: SchedulerEntryWrite, asked_at: datetime) -> bool:
    return asked_at - MAY_BE_LATE <= write.due <= asked_at + MAY_BE_AHEAD


def check_due(write: SchedulerEntryWrite, asked_at: datetime) -> None:
    """Raises Invalid (``DueDateOutOfRange``) for a time too far from when the task was asked for, on either side."""
    if not is_due_fine(write, asked_at):
        bound = "more than 5 minutes past" if write.due < asked_at else "more than 90 days ahead"
        raise Invalid([Finding("dueDateTimeUtc", f"is {bound}", "OutOfRange")], code="DueDateOutOfRange")
