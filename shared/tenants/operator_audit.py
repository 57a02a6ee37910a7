"""What the platform's Operators do in a tenant, told in the history of the tenant's settings."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from shared.concurrency.expiring_cache import Entries
from shared.kernel.callers import Caller
from shared.kernel.clock import Clock, to_wire
from shared.tenants.audit import OPERATOR_SECTION
from shared.tenants.audit_trail import AuditTrail

READ: Final = f"{OPERATOR_SECTION}.read"
CALL: Final = f"{OPERATOR_SECTION}.call"
_LONGEST_CALL: Final = 300  # characters of method and path
_MOST_REMEMBERED: Final = 10_000  # operators by tenant


class OperatorAudit:
    """Writes each line before the call it is about does anything, so that no crash leaves a call without its line.

    Raises StorageDown where the line cannot be written: then the call must not go on.
    """

    def __init__(self, trail: AuditTrail, clock: Clock) -> None:
        self._trail = trail
        self._clock = clock
        self._noted: Entries[bool, datetime] = Entries(clock, _MOST_REMEMBERED)  # by operator, until the hour ends

    def note_read(self, tenant_id: str, by: Caller) -> None:
        """Adds one line per operator, tenant and hour (UTC), over all instances. ``new`` of it is when the hour began.

        Costs a dictionary look-up, and once an hour and process up to two reads and a transaction.
        """
        if self._noted.get(tenant_id, by.oid):
            return
        began = self._clock().replace(minute=0, second=0, microsecond=0)
        hour = to_wire(began)
        self._trail.note_once(tenant_id, by, {"path": READ, "old": None, "new": hour}, period=hour)
        self._noted.put(tenant_id, by.oid, True, began + timedelta(hours=1))

    def forget_tenant(self, tenant_id: str) -> None:
        """Drop what is remembered of the tenant; one made again under its id gets lines of its own."""
        self._noted.forget_tenant(tenant_id)

    def note_call(self, tenant_id: str, by: Caller, method: str, path: str) -> None:
        """Adds a line for a call that may change something, whatever comes of it. ``new`` of it is method and path."""
        call = f"{method} {path}"[:_LONGEST_CALL]
        self._trail.note(tenant_id, by, [{"path": CALL, "old": None, "new": call}])
