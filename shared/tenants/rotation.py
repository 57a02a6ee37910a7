"""Seals stored secrets again under the newest key of the ring, tenant by tenant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared.errors import NotFound, Stale
from shared.storage.secrets import SecretBox
from shared.storage.tables import Row, Table, with_doc
from shared.tenants.settings_document import SECRETS
from shared.tenants.tenants import SETTINGS, Tenants
from shared.tenants.widget_keys import FIELD as WIDGET_FIELD
from shared.tenants.widget_keys import ROW as WIDGET


class Rotation:
    """May be stopped at any point and run again: what is sealed with the newest key already is left alone."""

    def __init__(self, tenants: Tenants, heads: Table, secrets: SecretBox) -> None:
        self._tenants = tenants
        self._heads = heads
        self._secrets = secrets

    def run(self, progress: Callable[[int, int], None]) -> int:
        """Gives the number of secrets sealed again. ``progress`` is told tenants done and tenants in all."""
        tenant_ids = list(self._tenants.ids())
        sealed = 0
        for done, tenant_id in enumerate(tenant_ids, start=1):
            sealed += self._settings(tenant_id) + self._widget_key(tenant_id)
            progress(done, len(tenant_ids))
        return sealed

    def _settings(self, tenant_id: str) -> int:
        """The document's revision stays: nothing an admin wrote has changed."""

        def renewed(row: Row) -> tuple[Row, int]:
            document = row.doc
            count = 0
            for section, name in SECRETS:
                secret = document.get(section, {}).get(name)
                if secret and not self._secrets.is_current(secret["sealed"]):
                    secret["sealed"] = self._again(secret["sealed"], tenant_id, f"{section}.{name}")
                    count += 1
            kept: dict[str, Any] = {n: v for n, v in row.values.items() if not n.startswith("doc")}
            return Row(tenant_id, SETTINGS, with_doc(document, **kept)), count

        return self._replace(tenant_id, SETTINGS, renewed)

    def _widget_key(self, tenant_id: str) -> int:
        def renewed(row: Row) -> tuple[Row, int]:
            if self._secrets.is_current(row.text("sealed")):
                return row, 0
            again = self._again(row.text("sealed"), tenant_id, WIDGET_FIELD)
            return Row(tenant_id, WIDGET, {**row.values, "sealed": again}), 1

        return self._replace(tenant_id, WIDGET, renewed)

    def _replace(self, tenant_id: str, key: str, renewed: Callable[[Row], tuple[Row, int]]) -> int:
        while (row := self._heads.get(tenant_id, key)) is not None:
            after, count = renewed(row)
            if not count:
                return 0
            try:
                self._heads.replace(after, etag=row.etag)
            except Stale:
                continue  # an admin wrote meanwhile, with the newest key; look again
            except NotFound:
                return 0
            return count
        return 0

    def _again(self, sealed: str, tenant_id: str, field: str) -> str:
        plain = self._secrets.open(sealed, tenant=tenant_id, field=field)
        return self._secrets.seal(plain, tenant=tenant_id, field=field)
