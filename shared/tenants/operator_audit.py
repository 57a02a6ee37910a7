"""What the platform's Operators do in a tenant, told in the history of the tenant's settings."""

from __future__ import annotations

import threading
from typing import Final

from shared.callers import Caller
from shared.clock import Clock, to_wire
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
        self._hours: dict[tuple[str, str], str] = {}  # of the last line, by tenant and operator
        self._lock = threading.Lock()

    def note_read(self, tenant_id: str, by: Caller) -> None:
        """Adds one line per operator, tenant and hour (UTC), over all instances. ``new`` of it is when the hour began.

        Costs a dictionary look-up, and once an hour and process up to two reads and a transaction.
        """
        hour = to_wire(self._clock().replace(minute=0, second=0, microsecond=0))
        with self._lock:
            if self._hours.get((tenant_id, by.oid), "") >= hour:
                return
        self._trail.note_once(tenant_id, by, {"path": READ, "old": None, "new": hour}, period=hour)
        with self._lock:
            if len(self._hours) >= _MOST_REMEMBERED:
                self._hours.clear()
            self._hours[tenant_id, by.oid] = hour

    def note_call(self, tenant_id: str, by: Caller, method: str, path: str) -> None:
        """Adds a line for a call that may change something, whatever comes of it. ``new`` of it is method and path."""
        call = f"{method} {path}"[:_LONGEST_CALL]
        self._trail.note(tenant_id, by, [{"path": CALL, "old": None, "new": call}])
