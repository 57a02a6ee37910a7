"""What was refused: kept for people, without customer data."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Final, Literal

from shared.kernel import log
from shared.kernel.clock import Clock
from shared.kernel.errors import AppError
from shared.kernel.wire import Wire
from shared.storage.entities import Row
from shared.storage.journal import Journal
from shared.storage.tables import Table
from shared.tenants.models import Page

Source = Literal["http", "queue"]
LIMIT_REACHED: Final = "OutboundTaskLimitReached"
KEPT: Final = timedelta(hours=24)


class Refusal(Wire):
    """A task that was not taken in."""

    id: str
    service_upn: str
    code: str
    at: str
    source: str


class Refusals:
    """Rows in the table ``journal``, one partition per tenant, newest first."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._journal = Journal(table, clock)
        self._clock = clock

    def note(self, tenant_id: str, service_upn: str, code: str, source: Source, message_id: str = "") -> None:
        """Remember a refusal, that of a message once however often it comes.

        A failure here is logged and swallowed: the answer stands without it.
        """
        values = {"service_upn": service_upn, "code": code, "source": source}
        try:
            self._journal.note(f"{tenant_id}|refusals", values, message_id=message_id)
        except AppError as exc:
            log.warning("a refusal could not be noted", tenant=tenant_id, service=service_upn, why=exc.code)
        log.info("outbound task refused", tenant=tenant_id, service=service_upn, code=code, source=source)

    def of_message(self, tenant_id: str, message_id: str) -> str | None:
        """The code a message was refused with, if it was: it stays refused when it comes again."""
        note = self._journal.of_message(f"{tenant_id}|refusals", message_id)
        return note.text("code") if note else None

    def today(self, tenant_id: str) -> Counter[str]:
        """How many were refused since midnight UTC, by the casefolded UPN of the service."""
        midnight = self._clock().replace(hour=0, minute=0, second=0, microsecond=0)
        rows = self._journal.since(f"{tenant_id}|refusals", midnight, "service_upn")
        return Counter(row.text("service_upn").casefold() for row in rows)

    def page(self, tenant_id: str, *, top: int, continuation: str | None) -> Page[Refusal]:
        """Those of the last 24 hours, newest first."""
        rows, following = self._journal.page(f"{tenant_id}|refusals", top=top, continuation=continuation, within=KEPT)
        return Page([_refusal(row) for row in rows], following)


def _refusal(row: Row) -> Refusal:
    return Refusal(
        id=row.row,
        service_upn=row.text("service_upn"),
        code=row.text("code"),
        at=row.text("at"),
        source=row.text("source"),
    )
