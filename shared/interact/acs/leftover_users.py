"""Users of ACS that checks made and that must go.

A row is written before a user is deleted and removed when that succeeded, so neither a far side that refuses nor
a process that dies leaves a user behind for good. Secrets in it are sealed.
"""

from __future__ import annotations

import secrets as random
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from shared.concurrency.deadlines import Latecomers
from shared.interact.acs.connection_strings import Strings, accepted
from shared.interact.acs.users import KEPT, PATIENCE, Deletes, opened, pause_after
from shared.kernel import log
from shared.kernel.acs_connection_string import ConnectionString
from shared.kernel.clock import Clock, from_wire, to_wire
from shared.kernel.errors import AppError, NotFound, Stale
from shared.storage.entities import Row, Values
from shared.storage.secrets import SecretBox
from shared.storage.tables import Exists, Table
from shared.tenants.key_rotation import SealedRows

PARTITION: Final = "leftovers"
FIELD: Final = "interact.acsLeftover"

GRACE: Final = timedelta(minutes=2)  # a check at work cleans up itself; it needs 10 s, an abandoned one more
MOST: Final = 50  # deletions of one sweep: at worst 250 s, while a timer may run for 5 min and more


def sealed_rows(table: Table) -> SealedRows:
    """Where the connection strings lie, for whoever seals them again."""
    return SealedRows(table, lambda: table.span(PARTITION, "0", ":"), lambda row: row.text("tenant"), FIELD)


class Leftovers:
    """Notes of users to delete, and the sweep that works them off."""

    def __init__(
        self,
        table: Table,
        secrets: SecretBox,
        identities: Deletes,
        strings: Strings,
        clock: Clock,
        *,
        patience: float = PATIENCE,
    ) -> None:
        self._table = table
        self._secrets = secrets
        self._identities = identities
        self._strings = strings
        self._clock = clock
        self._patience = patience
        self._latecomers = Latecomers()

    def keep(self, tenant_id: str, connection: ConnectionString, user_id: str) -> Row | None:
        """Remember a user that is about to be deleted; None where storage fails, which is logged."""
        now = self._clock()
        values: Values = {
            "tenant": tenant_id,
            "user": user_id,
            "sealed": self._secrets.seal(connection.text, tenant=tenant_id, field=FIELD),
            "made_at": to_wire(now),
            "due": to_wire(now + GRACE),
            "tries": 0,
        }
        row = Row(PARTITION, f"{int(now.timestamp() * 1000):016}-{random.token_hex(4)}", values)
        try:
            with suppress(Exists):
                return Row(row.partition, row.row, values, self._table.insert(row))
            return self._table.get(row.partition, row.row)  # our own: the answer got lost and it was sent again
        except AppError as exc:
            log.warning("a user of a connection check could not be noted", tenant=tenant_id, why=exc.code)
            return None

    def forget(self, row: Row) -> None:
        """The user is gone. Where storage fails, or a sweep was at the row, the next sweep finds out again."""
        try:
            self._table.delete(row, etag=row.etag)
        except AppError as exc:
            log.info("a user of a connection check stays noted", tenant=row.text("tenant"), why=exc.code)

    def sweep(self) -> int:
        """Delete users whose check could not, at most 50 at once; gives how many went.

        Several instances may do so at the same time. A row is tried again after 2, 4, 8 ... minutes and given up
        after 7 days, or when its connection string does not open any more; both are logged.
        """
        now = self._clock()
        due = self._table.span(PARTITION, "0", ":", only="due le @now", parameters={"now": to_wire(now)})
        return sum(self._sweep_one(row, now) for row in list(islice(due, MOST)))

    def _sweep_one(self, row: Row, now: datetime) -> bool:
        tenant_id = row.text("tenant")
        if now - from_wire(row.text("made_at")) >= KEPT:
            log.warning("a user of a connection check is given up", tenant=tenant_id, user=row.text("user"))
            self.forget(row)
            return False
        try:
            connection = opened(self._secrets, row.text("sealed"), tenant=tenant_id, field=FIELD)
        except AppError as exc:
            log.warning("a user of a connection check is out of reach", tenant=tenant_id, why=exc.code)
            self.forget(row)
            return False
        try:
            accepted(self._strings, tenant_id, connection, lambda one: self._delete(one, row.text("user")))
        except AppError as exc:
            self._postpone(row, now, why=exc.code)
            return False
        self.forget(row)
        return True

    def _delete(self, connection: ConnectionString, user_id: str) -> None:
        self._latecomers.in_time(
            connection.endpoint,
            self._patience,
            lambda: self._identities.delete_user(connection, user_id, self._patience),
            undo=lambda _: None,
        )

    def _postpone(self, row: Row, now: datetime, *, why: str) -> None:
        tries = row.number("tries") + 1
        later = {**row.values, "tries": tries, "due": to_wire(now + pause_after(tries))}
        if tries == 1:
            log.warning("a user of a connection check cannot be deleted yet", tenant=row.text("tenant"), why=why)
        try:
            self._table.replace(Row(row.partition, row.row, later), etag=row.etag)
        except (Stale, NotFound):
            return  # another instance was faster
