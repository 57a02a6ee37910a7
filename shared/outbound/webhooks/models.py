"""Hooks: what a flow registers, how it is kept, and which events it wants. No input or output here."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field

from shared.kernel.clock import from_wire
from shared.kernel.errors import Finding, Invalid
from shared.kernel.wire import ConnectorModel, Upn, Wire, parse
from shared.outbound.tasks.events import SCHEDULER_ENTRY_EVENTS, Event
from shared.outbound.tasks.value_lists import DIRECTIONS, MODALITIES, TASK_EVENTS
from shared.outbound.webhooks.callback_url import CallbackUrl, UrlRefused, read_callback_url, shortened
from shared.outbound.webhooks.retry_policy import SLACK, Trouble
from shared.storage.keys import key

Kind = Literal["scheduler-entries", "tasks"]  # as in the paths of the connector

# Event ids are made of this name and the event's; changing it makes old events look like new ones.
_EVENT_IDS: Final = uuid.UUID("6f1c1f0e-3c5b-4c8e-9d57-0e3a1c9b7f11")


def _known(known: tuple[str, ...]) -> AfterValidator:
    def check(text: str) -> str:
        if text not in known:
            raise ValueError(f"is none of {', '.join(known)}")
        return text

    return AfterValidator(check)


def _listed(known: tuple[str, ...]) -> Any:
    """How the description of the API names what is known."""
    return Field(json_schema_extra={"enum": list(known)})


_SchedulerEntryEvent = Annotated[str, _known(SCHEDULER_ENTRY_EVENTS), _listed(SCHEDULER_ENTRY_EVENTS)]
_TaskEvent = Annotated[str, _known(TASK_EVENTS), _listed(TASK_EVENTS)]
_Modality = Annotated[str, _known(MODALITIES), _listed(MODALITIES)]
_Direction = Annotated[str, _known(DIRECTIONS), _listed(DIRECTIONS)]
_Services = Annotated[list[Upn], Field(min_length=1, max_length=100)]
# Judged by callback_url.py, which knows the hosts of this installation.
_Url = Annotated[str, Field(repr=False)]


class SchedulerEntryTriggerConfig(ConnectorModel):
    services: _Services
    scheduler_entry_events: Annotated[list[_SchedulerEntryEvent], Field(min_length=1, max_length=100)]
    url: _Url


class TaskTriggerConfig(ConnectorModel):
    services: _Services
    task_events: Annotated[list[_TaskEvent], Field(min_length=1, max_length=100)]
    url: _Url
    modalities: Annotated[list[_Modality], Field(max_length=100)] = []
    directions: Annotated[list[_Direction], Field(max_length=100)] = []


class SchedulerEntryTrigger(ConnectorModel):
    """What a flow sends to be told of scheduler entries."""

    config: SchedulerEntryTriggerConfig


class TaskTrigger(ConnectorModel):
    """What a flow sends to be told of tasks. Without modalities, or directions, it is told of all."""

    config: TaskTriggerConfig


@dataclass(frozen=True, slots=True)
class Registration:
    """A registration that was read and found good."""

    kind: Kind
    services: tuple[str, ...]
    events: tuple[str, ...]
    modalities: tuple[str, ...]
    directions: tuple[str, ...]
    callback: CallbackUrl = field(repr=False)


def read_registration(kind: Kind, data: object, allowed_hosts: Sequence[str]) -> Registration:
    """A body as a flow sends it. Raises Invalid with every finding, what is wrong with the URL among them."""
    findings: list[Finding] = []
    made: Callable[[CallbackUrl], Registration] | None = None
    callback: CallbackUrl | None = None
    try:
        made = _of_scheduler_entries(data) if kind == "scheduler-entries" else _of_tasks(data)
    except Invalid as exc:
        findings += exc.findings
    try:
        callback = _callback(data, allowed_hosts)
    except UrlRefused as exc:
        findings.append(Finding("config.url", exc.detail, exc.code))
    if findings or made is None or callback is None:
        raise Invalid(findings)
    return made(callback)


def _of_scheduler_entries(data: object) -> Callable[[CallbackUrl], Registration]:
    config = parse(SchedulerEntryTrigger, data).config
    return partial(
        Registration, "scheduler-entries", tuple(config.services), tuple(config.scheduler_entry_events), (), ()
    )


def _of_tasks(data: object) -> Callable[[CallbackUrl], Registration]:
    config = parse(TaskTrigger, data).config
    filters = tuple(config.modalities), tuple(config.directions)
    return partial(Registration, "tasks", tuple(config.services), tuple(config.task_events), *filters)


def _callback(data: object, allowed_hosts: Sequence[str]) -> CallbackUrl | None:
    """None where there is no text to judge; the model has said so by then."""
    config = data.get("config") if isinstance(data, Mapping) else None
    url = config.get("url") if isinstance(config, Mapping) else None
    return read_callback_url(url, allowed_hosts) if isinstance(url, str) else None


class Registrant(Wire):
    """Who registered a hook. An admin's hook stays; an owner's is asked at each delivery whether they still own."""

    oid: str
    name: str
    is_admin: bool


class Hook(Wire):
    """A registered hook and how its deliveries fare.

    ``url`` is the part that may be shown; the whole one is kept sealed. ``url_fingerprint`` is of the whole one, and
    ``fingerprint`` of the registration.
    """

    id: str
    kind: Kind
    services: list[str]
    events: list[str]
    modalities: list[str] = []
    directions: list[str] = []
    # Rows of earlier releases hold the whole path.
    url: Annotated[str, AfterValidator(shortened)]
    url_fingerprint: str | None = None
    fingerprint: str
    by: Registrant
    created_at: str
    failing_since: str | None = None
    tries: int = 0
    next_try: str | None = None
    last_status: int | None = None
    last_problem: str | None = None
    last_delivery_at: str | None = None
    skipped: int = 0
    given_up: int = 0
    switched_off_at: str | None = None
    lease_until: str | None = None
    swept_at: str

    @property
    def trouble(self) -> Trouble | None:
        if self.failing_since is None or self.next_try is None:
            return None
        return Trouble(from_wire(self.failing_since), self.tries, from_wire(self.next_try))

    def rests_until(self, now: datetime) -> datetime | None:
        """Until when nobody may deliver: another delivery runs, or the receiver is left alone. None when one may."""
        if self.lease_until is not None and (leased := from_wire(self.lease_until)) > now:
            return leased
        if self.next_try is not None and (paused := from_wire(self.next_try)) > now + SLACK:
            return paused
        return None

    def wants(self, event: Event) -> bool:
        if self.switched_off_at is not None or event.name not in self.events:
            return False
        if key(event.service_upn) not in {key(service) for service in self.services}:
            return False
        if self.kind == "scheduler-entries":
            return event.scheduler_entry is not None
        return (not self.modalities or event.modality in self.modalities) and (
            not self.directions or event.direction in self.directions
        )

    def told(self, event: Event) -> Mapping[str, Any]:
        """What this hook is told of an event that it wants."""
        return (event.scheduler_entry or {}) if self.kind == "scheduler-entries" else event.task


class HookState(Wire):
    """A hook as admins see it. ``pending`` ends at 1000, which means that many or more."""

    id: str
    kind: Kind
    services: list[str]
    events: list[str]
    modalities: list[str]
    directions: list[str]
    url: Annotated[str, Field(description="The host and the first segment of the path; the rest may hold a secret.")]
    fingerprint: Annotated[
        str | None, Field(description="16 hexadecimal digits of the SHA-256 of the whole URL; null if older than that.")
    ]
    state: Literal["active", "failing", "switchedOff"]
    failing_since: str | None
    last_status: Annotated[int | None, Field(description="HTTP status of the last try; null when no answer came.")]
    last_problem: str | None
    last_delivery_at: str | None
    pending: int
    next_try: str | None
    skipped: Annotated[int, Field(description="Events not sent, since who registered no longer owns the service.")]
    given_up: Annotated[int, Field(description="Events dropped after 24 hours of tries.")]
    switched_off_at: str | None
    registered_by: str
    created_at: str


def state_of(hook: Hook, pending: int, next_try: str | None) -> HookState:
    state: Literal["active", "failing", "switchedOff"] = "failing" if hook.failing_since else "active"
    shared = {name: getattr(hook, name) for name in HookState.model_fields if name in Hook.model_fields}
    return HookState(
        **shared | {"next_try": next_try, "fingerprint": hook.url_fingerprint},
        state="switchedOff" if hook.switched_off_at else state,
        pending=pending,
        registered_by=hook.by.name or hook.by.oid,
    )


def fingerprint(wish: Registration, oid: str) -> str:
    """The same for a registration sent twice. The signature in the URL keeps it from being guessed."""
    content = (wish.kind, *map(sorted, (wish.services, wish.events, wish.modalities, wish.directions)))
    return hashlib.sha256(repr((*content, wish.callback.url, oid)).encode()).hexdigest()


def event_id(event: Event) -> str:
    """The same at each delivery of an event, so that a receiver can tell one it had before."""
    return str(uuid.uuid5(_EVENT_IDS, f"{event.tenant_id}|{event.task_id}|{event.number}"))
