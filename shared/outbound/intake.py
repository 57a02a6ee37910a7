"""The queue path: the same body as the connector's, plus tenantId, admitted by the same rule.

A refusal ends the message and is not retried. What cannot be read is set aside with its reason.
"""

from __future__ import annotations

from typing import Final

from shared.errors import Conflict, Invalid, Malformed, NotFound
from shared.json_text import read_json, read_text
from shared.outbound.models import SchedulerEntryWrite, read_entry
from shared.outbound.refusals import Refusals
from shared.outbound.scheduler import Scheduler
from shared.poison import Poison
from shared.tenants.tenants import Tenants
from shared.wire import Guid, Wire, parse

QUEUE: Final = "outbound-requests"


class _Addressed(Wire, extra="ignore"):
    tenant_id: Guid


class Intake:
    """Takes requests from the queue."""

    def __init__(self, scheduler: Scheduler, tenants: Tenants, refusals: Refusals, poison: Poison) -> None:
        self._scheduler = scheduler
        self._tenants = tenants
        self._refusals = refusals
        self._poison = poison

    def take(self, raw: bytes, *, message_id: str, attempts: int) -> None:
        """Admit, refuse or set aside one message. Raises only for what may be better next time."""
        try:
            tenant_id, write = _read(raw)
            head = self._tenants.head(tenant_id)
        except (Malformed, Invalid, NotFound) as exc:
            self._poison.keep(raw, queue=QUEUE, reason=exc.detail, attempts=attempts, message_id=message_id)
            return
        try:
            self._scheduler.submit(head, write, by=None, source="queue", message_id=message_id)
        except (Invalid, NotFound, Conflict) as exc:
            self._refusals.note(tenant_id, write.service_upn, exc.code, "queue", message_id)


def _read(raw: bytes) -> tuple[str, SchedulerEntryWrite]:
    """Tenant and entry of a message. Raises Malformed, Invalid."""
    data = read_json(read_text(raw).encode())
    return parse(_Addressed, data).tenant_id, read_entry(data)
