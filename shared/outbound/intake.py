"""The queue path: the same body as the connector's, plus tenantId, admitted by the same rule.

A refusal ends the message and is not retried. What cannot be read is set aside with its reason, where the
tenant named in it and the operator find it.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Field

from shared import log
from shared.clock import Clock, to_wire
from shared.errors import AppError, Conflict, Invalid, Malformed, NotFound
from shared.json_text import read_json
from shared.outbound.batches import Batches, ItemState
from shared.outbound.models import SchedulerEntryWrite, read_entry
from shared.outbound.refusals import LIMIT_REACHED, Refusals, newest_first
from shared.outbound.scheduler import Accepted, Scheduler
from shared.storage.tables import Row, Table, Value, with_doc
from shared.tenants.models import Page
from shared.tenants.tenants import Head, Tenants
from shared.wire import Guid, Wire, parse

QUEUE: Final = "outbound-requests"


class _Place(Wire, extra="ignore"):
    id: Guid
    index: Annotated[int, Field(ge=0, le=99)]


class _Addressed(Wire, extra="ignore"):
    """Whose a message is, and which item of a batch it is, if it is one."""

    tenant_id: Guid
    batch: _Place | None = None


class SetAside(Wire):
    """A message that could not be read."""

    id: str
    queue: str
    reason: str
    at: str
    attempts: int


class Intake:
    """Takes requests from the queue. ``everybody`` names the operator's list of all tenants."""

    everybody: Final = "everybody"

    def __init__(
        self,
        scheduler: Scheduler,
        batches: Batches,
        tenants: Tenants,
        refusals: Refusals,
        journal: Table,
        clock: Clock,
    ) -> None:
        self._scheduler = scheduler
        self._batches = batches
        self._tenants = tenants
        self._refusals = refusals
        self._journal = journal
        self._clock = clock

    def take(self, text: str, *, message_id: str, attempts: int) -> None:
        """Admit, refuse or set aside one message. Raises only for what may be better next time."""
        try:
            data = _json(text)
            address = parse(_Addressed, data)
            head = self._tenants.head(address.tenant_id)
        except (Invalid, NotFound) as exc:
            self.set_aside(text, reason=exc.detail, attempts=attempts)
            return
        place = address.batch
        try:
            write = read_entry(data)
        except Invalid as exc:
            if place is None:
                self.set_aside(text, reason=exc.detail, attempts=attempts)
            else:
                self._decided(head, place, "invalid", code=exc.findings[0].code)
            return
        # The items of a batch are sent again when their messages seem lost, so the message's id would not do.
        name = f"{place.id}/{place.index}" if place else message_id
        outcome = self._submit(head, write, name)
        if place is None:
            return
        if isinstance(outcome, Accepted):
            self._decided(head, place, "admitted", entry_id=outcome.entry.task_id)
        else:
            self._decided(head, place, "refused", code=outcome)

    def _submit(self, head: Head, write: SchedulerEntryWrite, message_id: str) -> Accepted | str:
        """What came in, or the code of the refusal, which hooks are told too."""
        try:
            outcome = self._scheduler.submit(head, write, by=None, source="queue", message_id=message_id)
        except (Invalid, NotFound, Conflict) as exc:
            self._refusals.note(head.tenant_id, write.service_upn, exc.code, "queue")
            code = exc.code
        else:
            if isinstance(outcome, Accepted):
                return outcome
            code = LIMIT_REACHED
        self._scheduler.tell_rejected(head.tenant_id, write, code, message_id)
        return code

    def _decided(self, head: Head, place: _Place, state: ItemState, *, entry_id: str = "", code: str = "") -> None:
        self._batches.decide(head.tenant_id, place.id, place.index, state, entry_id=entry_id, code=code)

    def set_aside(self, text: str, *, reason: str, attempts: int) -> None:
        """Keep a message that cannot be worked on, with the reason.

        It is listed for the tenant it names, and for the operator. If the process dies between the two rows, the
        message comes again and is listed for the tenant twice rather than for the operator never.
        """
        now = self._clock()
        tenant_id = self._known(_tenant_of(text))
        key = newest_first(now)
        facts: dict[str, Value] = {"queue": QUEUE, "reason": reason[:2000], "at": to_wire(now), "attempts": attempts}
        if tenant_id is not None:
            self._journal.insert(Row(f"{tenant_id}|poison", key, with_doc(text, **facts)))
            # The operator's list: the same row without the message, which is the tenant's own.
            self._journal.insert(Row(f"{self.everybody}|poison", key, facts))
        else:
            self._journal.insert(Row(f"{self.everybody}|poison", key, with_doc(text, **facts)))
        log.warning("an outbound request was set aside", tenant=tenant_id, attempts=attempts, reason=reason[:200])

    def _known(self, tenant_id: str | None) -> str | None:
        try:
            return self._tenants.head(tenant_id).tenant_id if tenant_id else None
        except NotFound:
            return None

    def page(self, tenant_id: str, *, top: int, continuation: str | None) -> Page[SetAside]:
        """What was set aside for a tenant (or ``everybody``), newest first."""
        rows, following = self._journal.page(f"{tenant_id}|poison", "0", "~", top=top, continuation=continuation)
        items = [
            SetAside(
                id=row.row,
                queue=row.text("queue"),
                reason=row.text("reason"),
                at=row.text("at"),
                attempts=row.number("attempts"),
            )
            for row in rows
        ]
        return Page(items, following)


def _tenant_of(text: str) -> str | None:
    try:
        return parse(_Addressed, _json(text)).tenant_id
    except AppError:
        return None


def _json(text: str) -> Any:
    try:
        return read_json(text.encode())
    except Malformed as exc:
        raise Invalid.field("", exc.detail, exc.code) from None
