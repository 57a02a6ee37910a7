"""What is compared: ways to admit a task to a service with a limit, and to let it go again."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final, Protocol

Body = Mapping[str, Any]


class Way(Protocol):
    """May be used by several threads at once. Whatever it raises is an admission or release given up."""

    def admit(self, body: Body) -> Any:
        """What ``release`` needs, or None when the service is full."""
        ...

    def release(self, held: Any) -> None:
        """The task is cancelled: its slot is free, the task is kept as finished, and there is an event of it."""
        ...


class GaveUp(Exception):
    """There may have been room, but the way ended its tries."""


class Bodies:
    """What flows send, about 500 bytes each, to the services in turn."""

    def __init__(self, services: int, *, references: bool) -> None:
        self._services = services
        self._references = references
        self._numbers = count()
        self._due = now()

    def next(self) -> Body:
        number = next(self._numbers)
        customer = {
            "firstName": "Rosa",
            "lastName": "Keller",
            "company": "Contoso",
            "city": "Bern",
            "email": "r@x.example",
        }
        parameters = [{"name": "caseNumber", "value": f"CAS-{number:08}"}, {"name": "language", "value": "de-CH"}]
        body = {
            "dueDateTimeUtc": self._due,
            "serviceUpn": upn(number % self._services),
            "destination": "+41791234567",
            "customCallContextParameters": parameters,
            "customer": customer,
        }
        return body | ({"ReferenceId": str(uuid.uuid4())} if self._references else {})


def upn(number: int) -> str:
    return f"desk{number}@contoso.example"


def task_of(body: Body, task_id: str, slot: int) -> dict[str, Any]:
    """A task as it is kept: what was sent, the defaults of the rest, and its life so far."""
    moment = now()
    step = {"number": 1, "event": "Scheduled", "state": "Scheduled", "at": moment}
    return {
        "taskId": task_id,
        "state": "Scheduled",
        "event": "Scheduled",
        "number": 1,
        "attempt": 0,
        "offers": 0,
        "createdAt": moment,
        "passed": {},
        "history": [step],
        "serviceDisplayName": "Desk",
        "serviceTelNumber": "+41445550100",
        **_DEFAULTS,
        **body,
        "kind": "outbound",
        "slot": slot,
        "modality": "Audio",
        "direction": "Outbound",
    }


def cancelled(task: Mapping[str, Any]) -> dict[str, Any]:
    moment = now()
    step = {"number": 2, "event": "Cancelled", "state": "Cancelled", "at": moment}
    changes = {"state": "Cancelled", "event": "Cancelled", "number": 2, "finishedAt": moment}
    return {**task, **changes, "completionReason": "Cancelled", "history": [*task["history"], step]}


def event_of(task: Mapping[str, Any]) -> dict[str, Any]:
    """What hooks are told: the task without its history."""
    return {name: value for name, value in task.items() if name != "history"}


def text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_DEFAULTS: Final = {
    "distributionPriority": "Normal",
    "maxAttempts": 1,
    "attemptTimeoutInSeconds": 3600,
    "maxQueueTimeInSeconds": 300,
    "ronaTimeoutInSeconds": 20,
}
