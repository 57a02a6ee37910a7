"""Audit lines for what changes outside of the settings document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shared.callers import Caller
from shared.clock import Clock, to_wire
from shared.errors import NotFound, Stale
from shared.storage.entities import Merge, Row
from shared.storage.tables import Exists, Table
from shared.tenants import audit
from shared.tenants.tenants import SETTINGS


def system(tenant_id: str) -> Caller:
    """The author of what nobody asked for."""
    return Caller(tenant_id, "system", "system", frozenset())


class AuditTrail:
    """Adds lines to the history of a tenant's settings, in the order in which they come."""

    def __init__(self, heads: Table, clock: Clock) -> None:
        self._heads = heads
        self._clock = clock

    def note(self, tenant_id: str, by: Caller, changes: Sequence[dict[str, Any]]) -> None:
        """A tenant that is gone has no history any more, so nothing is noted."""
        while (settings := self._heads.get(tenant_id, SETTINGS)) is not None:
            count = settings.number("audit") + 1
            counted = Merge(Row(tenant_id, SETTINGS, {"audit": count}), settings.etag)
            line = audit.entry(tenant_id, count, to_wire(self._clock()), by, settings.number("revision"), changes)
            try:
                self._heads.transact([counted, line])
            except (Exists, Stale, NotFound):
                noted = self._heads.get(tenant_id, line.row.row)
                if noted is None or noted.doc != line.row.doc:
                    continue  # somebody else noted something, or the tenant left: look again
            return  # also when it was our own work that refused: the answer got lost and the SDK sent it again
