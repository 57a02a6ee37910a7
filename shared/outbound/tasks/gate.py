"""The gate of a service, and why no task is left without its service.

A task can be added only while the gate is there. Whoever opens it writes down the wish, touches the service, then
opens for the wish. Whoever deletes a service reads it, takes gate and wishes away if nobody is in, then deletes what
was read. A touch before that read means that the wish, or the gate it led to, was there to be taken away. A touch
after it makes the deletion look again. A touch after the deletion finds nothing. So either the task wins or the
deletion, whoever dies at which line: a service without a gate is one that has no task yet.
"""

from __future__ import annotations

from collections.abc import Callable

from shared.kernel.errors import NotFound, Stale
from shared.outbound.tasks.entities import ENTRY, GATE, OPENING, partition_of
from shared.storage.entities import Delete, Insert, Row
from shared.storage.keys import prefix_end
from shared.storage.tables import Exists, Table
from shared.tenants.directory import Directory


class Gate:
    """Opens and shuts the gates of services, rows of the table ``outbound``."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def open(self, tenant_id: str, service_upn: str, touch: Callable[[], object]) -> None:
        """Lets tasks in, if ``touch`` finds the service.

        The opening marker is written first, then the service is touched, then the marker becomes the gate: a process
        that shuts the gate meanwhile removes the marker. Then nothing happens, and the caller's next try starts over.
        """
        marker = Row(partition_of(tenant_id, service_upn), OPENING, {})
        etag = self._marked(marker)
        try:
            touch()
        except NotFound:
            self._table.remove_blindly([marker])
            raise
        try:
            self._table.transact([Delete(marker, etag), Insert(Row(marker.partition, GATE, {}))])
        except Exists:
            self._table.remove_blindly([marker])  # it is open
        except (Stale, NotFound):
            return

    def shut(self, tenant_id: str, service_upn: str) -> bool:
        """Lets no task in any more, if the service has no unfinished one; returns whether it did.

        A task that comes at the same moment wins.
        """
        partition = partition_of(tenant_id, service_upn)
        while True:
            rows = list(self._table.span(partition, GATE, prefix_end(OPENING)))
            if self._is_busy(partition):
                return False
            if not rows:
                return True
            try:
                self._table.transact([Delete(row, row.etag) for row in rows])
            except (NotFound, Stale):
                continue  # a task came in, or another process opens or shuts it
            return True

    def _marked(self, marker: Row) -> str:
        """The ETag of the opening marker, also of one that another process left."""
        while True:
            try:
                return self._table.insert(marker)
            except Exists:
                found = self._table.get(marker.partition, marker.row)
                if found is not None:
                    return found.etag

    def _is_busy(self, partition: str) -> bool:
        rows, _ = self._table.page(partition, ENTRY, prefix_end(ENTRY), top=1)
        return bool(rows)


def open_gate(gate: Gate, directory: Directory, tenant_id: str, service_upn: str) -> None:
    """Raises NotFound (``ServiceNotFound``) and leaves the gate shut when the service is gone."""
    gate.open(tenant_id, service_upn, lambda: directory.touch_service(tenant_id, service_upn))
