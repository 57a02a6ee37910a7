"""When a task may be due."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from shared.errors import Finding, Invalid
from shared.outbound.models import SchedulerEntryWrite

MAY_BE_LATE: Final = timedelta(minutes=5)
MAY_BE_AHEAD: Final = timedelta(days=90)


def is_due_fine(write: SchedulerEntryWrite, now: datetime) -> bool:
    return now - MAY_BE_LATE <= write.due <= now + MAY_BE_AHEAD


def check_due(write: SchedulerEntryWrite, now: datetime) -> None:
    """Raises Invalid for a time too far away, on either side."""
    if not is_due_fine(write, now):
        bound = "more than 5 minutes past" if write.due < now else "more than 90 days ahead"
        raise Invalid([Finding("dueDateTimeUtc", f"is {bound}", "OutOfRange")])
