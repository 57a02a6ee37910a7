"""A task as it is kept: what was asked for, how far it has come, and how it got there."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import Field, TypeAdapter

from shared.kernel.clock import from_wire
from shared.kernel.wire import ConnectorModel
from shared.outbound.tasks.events import FINAL, Direction, Modality
from shared.outbound.tasks.models import ExternalTaskWrite, PreferredUsers, SchedulerEntryWrite, UtcTime

State = Literal[
    "Scheduled",
    "Queued",
    "Offered",
    "InProgress",
    "Completed",
    "Cancelled",
    "LimitReached",
    "AttemptsExhausted",
    "Released",
]
STATES: Final[tuple[State, ...]] = State.__args__  # type: ignore[attr-defined]
UNFINISHED: Final[frozenset[State]] = frozenset({"Scheduled", "Queued", "Offered", "InProgress"})
WITH_AGENT: Final[frozenset[State]] = frozenset({"Offered", "InProgress"})


class Step(ConnectorModel):
    """One transition, as an admin reads it. ``number`` counts from 1."""

    number: int
    event: str
    state: State
    at: UtcTime
    agent_user_id: str | None = None
    reason: str | None = None


class _Life(ConnectorModel):
    """How far a task has come. ``event`` is the last one, ``number`` how many there were.

    ``attempt`` counts how often an agent accepted it, ``offers`` how often it was offered; each offer has a number
    of its own, so that a late answer to an old one is told apart. ``passed`` says who let an offer pass, and when;
    ``connected_user_id`` is who accepted it last.
    """

    task_id: str
    state: State = "Scheduled"
    event: str = "Scheduled"
    number: int = 1
    attempt: int = 0
    offers: int = 0
    created_at: UtcTime
    queued_at: UtcTime | None = None
    queue_until: UtcTime | None = None
    offered_until: UtcTime | None = None
    accepted_at: UtcTime | None = None
    attempt_until: UtcTime | None = None
    finished_at: UtcTime | None = None
    completion_reason: str | None = None
    agent_user_id: str | None = None
    agent_upn: str | None = None
    connected_user_id: str | None = None
    connected_upn: str | None = None
    passed: dict[str, UtcTime] = {}
    history: list[Step] = []
    service_display_name: str | None = None
    service_tel_number: str | None = None

    @property
    def is_finished(self) -> bool:
        return self.state not in UNFINISHED

    @property
    def holder(self) -> str | None:
        """The user who has an offer of it or works on it."""
        return self.agent_user_id if self.state in WITH_AGENT else None

    def is_with(self, user_id: str) -> bool:
        return self.holder == user_id


class SchedulerEntryEventData(SchedulerEntryWrite):
    """A scheduler entry as a flow reads it. Empty optional fields are absent."""

    scheduler_entry_id: str | None = None
    event: str
    direction: Direction
    modality: Modality
    completion_reason: str | None = None


class Entry(SchedulerEntryWrite, _Life):
    """An accepted scheduler entry; ``slot`` is its place under the limit."""

    kind: Literal["outbound"] = "outbound"
    slot: int

    modality: Modality = "Audio"
    direction: Direction = "Outbound"

    def for_connector(self) -> dict[str, Any]:
        """SchedulerEntryEventData as JSON."""
        shown = set(SchedulerEntryEventData.model_fields)
        told = {"schedulerEntryId": self.task_id}
        return told | self.model_dump(mode="json", by_alias=True, exclude_none=True, include=shown)


class ExternalTaskWriteResult(ConnectorModel):
    """An external task as a flow reads it. Empty optional fields are absent."""

    id: str
    modality: Modality
    created: str
    type: str = "ExternalTask"
    is_anonymous: bool
    service_name: str | None = None
    service_display_name: str | None = None
    service_upn: Annotated[str | None, Field(alias="serviceUPN")] = None
    service_tel_number: str | None = None
    preferred_users: PreferredUsers | None = None


class ExternalTask(ExternalTaskWrite, _Life):
    """An accepted external task: due at once, one attempt, and the times of a scheduler entry's defaults."""

    kind: Literal["external"] = "external"
    due_date_time_utc: UtcTime
    max_attempts: int = 1
    attempt_timeout_in_seconds: int = 3600
    max_queue_time_in_seconds: int = 300
    rona_timeout_in_seconds: int = 20

    modality: Modality = "ExternalTask"
    direction: Direction = "Inbound"

    @property
    def due(self) -> datetime:
        return from_wire(self.due_date_time_utc)

    def for_connector(self) -> dict[str, Any]:
        """ExternalTaskWriteResult as JSON."""
        told = ExternalTaskWriteResult(
            id=self.task_id,
            modality=self.modality,
            created=self.created_at,
            is_anonymous=not self.customer_identifier,
            service_name=self.service_display_name,
            service_display_name=self.service_display_name,
            service_upn=self.service_upn,
            service_tel_number=self.service_tel_number,
            preferred_users=self.preferred_users,
        )
        return told.as_json()


Task = Entry | ExternalTask
_READER: Final[TypeAdapter[Task]] = TypeAdapter(Annotated[Task, Field(discriminator="kind")])


def read_task(doc: Any) -> Task:
    """A task from its row."""
    return _READER.validate_python(doc, by_alias=True, by_name=False)


def task_event_data(tenant_id: str, task: Task) -> dict[str, Any]:
    """TaskEventData of the connector: what a hook on tasks is told. Empty fields are absent."""
    information: dict[str, Any] = {"customer": task.customer.as_json() if task.customer else None}
    told: dict[str, Any] = {
        "taskId": task.task_id,
        "tenantId": tenant_id,
        "event": task.event,
        "direction": task.direction,
        "modality": task.modality,
        "created": task.created_at,
        "terminated": task.finished_at,
        "lastConnectedUserId": task.connected_user_id,
        "LastConnectedUserUPN": task.connected_upn,
        "serviceUPN": task.service_upn,
        "serviceDisplayName": task.service_display_name,
        "serviceTelNumber": task.service_tel_number,
        "outboundAttempt": task.attempt,
    }
    if isinstance(task, Entry):
        is_number = task.destination.startswith("+")
        told |= {
            "referenceId": task.reference_id,
            "destinationTelNumber": task.destination if is_number else None,
            "destinationUPN": None if is_number else task.destination,
        }
        information["customContextParameters"] = _listed(task.custom_call_context_parameters)
    else:
        told |= {"customerIdentifier": task.customer_identifier, "isAnonymous": not task.customer_identifier}
        information["customContextParameters"] = _listed(task.custom_context_parameters)
        information["preferredUsers"] = _listed(task.preferred_users)
    told["taskInformation"] = _present(information)
    return _present(told)


def is_final(event: str) -> bool:
    return event in FINAL


def _listed(items: Any) -> list[dict[str, Any]] | None:
    return [item.as_json() for item in items] if items else None


def _present(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, {})}
