"""The rows of the table ``outbound`` that hold tasks: their keys, their values, and what is read from them.

    gate               the service takes tasks; each new one touches it
    gate:opening       somebody is about to open the gate
    slot:07            held by one unfinished entry; nobody else can create this row
    entry:<id>         an unfinished task, scheduler entry or external task
    outbox:<id>|<n>    event n of a task, until hooks have been told
    past:<id>          a finished task
    ref:<hash>         a ReferenceId in use, or free again after ``free_at``

One partition per service. A task's id looks like a GUID; its first half is made from the service, so the id alone
leads to the partition and no index can go wrong.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.kernel.clock import from_wire, to_wire
from shared.outbound.tasks.task import WITH_AGENT, Entry, Task
from shared.storage.entities import Delete, Insert, Merge, Operation, Overwrite, Replace, Row, Values, with_doc
from shared.storage.keys import key

REFERENCE_KEPT: Final = timedelta(hours=24)  # after the entry is finished

GATE: Final = "gate"
OPENING: Final = "gate:opening"
SLOT: Final = "slot:"
ENTRY: Final = "entry:"
OUTBOX: Final = "outbox:"
PAST: Final = "past:"
REF: Final = "ref:"


@dataclass(frozen=True, slots=True)
class Slot:
    """A held slot, with what must be known of its entry without reading it."""

    number: int
    entry_id: str
    reference: str
    fingerprint: str
    in_progress: bool


@dataclass(frozen=True, slots=True)
class Reference:
    """A ReferenceId's row. ``free_at`` is set when its entry is finished."""

    entry_id: str
    fingerprint: str
    free_at: datetime | None
    row: Row

    def is_free(self, now: datetime) -> bool:
        return self.free_at is not None and self.free_at <= now


@dataclass(frozen=True, slots=True)
class KeptTask:
    """A task as it lies in its row."""

    task: Task
    row: Row


@dataclass(frozen=True, slots=True)
class Untold:
    """An event nobody has been told of yet: the task right after it, and who is free because of it."""

    task: Task
    freed: str
    offer: int
    row: Row


@dataclass(frozen=True, slots=True)
class Desk:
    """All that is open in a service: its unfinished tasks and untold events, events of a task in their order."""

    tasks: Sequence[KeptTask]
    untold: Sequence[Untold]


def new_id(service_upn: str) -> str:
    """A fresh task id: half service, half chance (64 bits each), in the form of a GUID."""
    digits = _tag(service_upn) + secrets.token_hex(8)
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def new_mark() -> str:
    """Tells one write from every other one, also from one of the same content at the same moment."""
    return secrets.token_hex(8)


def reference_key(reference_id: str) -> str:
    """Compared without case, and of a length that fits a key."""
    return hashlib.sha256(reference_id.casefold().encode()).hexdigest()


def _tag(service_upn: str) -> str:
    return hashlib.sha256(key(service_upn).encode()).hexdigest()[:16]


def partition_of(tenant_id: str, service_upn: str) -> str:
    return f"{tenant_id}|{_tag(service_upn)}"


def partition_of_task(tenant_id: str, task_id: str) -> str | None:
    digits = task_id.replace("-", "")
    if len(task_id) != 36 or len(digits) != 32 or set(digits) - set("0123456789abcdef"):
        return None
    return f"{tenant_id}|{digits[:16]}"


def slot_key(number: int) -> str:
    return f"{SLOT}{number:02}"


def outbox_key(task: Task) -> str:
    return f"{OUTBOX}{task.task_id}|{task.number:06}"


def slot_of(row: Row) -> Slot:
    return Slot(
        number=int(row.row.removeprefix(SLOT)),
        entry_id=row.text("entry_id"),
        reference=row.text("reference"),
        fingerprint=row.text("fingerprint"),
        in_progress=row.text("state") in WITH_AGENT,
    )


def slot_values(entry: Entry, reference: str, fingerprint: str) -> dict[str, str]:
    return {
        "entry_id": entry.task_id,
        "reference": reference,
        "fingerprint": fingerprint,
        "state": entry.state,
    }


def step_of(
    kept: KeptTask, task: Task, now: datetime, *, event: str | None = None, mark: str = ""
) -> tuple[list[Operation], Row]:
    """One step as operations, and the task's row after it. The first one fails if the task changed meanwhile.

    ``mark`` stays in the row, for whoever must know his own write again.
    """
    partition = kept.row.partition
    told = event_row(partition, task.model_copy(update={"event": event}) if event else task, kept.task)
    if task.is_finished:
        return [*_finishing(kept, task, now, mark), told], Row(partition, PAST + task.task_id, {})
    known = kept.row.text("reference"), kept.row.text("fingerprint")
    row = Row(partition, kept.row.row, task_values(task, *known, mark))
    slot = _slot_changes(kept, task) if isinstance(task, Entry) else []
    return [Replace(row, kept.row.etag), *slot, told], row


def _finishing(kept: KeptTask, task: Task, now: datetime, mark: str) -> list[Operation]:
    """The last step: from entry to past, its slot freed, its ReferenceId kept for ``REFERENCE_KEPT``."""
    partition, reference = kept.row.partition, kept.row.text("reference")
    operations: list[Operation] = [
        Delete(kept.row, kept.row.etag),
        Insert(
            Row(
                partition,
                PAST + task.task_id,
                with_doc(task.as_json(), state=task.state, finished_at=str(task.finished_at), mark=mark),
            )
        ),
    ]
    if isinstance(task, Entry):
        operations.append(Delete(Row(partition, slot_key(task.slot), {}), "*"))
        if reference:
            freed = freed_reference(partition, reference, task, kept.row.text("fingerprint"), now)
            operations.append(Overwrite(freed))
    return operations


def _slot_changes(kept: KeptTask, task: Entry) -> list[Operation]:
    """The slot says whether its entry is with an agent: only the step that changes this writes it."""
    if (kept.task.state in WITH_AGENT) == (task.state in WITH_AGENT):
        return []
    values = slot_values(task, kept.row.text("reference"), kept.row.text("fingerprint"))
    return [Overwrite(Row(kept.row.partition, slot_key(task.slot), values))]


def reference_values(entry: Entry, fingerprint: str) -> dict[str, str]:
    return {"entry_id": entry.task_id, "fingerprint": fingerprint}


def reference_of(row: Row) -> Reference:
    free_at = row.text("free_at")
    return Reference(row.text("entry_id"), row.text("fingerprint"), from_wire(free_at) if free_at else None, row)


def freed_reference(partition: str, reference: str, entry: Entry, fingerprint: str, now: datetime) -> Row:
    """Its task has no use for it any more; others may have it after ``REFERENCE_KEPT``."""
    free_at = to_wire(now + REFERENCE_KEPT)
    return Row(partition, REF + reference, reference_values(entry, fingerprint) | {"free_at": free_at})


def task_values(task: Task, reference: str, fingerprint: str, mark: str = "") -> Values:
    """``fingerprint`` is of what a flow asked for last; what is added while the task lives does not change it."""
    return with_doc(task.as_json(), reference=reference, fingerprint=fingerprint, state=task.state, mark=mark)


def event_row(partition: str, task: Task, before: Task | None) -> Insert:
    """The event of the step from ``before`` to ``task``; it tells who is free now, and of which offer."""
    freed = before.holder if before is not None and before.holder != task.holder else None
    offer = before.offers if before is not None and freed else 0
    return Insert(Row(partition, outbox_key(task), with_doc(without_history(task), freed=freed or "", offer=offer)))


def touch_gate(partition: str) -> Merge:
    """Fails where there is no gate, and makes whoever wants to shut it look again."""
    return Merge(Row(partition, GATE, {}), "*")


def without_history(task: Task) -> dict[str, object]:
    return {name: value for name, value in task.as_json().items() if name != "history"}
