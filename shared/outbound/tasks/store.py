"""Reads and writes of tasks, see ``entities.py``.

A task, its slot, its reference and its event change in one transaction, so after a crash between any two lines of
ours there is no slot without an entry, no entry without a slot, and no transition without its event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import accumulate
from typing import Final

from shared.kernel.clock import to_wire
from shared.kernel.errors import NotFound, Stale
from shared.outbound.tasks.entities import (
    ENTRY,
    OUTBOX,
    PAST,
    REF,
    SLOT,
    Desk,
    KeptTask,
    Reference,
    Slot,
    Untold,
    event_row,
    freed_reference,
    new_mark,
    outbox_key,
    partition_of,
    partition_of_task,
    reference_of,
    reference_values,
    slot_key,
    slot_of,
    slot_values,
    step_of,
    task_values,
    touch_gate,
    without_history,
)
from shared.outbound.tasks.gate import Gate
from shared.outbound.tasks.task import Entry, ExternalTask, State, Task, read_task
from shared.storage.entities import Delete, Insert, Operation, Overwrite, Replace, Row, with_doc
from shared.storage.keys import prefix_end
from shared.storage.tables import Exists, Table, TooBig

STEPS_AT_ONCE: Final = 20  # of five operations at most: what Azure takes in one transaction


class SlotTaken(Exception):
    """Somebody else was faster with this slot, or this very task is in already: look again."""


class ReferenceTaken(Exception):
    """Somebody else was faster with this ReferenceId, or its row changed."""


class GateShut(Exception):
    """The service takes no tasks: it never did, or it was deleted. See ``gate.py``."""


class OutboundStore:
    """Reads and writes the rows above. ``tenant_id`` and ``service_upn`` name the partition."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.gate = Gate(table)

    def slots(self, tenant_id: str, service_upn: str) -> list[Slot]:
        """All held slots of a service, in one read (there are 50 at most, plus those a race added)."""
        rows = self._table.span(partition_of(tenant_id, service_upn), SLOT, prefix_end(SLOT))
        return [slot_of(row) for row in rows]

    def reference(self, tenant_id: str, service_upn: str, reference: str) -> Reference | None:
        row = self._table.get(partition_of(tenant_id, service_upn), REF + reference)
        return reference_of(row) if row else None

    def add(self, tenant_id: str, entry: Entry, reference: str, replaces: Reference | None) -> None:
        """Entry, slot, reference and first event at once. Raises SlotTaken, ReferenceTaken, GateShut.

        ``replaces`` is the reference row of a finished entry whose time is over.
        """
        partition = partition_of(tenant_id, entry.service_upn)
        fingerprint = entry.fingerprint()
        operations: list[Operation] = [
            Insert(Row(partition, slot_key(entry.slot), slot_values(entry, reference, fingerprint))),
            Insert(Row(partition, ENTRY + entry.task_id, task_values(entry, reference, fingerprint))),
            event_row(partition, entry, None),
            touch_gate(partition),
        ]
        if reference:
            row = Row(partition, REF + reference, reference_values(entry, fingerprint))
            operations.append(Replace(row, replaces.row.etag) if replaces else Insert(row))
        try:
            self._table.transact(operations)
        except Exists as exc:
            if exc.index < 2:
                raise SlotTaken from exc
            raise ReferenceTaken from exc
        except NotFound as exc:
            raise GateShut from exc

    def add_external(self, tenant_id: str, task: ExternalTask) -> None:
        """Task and first event at once; no slot is taken. Raises GateShut."""
        partition = partition_of(tenant_id, task.service_upn)
        try:
            self._table.transact(
                [
                    Insert(Row(partition, ENTRY + task.task_id, task_values(task, "", ""))),
                    event_row(partition, task, None),
                    touch_gate(partition),
                ]
            )
        except NotFound as exc:
            raise GateShut from exc

    def note_rejected(self, tenant_id: str, entry: Entry) -> None:
        """The event of a task that was never taken in. Doing it again changes nothing."""
        partition = partition_of(tenant_id, entry.service_upn)
        self._table.overwrite(Row(partition, outbox_key(entry), with_doc(without_history(entry))))

    def find(self, tenant_id: str, task_id: str) -> KeptTask | None:
        """The task, finished or not."""
        partition = partition_of_task(tenant_id, task_id)
        if partition is None:
            return None
        row = self._table.get(partition, ENTRY + task_id) or self._table.get(partition, PAST + task_id)
        return KeptTask(read_task(row.doc), row) if row else None

    def unfinished(self, tenant_id: str, service_upn: str) -> list[Task]:
        rows = self._table.span(partition_of(tenant_id, service_upn), ENTRY, prefix_end(ENTRY))
        return [read_task(row.doc) for row in rows]

    def desk(self, tenant_id: str, service_upn: str) -> Desk:
        """What is open, in one read. Tasks are read before events, so each step of a task read is among the events."""
        tasks, untold = [], []
        for row in self._table.span(partition_of(tenant_id, service_upn), ENTRY, prefix_end(OUTBOX)):
            if row.row.startswith(ENTRY):
                tasks.append(KeptTask(read_task(row.doc), row))
            elif row.row.startswith(OUTBOX):
                untold.append(Untold(read_task(row.doc), row.text("freed"), row.number("offer"), row))
        return Desk(tasks, untold)

    def commit(self, kept: KeptTask, task: Task, now: datetime, *, event: str | None = None) -> KeptTask:
        """Write one step of a task with its event. Raises Stale or NotFound if it changed meanwhile.

        ``event`` is what hooks are told where the task keeps the event before.
        """
        mark = new_mark()
        operations, row = step_of(kept, task, now, event=event, mark=mark)
        try:
            return KeptTask(task, replace(row, etag=self._table.transact(operations)[0]))
        except (Stale, NotFound):
            if (written := self._written(kept, mark)) is not None:
                return written
            raise

    def _written(self, kept: KeptTask, mark: str) -> KeptTask | None:
        """The task as it is, if the write that left this mark was the last one.

        The SDK sends a write again whose answer got lost; the second time it finds its own work and is refused.
        """
        found = self.find(kept.row.partition.split("|")[0], kept.task.task_id)
        return found if found is not None and found.row.text("mark") == mark else None

    def commit_each(self, steps: Sequence[tuple[KeptTask, Task]], now: datetime) -> list[KeptTask | None]:
        """``commit`` for tasks of one service, many in one transaction; None for one that changed meanwhile."""
        some = [steps[at : at + STEPS_AT_ONCE] for at in range(0, len(steps), STEPS_AT_ONCE)]
        return [after for few in some for after in self._commit_few(few, now)]

    def _commit_few(self, steps: Sequence[tuple[KeptTask, Task]], now: datetime) -> list[KeptTask | None]:
        parts = [step_of(kept, task, now) for kept, task in steps]
        try:
            etags = self._table.transact([operation for operations, _ in parts for operation in operations])
        except (Stale, NotFound, TooBig) as exc:
            if len(steps) > 1:
                half = len(steps) // 2  # whose fault it was is found by halves
                return self._commit_few(steps[:half], now) + self._commit_few(steps[half:], now)
            if isinstance(exc, TooBig):
                raise
            return [None]
        firsts = accumulate((len(operations) for operations, _ in parts[:-1]), initial=0)
        rows = [replace(row, etag=etags[first]) for (_, row), first in zip(parts, firsts, strict=True)]
        return [KeptTask(task, row) for (_, task), row in zip(steps, rows, strict=True)]

    def rewrite(self, kept: KeptTask, entry: Entry, reference: str, replaces: Reference | None, now: datetime) -> None:
        """Like ``commit``, where the ReferenceId may be another one. Raises ReferenceTaken too."""
        partition, before = kept.row.partition, kept.row.text("reference")
        fingerprint, mark = entry.fingerprint(), new_mark()
        operations: list[Operation] = [
            Replace(Row(partition, kept.row.row, task_values(entry, reference, fingerprint, mark)), kept.row.etag),
            event_row(partition, entry, kept.task),
            Overwrite(Row(partition, slot_key(entry.slot), slot_values(entry, reference, fingerprint))),
        ]
        row = Row(partition, REF + reference, reference_values(entry, fingerprint))
        if reference and reference == before:
            operations.append(Overwrite(row))
        elif reference:
            operations.append(Replace(row, replaces.row.etag) if replaces else Insert(row))
        if before and before != reference:
            old = freed_reference(partition, before, entry, fingerprint, now)
            own = isinstance(kept.task, Entry) and kept.task.reference_id is None  # a message's: it may come again
            operations.append(Overwrite(old) if own else Delete(old, "*"))
        try:
            self._table.transact(operations)
        except (Stale, NotFound, Exists) as exc:
            if self._written(kept, mark) is not None:
                return
            if isinstance(exc, Exists):
                raise ReferenceTaken from exc
            raise

    def page(
        self, tenant_id: str, service_upn: str | None, state: State | None, *, top: int, continuation: str | None
    ) -> tuple[list[Task], str | None]:
        """Tasks of a service, or of all, unfinished ones first within each service; finished ones too."""
        rows, following = self._table.page_of_partitions(
            *((partition_of(tenant_id, service_upn),) * 2 if service_upn else (f"{tenant_id}|0", f"{tenant_id}|~")),
            ENTRY,
            prefix_end(PAST),
            only="state eq @state" if state else "state gt ''",  # neither gate nor outbox have one
            parameters={"state": state} if state else {},
            top=top,
            continuation=continuation,
        )
        return [read_task(row.doc) for row in rows], following

    def forget_told(self, untold: Sequence[Untold]) -> None:
        """Hooks know of these events now."""
        if untold:
            self._table.remove_blindly([event.row for event in untold])

    def tidy(self, tenant_id: str, service_upn: str, *, finished_before: datetime, now: datetime) -> None:
        """Remove tasks finished before that, and references that are free."""
        partition = partition_of(tenant_id, service_upn)
        before = {"old": to_wire(finished_before)}
        old = self._table.span(partition, PAST, prefix_end(PAST), only="finished_at lt @old", parameters=before)
        self._table.remove_blindly(list(old))
        free = self._table.span(
            partition, REF, prefix_end(REF), only="free_at lt @now", parameters={"now": to_wire(now)}
        )
        for row in free:
            try:
                self._table.delete(row, etag=row.etag)
            except Stale:
                continue  # somebody uses it again
