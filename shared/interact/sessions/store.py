"""Sessions as rows: one per session in the tenant's partition, so that an end and its restart are one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any, Final

from shared.interact.sessions.rules import Session
from shared.kernel.clock import from_wire, to_wire
from shared.kernel.errors import AppError, NotFound, Stale, StorageDown
from shared.storage.entities import Insert, Replace, Row, with_doc
from shared.storage.tables import Exists, Table
from shared.tenants.key_rotation import SealedRows

FIELD: Final = "interact.session"  # what the sealed connection string is bound to
_ROW: Final = "session:"


@dataclass(frozen=True, slots=True)
class Ties:
    """What a session holds outside: its user at ACS, with the sealed string that reaches it, and its meeting.

    ``secret_hash`` is the SHA-256 of the browser's secret (256 random bits need no salt).
    """

    user_id: str
    sealed: str = field(repr=False)
    endpoint: str
    join_url: str
    secret_hash: str = field(repr=False)
    user_gone: bool = False


@dataclass(frozen=True, slots=True)
class HeldSession:
    """A session as it lies in its row."""

    tenant_id: str
    session: Session
    ties: Ties
    etag: str = ""


class Unsure(StorageDown):
    """Storage tells neither that a new session was written nor that it was not."""


def sealed_rows(table: Table) -> SealedRows:
    """Where the connection strings lie, for whoever seals them again: with the sessions of the last day."""

    def rows() -> Iterator[Row]:
        for key in table.partitions("0", "g"):  # tenant ids
            row = table.get(key.partition, key.row)
            if row is not None:
                yield row

    return SealedRows(table, rows, lambda row: row.partition, FIELD)


class SessionStore:
    """Reads and writes the rows of sessions; every replace is conditional."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, tenant_id: str, session_id: str) -> HeldSession | None:
        row = self._table.get(tenant_id, _ROW + session_id)
        return _held(row) if row else None

    def insert(self, new: HeldSession) -> None:
        """Raises Unsure."""
        with self._unless_written(new):
            self._table.insert(_row(new))

    def replace(self, held: HeldSession, session: Session, **ties: Any) -> HeldSession:
        """Write over the version that was read. Raises Stale, or NotFound if it was removed."""
        changed = replace(held, session=session, ties=replace(held.ties, **ties))
        return replace(changed, etag=self._table.replace(_row(changed), etag=held.etag))

    def restart(self, old: HeldSession, ended: Session, new: HeldSession) -> None:
        """End one and begin the other, both or none.

        Raises Stale or NotFound if the old one changed meanwhile, and Unsure.
        """
        with self._unless_written(new):
            self._table.transact([Replace(_row(replace(old, session=ended)), old.etag), Insert(_row(new))])

    def remove(self, held: HeldSession) -> None:
        """Remove the version that was read. Raises Stale; one that is gone is no error."""
        self._table.delete(_row(held), etag=held.etag)

    @contextmanager
    def _unless_written(self, new: HeldSession) -> Iterator[None]:
        """A write whose answer gets lost is sent again by the storage library and refused then: if the new session is
        there, it was written.
        """
        try:
            yield
        except (Exists, Stale, NotFound, StorageDown) as exc:
            try:
                written = self.get(new.tenant_id, new.session.session_id)
            except AppError:
                raise Unsure("Azure Storage does not say whether the session was written") from exc
            if written is None or written.ties.user_id != new.ties.user_id:
                raise


def _row(held: HeldSession) -> Row:
    told = {one.name: _told(getattr(held.session, one.name)) for one in fields(Session)}
    ties = {one.name: getattr(held.ties, one.name) for one in fields(Ties)}
    return Row(held.tenant_id, _ROW + held.session.session_id, with_doc(told, **ties), held.etag)


def _told(value: object) -> object:
    if isinstance(value, datetime):
        return to_wire(value)
    return value.total_seconds() if isinstance(value, timedelta) else value


def _held(row: Row) -> HeldSession:
    told: dict[str, Any] = dict(row.doc)
    told["recovery"] = timedelta(seconds=told["recovery"])
    for name in ("until", "token_until", "customer_at", "agent_at"):
        told[name] = from_wire(told[name]) if told[name] else None
    ties: dict[str, Any] = {one.name: row.values[one.name] for one in fields(Ties)}
    return HeldSession(row.partition, Session(**told), Ties(**ties), row.etag)
