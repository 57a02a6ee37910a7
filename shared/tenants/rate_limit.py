"""How often a tenant may do something, counted over all instances."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Protocol

from shared.kernel.clock import Clock, from_wire, to_wire
from shared.kernel.errors import NotFound, RateLimited, Stale
from shared.storage.entities import Row, with_doc
from shared.storage.tables import Exists, Table

_ROW: Final = "recent"


class TenantLimit(Protocol):
    """Limits how often a tenant may do something."""

    def take(self, tenant_id: str) -> None:
        """Count one more. Raises RateLimited."""


class Pace:
    """At most ``most`` times within any ``per``; one row per tenant holds the moments that still count.

    A fixed window would let through twice as many at its border. ``what`` names the thing in keys and messages.
    """

    def __init__(self, table: Table, clock: Clock, *, what: str, most: int, per: timedelta) -> None:
        self._table = table
        self._clock = clock
        self._what = what
        self._most = most
        self._per = per

    def take(self, tenant_id: str) -> None:
        """Count one more. Raises RateLimited, which counts nothing; StorageDown as tables do."""
        partition = f"{tenant_id}|{self._what}"
        # A write that comes too late means that another was counted, so after as many the minute is full.
        for _ in range(self._most + 1):
            row = self._table.get(partition, _ROW)
            now = self._clock()
            recent = self._counting(row, now)
            if len(recent) >= self._most:
                raise self._limited((min(recent) + self._per - now).total_seconds())
            counted = Row(partition, _ROW, with_doc([to_wire(moment) for moment in (*recent, now)]))
            try:
                if row is None:
                    self._table.insert(counted)
                else:
                    self._table.replace(counted, etag=row.etag)
            except (Exists, Stale, NotFound):
                continue
            return
        raise self._limited(1.0)

    def _counting(self, row: Row | None, now: datetime) -> list[datetime]:
        """Moments of the last ``per``. One from far ahead came from a clock gone wrong and must not lock out."""
        moments = [from_wire(text) for text in row.doc] if row else []
        return [moment for moment in moments if abs(now - moment) < self._per]

    def _limited(self, pause: float) -> RateLimited:
        seconds = self._per.total_seconds()
        return RateLimited(f"at most {self._most} {self._what} in {seconds:g} s for one tenant", retry_after=pause)
