"""Audit lines for what changes outside of the settings document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from shared.kernel.callers import Caller
from shared.kernel.clock import Clock, to_wire
from shared.kernel.errors import NotFound, Stale
from shared.storage.entities import Insert, Merge, Operation, Replace, Row
from shared.storage.tables import Exists, Table
from shared.tenants import audit
from shared.tenants.tenants import SETTINGS

_PERIOD: Final = "noted:"


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
        self._add(tenant_id, by, changes, list)

    def note_once(self, tenant_id: str, by: Caller, change: dict[str, Any], *, period: str) -> None:
        """Add a line unless its author has one of this period, or of a later one.

        Periods are ordered as texts. A row beside the lines holds the author's last one and is written in the
        transaction of the line, so that of several instances one adds it.
        """
        self._add(tenant_id, by, [change], lambda: self._claim(tenant_id, by, period))

    def _claim(self, tenant_id: str, by: Caller, period: str) -> list[Operation] | None:
        """Returns the operation that takes the period, None if it is taken."""
        claim = Row(tenant_id, f"{_PERIOD}{by.tid}:{by.oid}", {"period": period})
        last = self._heads.get(tenant_id, claim.row)
        if last is None:
            return [Insert(claim)]
        return [Replace(claim, last.etag)] if last.text("period") < period else None

    def _add(
        self,
        tenant_id: str,
        by: Caller,
        changes: Sequence[dict[str, Any]],
        claim: Callable[[], list[Operation] | None],
    ) -> None:
        while (settings := self._heads.get(tenant_id, SETTINGS)) is not None and (claimed := claim()) is not None:
            count = settings.number("audit") + 1
            counted = Merge(Row(tenant_id, SETTINGS, {"audit": count}), settings.etag)
            line = audit.entry(tenant_id, count, to_wire(self._clock()), by, settings.number("revision"), changes)
            try:
                self._heads.transact([counted, line, *claimed])
            except (Exists, Stale, NotFound):
                noted = self._heads.get(tenant_id, line.row.row)
                if noted is None or noted.doc != line.row.doc:
                    continue  # somebody else noted something, or the tenant left: look again
            return  # also when it was our own work that refused: the answer got lost and the SDK sent it again
