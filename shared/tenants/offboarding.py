"""Removes every row of a tenant that leaves, in steps that may be killed and repeated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from shared.storage.keys import prefix_end
from shared.storage.tables import MAX_OPERATIONS, Row, Table
from shared.tenants.tenants import Tenants

NOTE_EVERY: Final = 1000  # rows between two notes of the progress


class Offboarding:
    """``tables`` are those whose partitions are a tenant id, or start with one and a bar."""

    def __init__(self, tenants: Tenants, tables: Sequence[Table]) -> None:
        self._tenants = tenants
        self._tables = tables

    def run(self, tenant_id: str) -> None:
        """Remove what there is; then the tenant itself. A tenant that is not leaving is left alone."""
        if not self._tenants.is_leaving(tenant_id):
            return
        removed = noted = 0
        for batch in self._batches(tenant_id):
            batch[0].remove_blindly(batch[1])
            removed += len(batch[1])
            if removed - noted >= NOTE_EVERY:
                self._tenants.note_removed(tenant_id, removed)
                noted = removed
        self._tenants.finish_offboarding(tenant_id)

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
