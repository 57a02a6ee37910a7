"""When to look at which session again, so that no user of ACS outlives its session, or a start that died.

One partition for all tenants, its keys in the order of their moments: what is due is one short range, however many
sessions live. An entry is written before a session exists and goes when the user is deleted. A session may
have several entries; those too many find nothing left to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Final, Protocol

from shared import log
from shared.clock import Clock, from_wire, to_wire
from shared.clouds import CLOUDS
from shared.errors import AppError, NotFound, Stale
from shared.interact.session_rules import as_of
from shared.interact.session_store import FIELD, HeldSession, SessionStore
from shared.storage.entities import Delete, Insert, Row, Values
from shared.storage.secrets import SecretBox
from shared.storage.tables import Exists, Table
from shared.tenants.connection_string import ConnectionString, read_connection_string
from shared.tenants.rotation import SealedRows

PARTITION: Final = "session-ends"

GRACE: Final = timedelta(minutes=2)  # a start at work takes 20 s at most, plus storage
KEPT: Final = timedelta(days=7)  # as long a user that cannot be deleted is tried again
LONGEST_PAUSE: Final = timedelta(hours=6)  # between two tries
PATIENCE: Final = 5.0  # seconds for one deletion
MOST: Final = 200  # entries of one sweep; with 8 at once, at worst 125 s
AT_ONCE: Final = 8

# The texts were checked before they were sealed. Which cloud's they are does not matter any more.
_SUFFIXES: Final = tuple(suffix for cloud in CLOUDS.values() for suffix in cloud.acs_suffixes)


class Deletes(Protocol):
    def delete_user(self, connection: ConnectionString, user_id: str, timeout: float) -> None:
        """Remove the user; one that is gone is no error. Raises Upstream."""


def sealed_rows(table: Table) -> SealedRows:
    """Where the connection strings lie, for whoever seals them again; sessions keep theirs with themselves."""
    return SealedRows(table, lambda: table.span(PARTITION, "0", ":"), lambda row: row.text("tenant"), FIELD)


@dataclass(frozen=True, slots=True)
class Bond:
    """A user of ACS and the session it was made for, whether or not that came to be."""

    tenant_id: str
    session_id: str
    user_id: str
    sealed: str = field(repr=False)


class SessionEnds:
    def __init__(
        self, table: Table, sessions: SessionStore, secrets: SecretBox, identities: Deletes, clock: Clock
    ) -> None:
        self._table = table
        self._sessions = sessions
        self._secrets = secrets
        self._identities = identities
        self._clock = clock

    def open(self, tenant_id: str, sealed: str) -> ConnectionString:
        """Raises Unreadable, or Refused if it never was one."""
        return read_connection_string(self._secrets.open(sealed, tenant=tenant_id, field=FIELD), _SUFFIXES)

    def begin(self, tenant_id: str, session_id: str, user_id: str, connection: ConnectionString) -> Row:
        """The entry of a start at work, with the string in ``sealed``; whoever undoes the start gives it to
        ``abandon``.
        """
        sealed = self._secrets.seal(connection.text, tenant=tenant_id, field=FIELD)
        row = self._entry(Bond(tenant_id, session_id, user_id, sealed), self._clock() + GRACE)
        try:
            return Row(row.partition, row.row, row.values, self._table.insert(row))
        except Exists:  # nobody else makes this session's: the answer got lost and the library sent it again
            return self._table.get(row.partition, row.row) or row

    def remind(self, held: HeldSession, at: datetime) -> None:
        """Look at the session at this moment, earlier than planned. Where storage fails, the planned look will do."""
        bond = Bond(held.tenant_id, held.session.session_id, held.ties.user_id, held.ties.sealed)
        try:
            self._table.insert(self._entry(bond, at))
        except Exists:
            return
        except AppError as exc:
            log.info("a session is looked at later", tenant=held.tenant_id, why=exc.code)

    def forget(self, entry: Row) -> None:
        """Nothing is left to do. Where storage fails, or a sweep was at the entry, the next sweep finds out again."""
        try:
            self._table.delete(entry, etag=entry.etag)
        except AppError as exc:
            log.info("a session's entry stays", tenant=entry.text("tenant"), why=exc.code)

    def abandon(self, entry: Row) -> None:
        """The start was undone. If its session is there all the same, since the answer to its writing got lost, the
        entry stays and sees to its end.
        """
        try:
            left = self._sessions.get(entry.text("tenant"), entry.text("session"))
        except AppError as exc:
            log.info("a session's entry stays", tenant=entry.text("tenant"), why=exc.code)
            return
        if left is None:
            self.forget(entry)

    def sweep(self) -> int:
        """Look at what is due, 200 entries at most; gives how many users went.

        Several instances may do so at the same time. A user that cannot be deleted is tried again after 2, 4, 8 ...
        minutes and given up after 7 days, or when its connection string does not open any more; both are logged.
        """
        now = self._clock()
        due = list(islice(self._due(now), MOST))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return sum(pool.map(lambda entry: self._look(entry, now), due))

    def _due(self, now: datetime) -> Iterator[Row]:
        return self._table.span(PARTITION, "0", _moment(now + timedelta(milliseconds=1)))

    def _look(self, entry: Row, now: datetime) -> bool:
        try:
            held = self._sessions.get(entry.text("tenant"), entry.text("session"))
            return self._end_orphan(entry, now) if held is None else self._end(entry, held, now)
        except (Stale, NotFound):
            return False  # an event, or another instance, was faster; the entry is still there

    def _end_orphan(self, entry: Row, now: datetime) -> bool:
        """The start died, or the tenant is gone."""
        if not self._is_gone(entry, now):
            return False
        self.forget(entry)
        return True

    def _end(self, entry: Row, held: HeldSession, now: datetime) -> bool:
        session = as_of(held.session, now)
        if session.state != "Ended":
            self._move(entry, session.look_again)
            return False
        if held.session.state != "Ended":
            # Written before the user goes: a rejoin at the same moment loses to this, or this to the rejoin.
            held = self._sessions.replace(held, session)
            log.info("session ended", tenant=held.tenant_id, session=session.session_id)
        gone = False
        if not held.ties.user_gone:
            if not self._is_gone(entry, now):
                return False
            held, gone = self._sessions.replace(held, session, user_gone=True), True
        if now < session.look_again:
            self._move(entry, session.look_again)
        else:
            self._sessions.remove(held)
            self.forget(entry)
        return gone

    def _is_gone(self, entry: Row, now: datetime) -> bool:
        """Delete the user; where that fails, put the entry off, unless it is hopeless."""
        tenant_id, user_id = entry.text("tenant"), entry.text("user")
        try:
            connection = self.open(tenant_id, entry.text("sealed"))
        except AppError as exc:
            log.warning("a session's user is out of reach", tenant=tenant_id, user=user_id, why=exc.code)
            return True
        try:
            self._identities.delete_user(connection, user_id, PATIENCE)
        except AppError as exc:
            if now - from_wire(entry.text("made_at")) >= KEPT:
                log.warning("a session's user is given up", tenant=tenant_id, user=user_id, why=exc.code)
                return True
            tries = entry.number("tries") + 1
            if tries == 1:
                log.warning("a session's user cannot be deleted yet", tenant=tenant_id, why=exc.code)
            self._move(entry, now + min(timedelta(minutes=2 ** min(tries, 9)), LONGEST_PAUSE), tries=tries)
            return False
        return True

    def _move(self, entry: Row, to: datetime, *, tries: int = 0) -> None:
        moved = Row(PARTITION, _key(entry.text("tenant"), entry.text("session"), to), {**entry.values, "tries": tries})
        try:
            self._table.transact([Insert(moved), Delete(entry, entry.etag)])
        except Exists:
            self.forget(entry)  # the session has an entry for that moment already

    def _entry(self, bond: Bond, at: datetime) -> Row:
        values: Values = {
            "tenant": bond.tenant_id,
            "session": bond.session_id,
            "user": bond.user_id,
            "sealed": bond.sealed,
            "made_at": to_wire(self._clock()),
            "tries": 0,
        }
        return Row(PARTITION, _key(bond.tenant_id, bond.session_id, at), values)


def _key(tenant_id: str, session_id: str, at: datetime) -> str:
    return f"{_moment(at)}|{tenant_id}|{session_id}"


def _moment(at: datetime) -> str:
    return f"{int(at.timestamp() * 1000):015}"
