"""Up to 100 tasks in one call: each goes through the queue and is admitted or refused for itself.

Rows in the table ``journal``, one partition per batch:

    <index>    state of the item; while it is pending, its body too
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from shared.kernel import log
from shared.kernel.clock import Clock, to_wire
from shared.kernel.errors import NotFound, Stale, StorageDown
from shared.kernel.wire import Wire, is_guid
from shared.messaging.job_schedule import Agenda, Sender
from shared.outbound.tasks.job_kinds import SEND_BATCH
from shared.storage.entities import Insert, Row, with_doc
from shared.storage.queues import MessageTooBig
from shared.storage.tables import Exists, Table

ITEM: Final = "nimbusBatchItem"  # field of a message: which item it is; nobody writes it by chance
SET_ASIDE: Final = "MessageSetAside"
"""Code of an item whose message failed five times; the list of messages set aside holds it, to be sent again."""
ItemState = Literal["pending", "admitted", "refused", "invalid"]


class Batch(Wire):
    entries: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=100)]


class BatchAccepted(Wire):
    accepted: int
    status_url: str


class Item(Wire):
    """``scheduler_entry_id`` once admitted, ``code`` once refused or invalid."""

    index: int
    state: ItemState
    scheduler_entry_id: str | None
    code: str | None


class BatchStatus(Wire):
    items: list[Item]


class Batches:
    """One per process; keeps nothing between calls. ``queue`` is the one outbound requests come by."""

    def __init__(self, table: Table, queue: Sender, agenda: Agenda, clock: Clock) -> None:
        self._table = table
        self._queue = queue
        self._agenda = agenda
        self._clock = clock

    def submit(self, tenant_id: str, entries: Sequence[dict[str, Any]]) -> str:
        """Take a batch in and give its id; nothing of it is lost from here on."""
        batch_id = str(uuid.uuid4())
        self._agenda.wake(SEND_BATCH, tenant_id, batch_id)
        at = to_wire(self._clock())
        rows = [
            Row(_partition(tenant_id, batch_id), f"{index:03}", with_doc(body, state="pending", at=at))
            for index, body in enumerate(entries)
        ]
        try:
            self._table.transact([Insert(row) for row in rows])
        except Exists:
            log.info("a batch is in already; the answer got lost", tenant=tenant_id)
        try:
            self._send(tenant_id, batch_id, rows)
        except StorageDown as exc:  # the appointment sends them
            log.warning("items of a batch wait for the agenda", tenant=tenant_id, why=exc.code)
        return batch_id

    def send_pending(self, tenant_id: str, batch_id: str) -> None:
        """Send again what was not decided, in case its message was never sent. Each is decided once."""
        rows = self._table.span(_partition(tenant_id, batch_id), "0", "~", only="state eq 'pending'")
        self._send(tenant_id, batch_id, list(rows))

    def status(self, tenant_id: str, batch_id: str) -> BatchStatus:
        """Raises NotFound (``BatchNotFound``)."""
        rows = list(self._table.span(_partition(tenant_id, batch_id), "0", "~")) if is_guid(batch_id) else []
        if not rows:
            raise NotFound("there is no such batch", code="BatchNotFound")
        return BatchStatus(items=[_item(row) for row in rows])

    def decide(self, tenant_id: str, batch_id: str, index: int, state: ItemState, *, entry_id: str, code: str) -> None:
        """Note what became of an item. The first decision stands, but for one that was set aside; the body goes."""
        partition = _partition(tenant_id, batch_id)
        values = {"state": state, "entry_id": entry_id, "code": code, "at": to_wire(self._clock())}
        # Somebody else may decide meanwhile: who set the item aside must not hide that its task is in.
        while (row := self._table.get(partition, f"{index:03}")) and _may_become(row, state):
            try:
                self._table.replace(Row(partition, row.row, values), etag=row.etag)
            except Stale:
                continue
            except NotFound:
                pass
            return

    def _send(self, tenant_id: str, batch_id: str, rows: Sequence[Row]) -> None:
        for row in rows:
            index = int(row.row)
            item = {"id": batch_id, "index": index, "at": row.text("at")}
            message = {**row.doc, "tenantId": tenant_id, ITEM: item}
            try:
                self._queue.send(message)
            except MessageTooBig as exc:
                self.decide(tenant_id, batch_id, index, "invalid", entry_id="", code=exc.code)


def _may_become(row: Row, state: ItemState) -> bool:
    before = row.text("state")
    # A task that is in stays in, whatever a second copy of its message was told.
    return before == "pending" or row.text("code") == SET_ASIDE or (before, state) == ("refused", "admitted")


def _item(row: Row) -> Item:
    state: Any = row.text("state")
    return Item(
        index=int(row.row),
        state=state,
        scheduler_entry_id=row.text("entry_id") or None,
        code=row.text("code") or None,
    )


def _partition(tenant_id: str, batch_id: str) -> str:
    return f"{tenant_id}|batch:{batch_id.lower()}"
