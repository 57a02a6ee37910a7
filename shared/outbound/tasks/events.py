"""What happens to a task, as webhooks tell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

Direction = Literal["Inbound", "Outbound"]
Modality = Literal["Audio", "ExternalTask"]

# In the order of a task's life; the value lists of the connector are made from these.
FINAL: Final = ("Completed", "Cancelled", "LimitReached", "AttemptsExhausted", "Released")
SCHEDULER_ENTRY_EVENTS: Final = (
    "Scheduled",
    "Rescheduled",
    "Queued",
    "Offered",
    "Accepted",
    "AttemptFailed",
    *FINAL,
    "Rejected",
)


@dataclass(frozen=True, slots=True)
class Event:
    """One event of one task. ``number`` counts 1, 2, 3, ... per task without holes.

    ``scheduler_entry`` is what a hook on scheduler entries is told (SchedulerEntryEventData of the connector), None
    for a task that is no scheduler entry; ``task`` is what a hook on tasks is told (TaskEventData).
    """

    tenant_id: str
    service_upn: str
    task_id: str
    number: int
    name: str
    direction: Direction
    modality: Modality
    scheduler_entry: Mapping[str, Any] | None
    task: Mapping[str, Any]
