"""Tenants, and the rows nearly every call needs, read in one go.

A tenant's partition of the table ``tenants`` holds its *head*: the tenant, its settings and its widget key, made
together in one transaction. The partition ``index`` names every tenant that may exist; an entry is written before
the head and removed after it, so a crash in between leaves a name too many, never one too few. While a tenant leaves,
its entry says since when, so that those nobody works on are found again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from shared.kernel import log
from shared.kernel.callers import Caller
from shared.kernel.clock import Clock, to_wire
from shared.kernel.errors import Conflict, NotFound, Stale
from shared.storage.entities import Row, Value
from shared.storage.queues import Queue
from shared.storage.tables import Exists, Table
from shared.tenants.documents import Held, Versions, check, commit, held, write
from shared.tenants.models import Page, Stored, Tenant, TenantLeaving, TenantWrite
from shared.tenants.offboarding_records import mark_values
from shared.tenants.setting_catalogue import Settings
from shared.tenants.widget_keys import WidgetKeys

_INDEX: Final = "index"
_HEAD: Final = ("head:", "head;")
_TENANT: Final = "head:tenant"
SETTINGS: Final = "head:settings"
_LEAVING: Final = "head:leaving"


@dataclass(frozen=True, slots=True)
class Head:
    """A tenant with its settings, as one read found them; ``rows`` holds whatever else stands at the head."""

    tenant: Held[Tenant]
    settings: Held[Settings]
    rows: Mapping[str, Row]

    @property
    def tenant_id(self) -> str:
        return self.tenant.value.tenant_id


class Tenants:
    """Reads, makes and removes tenants."""

    def __init__(self, table: Table, widget_keys: WidgetKeys, offboarding: Queue, clock: Clock) -> None:
        self._table = table
        self._widget_keys = widget_keys
        self._offboarding = offboarding
        self._clock = clock

    def head(self, tenant_id: str) -> Head:
        """One range read. Raises NotFound for a tenant that is not there or is leaving."""
        found = self._find(tenant_id)
        if found is None:
            raise NotFound("there is no such tenant", code="TenantNotFound")
        return found

    def put(
        self, tenant_id: str, wanted: Callable[[], TenantWrite], *, versions: Versions, by: Caller
    ) -> Stored[Tenant]:
        """Create a tenant with default settings, or change its name, products or cluster.

        ``wanted`` is judged after the version: an old version is not worth judging.
        """
        rows = self._head_rows(tenant_id)
        leaving = _LEAVING in rows  # then there is nothing any more that a version could name
        found = held(Tenant, rows[_TENANT]) if _TENANT in rows and not leaving else None
        check(found, versions)
        tenant = Tenant(tenant_id=tenant_id, **dict(wanted()))
        if leaving:
            raise Conflict("this tenant is being offboarded; create it again when that is done", code="TenantLeaving")
        operations = [write(found, tenant_id, _TENANT, tenant)]
        if found is None:
            self._table.overwrite(Row(_INDEX, tenant_id, {}))
            operations.append(write(None, tenant_id, SETTINGS, Settings()))
            operations.append(self._widget_keys.first(tenant_id))
        saved = commit(self._table, found, tenant, operations, lambda: self._tenant(tenant_id))
        log.info("tenant created" if saved.created else "tenant changed", tenant=tenant_id, by=by.oid)
        return saved

    def page(self, *, top: int, continuation: str | None) -> Page[Tenant]:
        """Tenants in the order of their ids. Two queries, however many there are."""
        names, following = self._table.page(_INDEX, "0", "~", top=top, continuation=continuation)
        if not names:
            return Page([], following)
        rows = list(self._table.across(names[0].row, names[-1].row, (_TENANT, _LEAVING)))
        leaving = {row.partition for row in rows if row.row == _LEAVING}
        here = (row for row in rows if row.row == _TENANT and row.partition not in leaving)
        return Page([held(Tenant, row).value for row in here], following)

    def ids(self) -> Iterator[str]:
        """Ids of every tenant that may exist; ``head`` tells whether it does."""
        return (row.row for row in self._table.span(_INDEX, "0", "~"))

    def start_offboarding(self, tenant_id: str, by: Caller) -> TenantLeaving:
        """Close the tenant to every call at once; the rows go by and by. Says how far that is.

        The mark is written before the message: a crash in between leaves a closed tenant. Asking again sends the
        message again; so does ``Offboarding.resume``, which finds the tenant by its name in the index.
        """
        rows = self._head_rows(tenant_id)
        if not rows.keys() & {_TENANT, _LEAVING}:  # a call that was under way as it left may have written others
            raise NotFound("there is no such tenant", code="TenantNotFound")
        leaving = rows.get(_LEAVING)
        if leaving is None:
            now, products = self._clock(), held(Tenant, rows[_TENANT]).value.products
            recorded = mark_values(now, by.oid, products)
            leaving = Row(tenant_id, _LEAVING, {"removed": 0, **recorded})
            self._table.overwrite(Row(_INDEX, tenant_id, {"leaving": to_wire(now)}))
            with suppress(Exists):  # somebody asked at the same moment
                self._table.insert(leaving)
            log.info("tenant is offboarded", tenant=tenant_id, by=by.oid)
        self.send_offboarding(tenant_id)
        return TenantLeaving(tenant_id=tenant_id, rows_removed=leaving.number("removed"))

    def send_offboarding(self, tenant_id: str) -> None:
        self._offboarding.send({"tenantId": tenant_id})

    def all_leaving(self) -> list[Row]:
        """The names of tenants that leave, or have just left; ``leaving`` is since when."""
        return list(self._table.span(_INDEX, "0", "~", only="leaving ne ''"))

    def settle_name(self, name: Row) -> None:
        """The name of a tenant that is called leaving and has no mark. Either the last step of its offboarding was
        never done, or its first one broke off: then the tenant is there, and stays.
        """
        if self._tenant(name.row) is None:
            self.forget_name(name)
        else:
            with suppress(Stale):
                self._table.replace(Row(_INDEX, name.row, {}), etag=name.etag)

    def forget_name(self, name: Row) -> None:
        """Out of the index, unless the tenant was made again since the name was read."""
        with suppress(Stale):
            self._table.delete(name, etag=name.etag)

    def leaving(self, tenant_id: str) -> Row | None:
        """The mark of a tenant that leaves."""
        return self._table.get(tenant_id, _LEAVING)

    def dated(self, mark: Row) -> Row:
        """The mark with ``since``, which a mark of an earlier release lacks: the time in the index, else now.

        Raises Stale or NotFound as ``note_leaving`` does.
        """
        if mark.text("since"):
            return mark
        name = self._table.get(_INDEX, mark.partition)
        since = name.text("leaving") if name else ""
        return self.note_leaving(mark, since=since or to_wire(self._clock()))

    def note_leaving(self, mark: Row, **values: Value) -> Row:
        """The mark with values changed. Raises Stale or NotFound when another run has taken over or ended."""
        noted = Row(mark.partition, mark.row, {**mark.values, **values})
        return Row(mark.partition, mark.row, noted.values, self._table.replace(noted, etag=mark.etag))

    def finish_offboarding(self, mark: Row) -> None:
        """The last rows: all that describes the tenant, then the mark, and its name in the index at the very end.

        While the mark stands nobody can create the tenant again, so no row of a new one is taken away; the name
        goes only in the version that was there before.
        """
        tenant_id = mark.partition
        name = self._table.get(_INDEX, tenant_id)
        self._widget_keys.forget(tenant_id)
        described = [row for row in self._table.span(tenant_id, "", "~") if row.row != _LEAVING]
        self._table.remove_blindly(described)
        self._table.delete(mark, etag=mark.etag)
        if name is not None:
            self.forget_name(name)
        log.info("tenant is gone", tenant=tenant_id, by=mark.text("operator"))

    def _find(self, tenant_id: str) -> Head | None:
        rows = self._head_rows(tenant_id)
        if _LEAVING in rows or _TENANT not in rows:
            return None
        return Head(held(Tenant, rows[_TENANT]), held(Settings, rows[SETTINGS]), rows)

    def _head_rows(self, tenant_id: str) -> dict[str, Row]:
        return {row.row: row for row in self._table.span(tenant_id, *_HEAD)}

    def _tenant(self, tenant_id: str) -> Held[Tenant] | None:
        row = self._table.get(tenant_id, _TENANT)
        return held(Tenant, row) if row else None
