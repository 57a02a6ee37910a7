"""Events on their way to a hook, in the table ``outbound``: a partition ``<tenant>|hook:<id>`` for each hook.

    told:<task>             the number of the last event of the task that was taken in
    event:<task>:<number>   an event not delivered yet, with the troubles of its delivery

Both are written in one transaction, and an event is taken in only if its number is higher than the one told: so
publishing a second time, also after the event was delivered, changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from shared.kernel.clock import from_wire, to_wire
from shared.kernel.errors import NotFound, Stale
from shared.outbound.tasks.events import Event
from shared.outbound.webhooks.models import Hook, event_id
from shared.outbound.webhooks.retry_policy import Trouble
from shared.storage.entities import Insert, Merge, Operation, Overwrite, Replace, Row, Value, with_doc
from shared.storage.keys import key, prefix_end
from shared.storage.tables import Exists, Table

# Longer than anybody who publishes may take to come back after a crash.
TOLD_KEPT: Final = timedelta(days=7)
SWEPT_AT_ONCE: Final = 1000
_TOLD: Final = "told:"
_EVENT: Final = "event:"
# An updated task has up to 64 KiB; the SDK writes each character beyond ASCII in six bytes: 200 KB at most.
_EVENTS_PER_TRANSACTION: Final = 15
_KEYS: Final = ("PartitionKey", "RowKey")
_TROUBLE: Final = ("since", "tries", "next_try")


@dataclass(frozen=True, slots=True)
class First:
    """The event a task's delivery stands at; those behind it wait for it."""

    task: str
    trouble: Trouble | None

    @property
    def tries(self) -> int:
        return self.trouble.tries if self.trouble else 0

    def is_due(self, now: datetime) -> bool:
        return self.trouble is None or self.trouble.is_due(now)


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event to deliver. ``body`` is the JSON that is sent."""

    id: str
    name: str
    service_upn: str
    task_id: str
    number: int
    body: bytes
    trouble: Trouble | None
    row: Row


class HookOutbox:
    """Reads and writes the rows above. ``task`` is a task's id as it stands in a key."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def take_in(self, tenant_id: str, hook: Hook, events: Sequence[Event], now: datetime) -> None:
        """Keep the events of one task that the hook was not told yet, in their order."""
        partition, task = _partition(tenant_id, hook.id), key(events[0].task_id)
        done = False
        while not done:
            before = self._table.get(partition, _TOLD + task)
            last = before.number("number") if before else 0
            fresh = [event for event in events if event.number > last][:_EVENTS_PER_TRANSACTION]
            done = not fresh or fresh[-1] is events[-1]
            if not fresh:
                continue
            told = Row(partition, _TOLD + task, {"number": fresh[-1].number, "at": to_wire(now)})
            operations: list[Operation] = [Replace(told, before.etag) if before else Insert(told)]
            # Blindly: what may lie there is the same event, taken in before the row of the task was swept away.
            operations += [Overwrite(_row(partition, task, hook, event)) for event in fresh]
            try:
                self._table.transact(operations)
            except (Exists, Stale, NotFound):
                done = False  # somebody publishes the same just now: see what is left to do

    def firsts(self, tenant_id: str, hook_id: str) -> Iterator[First]:
        """Where each task's delivery stands; read page by page as far as it is asked for."""
        rows = self._table.span(_partition(tenant_id, hook_id), _EVENT, prefix_end(_EVENT), select=[*_KEYS, *_TROUBLE])
        previous = ""
        for row in rows:
            task = row.row.split(":")[1]
            if task != previous:
                yield First(task, _trouble(row))
            previous = task

    def count(self, tenant_id: str, hook_id: str, *, most: int) -> tuple[int, datetime | None]:
        """How many events wait, ``most`` at most, and when the next one of those that failed is tried again."""
        span = self._table.span(_partition(tenant_id, hook_id), _EVENT, prefix_end(_EVENT), select=[*_KEYS, *_TROUBLE])
        rows = list(islice(span, most))
        return len(rows), min((trouble.next_try for row in rows if (trouble := _trouble(row))), default=None)

    def of_task(self, tenant_id: str, hook_id: str, task: str, *, top: int) -> list[Waiting]:
        """The next events of a task, in order."""
        prefix = f"{_EVENT}{task}:"
        rows, _ = self._table.page(_partition(tenant_id, hook_id), prefix, prefix_end(prefix), top=top)
        return [_waiting(row) for row in rows]

    def note(self, event: Waiting, trouble: Trouble) -> None:
        """Remember a failed try. If the row has changed, another delivery knows better."""
        values: dict[str, Value] = {
            "since": to_wire(trouble.since),
            "tries": trouble.tries,
            "next_try": to_wire(trouble.next_try),
        }
        try:
            self._table.transact([Merge(Row(event.row.partition, event.row.row, values), event.row.etag)])
        except (Stale, NotFound):
            return

    def forget(self, event: Waiting) -> None:
        """It is done with, whatever another delivery may have noted meanwhile."""
        self._table.remove_blindly([event.row])

    def clear(self, tenant_id: str, hook_id: str) -> bool:
        """Remove what there is for the hook, some 1,000 rows at a time. True when nothing is left."""
        rows = list(islice(self._table.span(_partition(tenant_id, hook_id), "", "~", select=_KEYS), SWEPT_AT_ONCE))
        self._table.remove_blindly(rows)
        return len(rows) < SWEPT_AT_ONCE

    def sweep(self, tenant_id: str, hook_id: str, now: datetime) -> bool:
        """Remove rows of tasks nobody will publish again, some at a time. True when none is left."""
        old = self._table.span(
            _partition(tenant_id, hook_id),
            _TOLD,
            prefix_end(_TOLD),
            only="at lt @old",
            parameters={"old": to_wire(now - TOLD_KEPT)},
            select=_KEYS,
        )
        rows = list(islice(old, SWEPT_AT_ONCE))
        self._table.remove_blindly(rows)
        return len(rows) < SWEPT_AT_ONCE


def _partition(tenant_id: str, hook_id: str) -> str:
    return f"{tenant_id}|hook:{hook_id}"


def _row(partition: str, task: str, hook: Hook, event: Event) -> Row:
    values = with_doc(
        dict(hook.told(event)),
        id=event_id(event),
        name=event.name,
        service_upn=event.service_upn,
        task_id=event.task_id,
        number=event.number,
    )
    return Row(partition, f"{_EVENT}{task}:{event.number:08}", values)


def _waiting(row: Row) -> Waiting:
    told: Any = row.doc
    return Waiting(
        id=row.text("id"),
        name=row.text("name"),
        service_upn=row.text("service_upn"),
        task_id=row.text("task_id"),
        number=row.number("number"),
        body=json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode(),
        trouble=_trouble(row),
        row=row,
    )


def _trouble(row: Row) -> Trouble | None:
    if not row.text("since"):
        return None
    return Trouble(from_wire(row.text("since")), row.number("tries"), from_wire(row.text("next_try")))
