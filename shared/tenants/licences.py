"""Which licences a tenant's services and users have: a summary beside the head, so that settings cost one read.

The directory tells what changed. A licence that is added goes into the summary; one that is taken away, or any change
of a service, makes it stale, and the next reader counts anew. A reader saves its count only if nobody touched the
summary since it began. If a process dies between the directory's write and the note here, the summary is wrong
until it is an hour old; it explains settings and admits nobody.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Final

from shared.kernel.clock import Clock, from_wire, to_wire
from shared.kernel.errors import NotFound, Stale
from shared.storage.entities import Row, Value
from shared.storage.keys import prefix_end
from shared.storage.tables import Exists, Table
from shared.tenants.models import InUse

ROW: Final = "head:licences"
TRUSTED_FOR: Final = timedelta(hours=1)
_SERVICE, _USER = "service:", "user:"


class Licences:
    """``head`` is the table of tenant heads, ``directory`` that of services and users."""

    def __init__(self, head: Table, directory: Table, clock: Clock) -> None:
        self._head = head
        self._directory = directory
        self._clock = clock

    def in_use(self, tenant_id: str, row: Row | None) -> InUse:
        """From the summary ``row`` of the head if it can be trusted, else counted and kept."""
        now = self._clock()
        if row is not None and row.text("counted_at") and now - from_wire(row.text("counted_at")) < TRUSTED_FOR:
            return _of(row)
        counted = self._count(tenant_id)
        self._save(_row(tenant_id, counted, to_wire(now)), row)
        return counted

    def user_has(self, tenant_id: str, licences: Collection[str]) -> None:
        """A user has these licences now."""
        row = self._head.get(tenant_id, ROW) if licences else None
        if row is None or not row.text("counted_at"):
            return  # whoever reads next counts
        known = _of(row)
        if not known.users.issuperset(licences):
            more = InUse(known.services, known.users.union(licences), known.calls_out)
            if not self._save(_row(tenant_id, more, row.text("counted_at")), row):
                self.forget(tenant_id)

    def forget(self, tenant_id: str) -> None:
        """Something was taken away, or a service changed: the next reader counts."""
        self._head.overwrite(Row(tenant_id, ROW, {"counted_at": ""}))

    def _count(self, tenant_id: str) -> InUse:
        services: set[str] = set()
        users: set[str] = set()
        calls_out = False
        for row in self._directory.span(
            tenant_id, _SERVICE, prefix_end(_SERVICE), select=["RowKey", "PartitionKey", "licences", "calls_out"]
        ):
            services.add(row.text("licences"))
            calls_out = calls_out or row.values.get("calls_out") is True
        for row in self._directory.span(
            tenant_id, _USER, prefix_end(_USER), only="licences ne ''", select=["RowKey", "PartitionKey", "licences"]
        ):
            users.update(row.text("licences").split(","))
        return InUse(frozenset(services), frozenset(users), calls_out)

    def _save(self, row: Row, before: Row | None) -> bool:
        try:
            if before is None:
                self._head.insert(row)
            else:
                self._head.replace(row, etag=before.etag)
        except (Exists, Stale, NotFound):
            return False
        return True


def _row(tenant_id: str, in_use: InUse, counted_at: str) -> Row:
    values: dict[str, Value] = {
        "services": ",".join(sorted(in_use.services)),
        "users": ",".join(sorted(in_use.users)),
        "calls_out": in_use.calls_out,
        "counted_at": counted_at,
    }
    return Row(tenant_id, ROW, values)


def _of(row: Row) -> InUse:
    return InUse(_set(row.text("services")), _set(row.text("users")), row.values.get("calls_out") is True)


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split(",")) if text else frozenset()
