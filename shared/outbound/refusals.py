"""What was refused, and messages that could not be read: kept for people, without customer data."""

from __future__ import annotations

import secrets
from collections import Counter
from datetime import datetime, timedelta
from typing import Final, Literal

from shared import log
from shared.clock import Clock, to_wire
from shared.errors import AppError
from shared.storage.tables import Row, Table
from shared.tenants.models import Page
from shared.wire import Wire

Source = Literal["http", "queue"]
LIMIT_REACHED: Final = "OutboundTaskLimitReached"
KEPT: Final = timedelta(hours=24)
_FAR: Final = datetime.fromisoformat("9999-01-01T00:00:00+00:00")


class Refusal(Wire):
    """A task that was not taken in."""

    id: str
    service_upn: str
    code: str
    at: str
    source: str


class Refusals:
    """Rows in the table ``journal``, one partition per tenant and kind, newest first."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def note(self, tenant_id: str, service_upn: str, code: str, source: Source) -> None:
        """Remember a refusal. A failure here is logged and swallowed: the answer stands without it."""
        now = self._clock()
        values = {"service_upn": service_upn, "code": code, "at": to_wire(now), "source": source}
        try:
            self._table.insert(Row(f"{tenant_id}|refusals", newest_first(now), values))
        except AppError as exc:
            log.warning("a refusal could not be noted", tenant=tenant_id, service=service_upn, why=exc.code)
        log.info("outbound task refused", tenant=tenant_id, service=service_upn, code=code, source=source)

    def today(self, tenant_id: str) -> Counter[str]:
        """How many were refused since midnight UTC, by the casefolded UPN of the service."""
        midnight = self._clock().replace(hour=0, minute=0, second=0, microsecond=0)
        end = f"{int((_FAR - midnight).total_seconds() * 1000):016}~"
        rows = self._table.span(f"{tenant_id}|refusals", "0", end, select=["PartitionKey", "RowKey", "service_upn"])
        return Counter(row.text("service_upn").casefold() for row in rows)

    def page(self, tenant_id: str, *, top: int, continuation: str | None) -> Page[Refusal]:
        """Those of the last 24 hours, newest first."""
        oldest = _FAR - (self._clock() - KEPT)
        end = f"{int(oldest.total_seconds() * 1000):016}"
        rows, following = self._table.page(f"{tenant_id}|refusals", "0", end, top=top, continuation=continuation)
        return Page([_refusal(row) for row in rows], following)


def newest_first(moment: datetime) -> str:
    """A row key that sorts later moments first; a random tail keeps two of the same moment apart."""
    return f"{int((_FAR - moment).total_seconds() * 1000):016}-{secrets.token_hex(4)}"


def _refusal(row: Row) -> Refusal:
    return Refusal(
        id=row.row,
        service_upn=row.text("service_upn"),
        code=row.text("code"),
        at=row.text("at"),
        source=row.text("source"),
    )
