"""Seals stored secrets again under the newest key of the ring, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.kernel.errors import NotFound, Stale
from shared.storage.entities import Row, with_doc
from shared.storage.secrets import SecretBox, Unreadable
from shared.storage.tables import Table
from shared.tenants.setting_catalogue import SECRETS
from shared.tenants.tenants import SETTINGS, Tenants
from shared.tenants.widget_keys import FIELD as WIDGET_FIELD
from shared.tenants.widget_keys import ROW as WIDGET

MOST_PASSES: Final = 5  # the first does the work and the second finds nothing, unless somebody writes in between


def unchanged(row: Row) -> Row:
    """The form of rows that no release has written in another one."""
    return row


@dataclass(frozen=True, slots=True)
class SealedRows:
    """Rows of a feature that hold one secret each, in the column ``sealed``, sealed as ``field`` of its tenant.

    ``cleaned`` returns a row without what an earlier release stored in clear, the row itself where there is nothing.
    """

    table: Table
    rows: Callable[[], Iterable[Row]]
    tenant_of: Callable[[Row], str]
    field: str
    cleaned: Callable[[Row], Row] = unchanged


@dataclass(frozen=True, slots=True)
class Rotated:
    """How many secrets were sealed again, and where those are that no key of the ring opens.

    ``settled`` is False when the last pass still found secrets to seal: somebody goes on sealing with an older key.
    """

    sealed: int
    unreadable: tuple[str, ...]
    settled: bool = True


class Rotation:
    """May be stopped at any point and run again: what is sealed with the newest key already is left alone.

    ``others`` are the secrets that features keep outside of the tenants' heads.
    """

    def __init__(self, tenants: Tenants, heads: Table, secrets: SecretBox, others: Sequence[SealedRows] = ()) -> None:
        self._tenants = tenants
        self._heads = heads
        self._secrets = secrets
        self._others = others
        self._unreadable: list[str] = []

    def run(self, progress: Callable[[int, int], None]) -> Rotated:
        """Seal all there is, pass after pass until one finds nothing to seal: what was written, copied or moved past
        the reader is found by the next. A secret that does not open is named and does not keep the others.

        ``progress`` is told tenants done and tenants in all, in each pass.
        """
        sealed = 0
        for _ in range(MOST_PASSES):
            found = self._pass(progress)
            sealed += found
            if not found:
                return Rotated(sealed, tuple(self._unreadable))
        return Rotated(sealed, tuple(self._unreadable), settled=False)

    def _pass(self, progress: Callable[[int, int], None]) -> int:
        """Look at every secret once. Returns how many were sealed again."""
        self._unreadable = []
        sealed = 0
        for place in self._others:
            sealed += sum(
                self._column(place.table, row, place.tenant_of(row), place.field, place.cleaned) for row in place.rows()
            )
        tenant_ids = list(self._tenants.ids())
        for done, tenant_id in enumerate(tenant_ids, start=1):
            sealed += self._settings(tenant_id)
            if widget := self._heads.get(tenant_id, WIDGET):
                sealed += self._column(self._heads, widget, tenant_id, WIDGET_FIELD)
            progress(done, len(tenant_ids))
        return sealed

    def _settings(self, tenant_id: str) -> int:
        """The document's revision stays: nothing an admin wrote has changed."""

        def renewed(row: Row) -> tuple[Row, int]:
            document = row.doc
            count = 0
            for section, name in SECRETS:
                secret = document.get(section, {}).get(name)
                again = secret and self._again(secret["sealed"], tenant_id, f"{section}.{name}")
                if again:
                    secret["sealed"] = again
                    count += 1
            kept: dict[str, Any] = {n: v for n, v in row.values.items() if not n.startswith("doc")}
            return (Row(tenant_id, SETTINGS, with_doc(document, **kept)), count) if count else (row, 0)

        row = self._heads.get(tenant_id, SETTINGS)
        return self._replace(self._heads, row, renewed) if row else 0

    def _column(
        self, table: Table, row: Row, tenant_id: str, field: str, cleaned: Callable[[Row], Row] = unchanged
    ) -> int:
        def renewed(row: Row) -> tuple[Row, int]:
            again = self._again(row.text("sealed"), tenant_id, field)
            clean = cleaned(row)
            return (Row(row.partition, row.row, {**clean.values, "sealed": again}), 1) if again else (clean, 0)

        return self._replace(table, row, renewed)

    def _replace(self, table: Table, row: Row | None, renewed: Callable[[Row], tuple[Row, int]]) -> int:
        """Write what ``renewed`` returns, unless it is the row itself. Returns how many secrets were sealed again."""
        while row is not None:
            after, count = renewed(row)
            if after is row:
                return 0
            try:
                table.replace(after, etag=row.etag)
            except Stale:
                row = table.get(row.partition, row.row)  # somebody wrote meanwhile; look at what is there now
            except NotFound:
                return 0
            else:
                return count
        return 0

    def _again(self, sealed: str, tenant_id: str, field: str) -> str:
        """The secret under the newest key, or nothing if there is nothing to do or to be done."""
        try:
            again = self._secrets.renewed(sealed, tenant=tenant_id, field=field)
        except Unreadable:
            self._unreadable.append(f"{field} of tenant {tenant_id}")
            return ""
        return "" if again == sealed else again
