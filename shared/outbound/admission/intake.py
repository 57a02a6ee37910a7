"""The queue path: the same body as the connector's, plus tenantId, admitted by the same rule.

A refusal ends the message and is not retried. What cannot be read is set aside with its reason.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import Field

from shared.kernel.clock import from_wire
from shared.kernel.errors import Conflict, Invalid, Malformed, NotFound
from shared.kernel.json_text import read_json, read_text
from shared.kernel.wire import Guid, Wire, parse
from shared.messaging.dead_letters import Poison
from shared.outbound.admission.batches import ITEM, SET_ASIDE, Batches, ItemState
from shared.outbound.admission.scheduler import Accepted, Scheduler
from shared.outbound.tasks.models import SchedulerEntryWrite, UtcTime, read_entry
from shared.outbound.tasks.refusals import LIMIT_REACHED, Refusals
from shared.tenants.tenants import Head, Tenants

QUEUE: Final = "outbound-requests"


class _Place(Wire):
    """Which item of a batch a message is, and when the batch was asked for."""

    id: Guid
    index: Annotated[int, Field(ge=0, le=99)]
    at: UtcTime

    @property
    def name(self) -> str:
        """Stands for the message's id: items are sent again, each time as another message, when one seems lost."""
        return f"{self.id}/{self.index}"


class _Addressed(Wire, extra="ignore"):
    """Whose a message is."""

    tenant_id: Guid


class Intake:
    """Takes requests from the queue."""

    def __init__(
        self, scheduler: Scheduler, batches: Batches, tenants: Tenants, refusals: Refusals, poison: Poison
    ) -> None:
        self._scheduler = scheduler
        self._batches = batches
        self._tenants = tenants
        self._refusals = refusals
        self._poison = poison

    def take(self, raw: bytes, *, message_id: str, attempts: int, sent_at: datetime | None = None) -> None:
        """Admit, refuse or set aside one message. Raises only for what may be better next time.

        ``sent_at`` is when the storage took the message in; None, and it was just now.
        """
        try:
            data, head, place = self._read(raw)
        except (Malformed, Invalid, NotFound) as exc:
            self._poison.keep(raw, queue=QUEUE, reason=exc.detail, attempts=attempts, message_id=message_id)
            return
        try:
            write = read_entry(data)
        except Invalid as exc:
            if place is None:
                self._poison.keep(raw, queue=QUEUE, reason=exc.detail, attempts=attempts, message_id=message_id)
            else:
                self._decided(head, place, "invalid", code=exc.findings[0].code)
            return
        asked_at = from_wire(place.at) if place else sent_at
        outcome = self._submit(head, write, place.name if place else message_id, asked_at)
        if place is None:
            return
        if isinstance(outcome, Accepted):
            self._decided(head, place, "admitted", entry_id=outcome.entry.task_id)
        else:
            self._decided(head, place, "refused", code=outcome)

    def give_up(self, raw: bytes) -> None:
        """Tell its batch what became of an item whose message failed five times. It may be sent again and come in."""
        try:
            data, head, place = self._read(raw)
        except (Malformed, Invalid, NotFound):
            return
        if place is None:
            return
        if refused := self._refusals.of_message(head.tenant_id, place.name):
            self._decided(head, place, "refused", code=refused)
        elif entry_id := self._brought(head, place, data):
            self._decided(head, place, "admitted", entry_id=entry_id)
        else:
            self._decided(head, place, "invalid", code=SET_ASIDE)

    def _read(self, raw: bytes) -> tuple[Any, Head, _Place | None]:
        """The message, whose it is, and the item of a batch that it is. Raises Malformed, Invalid, NotFound."""
        data = read_json(read_text(raw).encode())
        address = parse(_Addressed, data)
        return data, self._tenants.head(address.tenant_id), _place(data)

    def _brought(self, head: Head, place: _Place, data: object) -> str | None:
        try:
            return self._scheduler.brought(head.tenant_id, read_entry(data), place.name)
        except Invalid:
            return None

    def _submit(
        self, head: Head, write: SchedulerEntryWrite, message_id: str, asked_at: datetime | None
    ) -> Accepted | str:
        """What came in, or the code of the refusal, which hooks are told too."""
        code = self._refusals.of_message(head.tenant_id, message_id)  # it may have died before hooks were told
        if not code:
            outcome = self._judge(head, write, message_id, asked_at)
            if isinstance(outcome, Accepted):
                return outcome
            code = outcome
        self._scheduler.tell_rejected(
            head.tenant_id, self._scheduler.as_stored(head.tenant_id, write), code, message_id
        )
        return code

    def _judge(
        self, head: Head, write: SchedulerEntryWrite, message_id: str, asked_at: datetime | None
    ) -> Accepted | str:
        """What came in, or the code of the refusal, which is noted."""
        try:
            outcome = self._scheduler.submit(
                head, write, by=None, source="queue", message_id=message_id, asked_at=asked_at
            )
        except (Invalid, NotFound, Conflict) as exc:
            named = self._scheduler.as_stored(head.tenant_id, write).service_upn
            self._refusals.note(head.tenant_id, named, exc.code, "queue", message_id)
            return exc.code
        return outcome if isinstance(outcome, Accepted) else LIMIT_REACHED

    def _decided(self, head: Head, place: _Place, state: ItemState, *, entry_id: str = "", code: str = "") -> None:
        self._batches.decide(head.tenant_id, place.id, place.index, state, entry_id=entry_id, code=code)


def _place(data: Any) -> _Place | None:
    """What stands there in another form is a field of somebody else's, and ignored like all that are not known."""
    try:
        return parse(_Place, data.get(ITEM))
    except Invalid:
        return None
