"""Removes every row of a tenant that leaves, in steps that may be killed and repeated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import groupby
from typing import Final, Protocol

from shared.kernel import log
from shared.kernel.callers import Caller
from shared.kernel.clock import Clock, from_wire, to_wire
from shared.kernel.errors import NotFound, Stale
from shared.storage.entities import Row
from shared.storage.keys import prefix_end
from shared.storage.tables import MAX_OPERATIONS, Table
from shared.tenants.models import TenantLeaving
from shared.tenants.offboarding_records import keep
from shared.tenants.tenants import Tenants

# A run that has not said for so long that it works is taken for dead.
CLAIM: Final = timedelta(minutes=2)
# Of a tenant without a mark: longer than any call takes from naming it as leaving to marking it.
SETTLED: Final = timedelta(hours=1)


class InMemory(Protocol):
    """Something that keeps values by tenant in the memory of this process."""

    def forget_tenant(self, tenant_id: str) -> None:
        """Drop the values of the tenant."""


class Offboarding:
    """``tables`` are those whose partitions are a tenant id, or start with one and a bar; ``records`` is where it stays
    known who offboarded which tenant. ``caches`` are told of each tenant that leaves; those of other processes drop its
    values by themselves, each at a time it states.
    """

    def __init__(
        self,
        tenants: Tenants,
        tables: Sequence[Table],
        records: Table,
        clock: Clock,
        caches: Sequence[InMemory] = (),
    ) -> None:
        self._tenants = tenants
        self._tables = tables
        self._records = records
        self._clock = clock
        self._caches = caches

    def start(self, tenant_id: str, by: Caller) -> TenantLeaving:
        """Close the tenant to every call at once and ask for a run, as ``Tenants.start_offboarding`` says."""
        leaving = self._tenants.start_offboarding(tenant_id, by)
        self._forget(tenant_id)
        return leaving

    def run(self, tenant_id: str, *, message_id: str = "") -> None:
        """Remove what there is; then the tenant itself. A tenant that is not leaving is left alone.

        One run at a time: asking for the progress sends further messages, and a late run must not remove a tenant
        that was made again. The mark names the message that works; the same message, delivered again after a
        crash, takes over at once. Each batch is noted under the mark's ETag, and whoever lost it stops.
        """
        mark = self._tenants.leaving(tenant_id)
        if mark is None or self._is_worked_on(mark, message_id):
            return
        try:
            self._remove(mark, message_id)
        except (Stale, NotFound):
            log.info("another run offboards the tenant", tenant=tenant_id)

    def resume(self) -> None:
        """Ask again for each tenant that leaves and that nobody works on: its message was lost, or never sent."""
        for name in self._tenants.all_leaving():
            mark = self._tenants.leaving(name.row)
            if mark is None:
                if self._clock() - from_wire(name.text("leaving")) > SETTLED:
                    self._tenants.settle_name(name)
            elif not self._is_worked_on(mark, ""):
                self._tenants.send_offboarding(name.row)
                log.warning("offboarding is asked for again", tenant=name.row)

    def _remove(self, mark: Row, message_id: str) -> None:
        mark = self._tenants.dated(mark)
        keep(self._records, mark)
        mark = self._note(mark, 0, message_id)
        # Calls that read the tenant just before it was closed may still write a row: look until there is none.
        while batches := list(self._batches(mark.partition)):
            for table, rows in batches:
                mark = self._note(mark, len(rows), message_id)
                table.remove_blindly(rows)
        self._forget(mark.partition)  # calls that were under way as the tenant was closed have ended by now
        self._tenants.finish_offboarding(mark)

    def _forget(self, tenant_id: str) -> None:
        for cache in self._caches:
            cache.forget_tenant(tenant_id)

    def _is_worked_on(self, mark: Row, message_id: str) -> bool:
        until = mark.text("until")
        return bool(until) and mark.text("by") != message_id and from_wire(until) > self._clock()

    def _note(self, mark: Row, removed: int, message_id: str) -> Row:
        until = to_wire(self._clock() + CLAIM)
        return self._tenants.note_leaving(mark, removed=mark.number("removed") + removed, by=message_id, until=until)

    def _batches(self, tenant_id: str) -> Iterator[tuple[Table, list[Row]]]:
        for table in self._tables:
            for start, end in ((tenant_id, f"{tenant_id} "), (f"{tenant_id}|", prefix_end(f"{tenant_id}|"))):
                rows = table.partitions(start, end)
                for _, same in groupby(rows, key=lambda row: row.partition):
                    batch: list[Row] = []
                    for row in same:
                        batch.append(row)
                        if len(batch) == MAX_OPERATIONS:
                            yield table, batch
                            batch = []
                    if batch:
                        yield table, batch
