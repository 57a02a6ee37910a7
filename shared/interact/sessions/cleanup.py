"""When to look at which session again, so that no user of ACS outlives its session, or a start that died.

One partition for all tenants, its keys in the order of their moments: what is due is one short range, however many
sessions live. An entry is written before a session exists and goes when the user is deleted. A session may
have several entries; those too many find nothing left to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from shared.concurrency.fair_batch import SideBySide
from shared.interact.acs.connection_strings import Strings, accepted
from shared.interact.acs.users import KEPT, PATIENCE, Deletes, opened, pause_after
from shared.interact.sessions.rules import as_of
from shared.interact.sessions.store import FIELD, HeldSession, SessionStore
from shared.kernel import log
from shared.kernel.acs_connection_string import ConnectionString
from shared.kernel.clock import Clock, from_wire, to_wire
from shared.kernel.errors import AppError, NotFound, Stale, StorageDown, Throttled, Unreachable
from shared.storage.entities import Delete, Insert, Row, Values
from shared.storage.secrets import SecretBox, Unreadable
from shared.storage.tables import Exists, Table
from shared.tenants.key_rotation import SealedRows

PARTITION: Final = "session-ends"

GRACE: Final = timedelta(minutes=2)  # a start at work takes half a minute at most
LONGEST: Final = timedelta(minutes=4)  # of one sweep; a Functions app may end a run after 5
AT_ONCE: Final = 16
AT_ONCE_OF_TENANT: Final = 4  # with 30 ms for each look and 100 ms for ACS, more than a widget key may start
WAITING_OF_TENANT: Final = 200  # entries in memory, about 1 KB each


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


@dataclass(slots=True)
class _Sweep:
    """One sweep at work: what it has found out. ``silent`` are the resources it asks no more."""

    until: datetime
    silent: set[str] = field(default_factory=set)
    storage_down: bool = False


class SessionEnds:
    """Entries that say when to look at a session, and the sweep that follows them."""

    def __init__(
        self,
        table: Table,
        sessions: SessionStore,
        secrets: SecretBox,
        identities: Deletes,
        strings: Strings,
        clock: Clock,
        *,
        waiting: int = WAITING_OF_TENANT,
    ) -> None:
        """``waiting`` is how many entries of a tenant a sweep holds in memory behind those at work."""
        self._table = table
        self._sessions = sessions
        self._secrets = secrets
        self._identities = identities
        self._strings = strings
        self._clock = clock
        self._waiting = waiting

    def open(self, tenant_id: str, sealed: str) -> ConnectionString:
        """Raises Unreadable, or Refused if it never was one."""
        return opened(self._secrets, sealed, tenant=tenant_id, field=FIELD)

    def sealed(self, tenant_id: str, connection: ConnectionString) -> str:
        return self._secrets.seal(connection.text, tenant=tenant_id, field=FIELD)

    def begin(self, tenant_id: str, session_id: str, user_id: str, connection: ConnectionString) -> Row:
        """The entry of a start at work, with the string in ``sealed``; whoever undoes the start gives it to
        ``abandon``.
        """
        sealed = self.sealed(tenant_id, connection)
        row = self._entry(Bond(tenant_id, session_id, user_id, sealed), self._clock() + GRACE)
        try:
            return Row(row.partition, row.row, row.values, self._table.insert(row))
        except Exists:  # nobody else makes this session's: the answer got lost and the library sent it again
            return self._table.get(row.partition, row.row) or row

    def remind(self, held: HeldSession, at: datetime) -> None:
        """Look at the session at this moment, earlier than planned. Where storage fails, the planned look will do."""
        sealed = self._renewed(held.tenant_id, held.ties.sealed)
        bond = Bond(held.tenant_id, held.session.session_id, held.ties.user_id, sealed)
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
        """Look at all that is due, for 4 minutes at most; gives how many users went.

        Several instances may do so at the same time. A resource that is silent or throttles is left alone until the
        next sweep. A user that cannot be deleted is tried again after 2, 4, 8 ... minutes and given up after 7 days, or
        when its connection string does not open any more; both are logged.
        """
        sweep, gone = _Sweep(self._clock() + LONGEST), 0
        while True:
            work = SideBySide[Row](
                lambda entry: entry.text("tenant"),
                lambda entry: self._look(entry, self._clock(), sweep),
                lambda: sweep.storage_down or self._clock() >= sweep.until,
                at_once=AT_ONCE,
                per_lane=AT_ONCE_OF_TENANT,
                waiting=self._waiting,
            )
            work.run(self._due(self._clock()))
            gone += work.counted
            if not work.left_out or self._clock() >= sweep.until:
                return gone

    def _due(self, now: datetime) -> Iterator[Row]:
        return self._table.span(PARTITION, "0", _moment(now + timedelta(milliseconds=1)))

    def _look(self, entry: Row, now: datetime, sweep: _Sweep) -> bool:
        try:
            held = self._sessions.get(entry.text("tenant"), entry.text("session"))
            return self._end_orphan(entry, now, sweep) if held is None else self._end(entry, held, now, sweep)
        except (Stale, NotFound):
            return False  # an event, or another instance, was faster; the entry is still there
        except StorageDown:
            sweep.storage_down = True
            raise

    def _end_orphan(self, entry: Row, now: datetime, sweep: _Sweep) -> bool:
        """The start died, or the tenant is gone."""
        if not self._is_gone(entry, now, sweep):
            return False
        self.forget(entry)
        return True

    def _end(self, entry: Row, held: HeldSession, now: datetime, sweep: _Sweep) -> bool:
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
            if not self._is_gone(entry, now, sweep):
                return False
            held, gone = self._sessions.replace(held, session, user_gone=True), True
        if now < session.look_again:
            self._move(entry, session.look_again)
        else:
            self._sessions.remove(held)
            self.forget(entry)
        return gone

    def _is_gone(self, entry: Row, now: datetime, sweep: _Sweep) -> bool:
        """Delete the user; where that fails, put the entry off, unless it is hopeless."""
        tenant_id, user_id = entry.text("tenant"), entry.text("user")
        try:
            connection = self.open(tenant_id, entry.text("sealed"))
        except AppError as exc:
            log.warning("a session's user is out of reach", tenant=tenant_id, user=user_id, why=exc.code)
            return True
        tries = entry.number("tries")
        if connection.endpoint in sweep.silent:
            self._move(entry, now + pause_after(max(tries, 1)), tries=tries)
            return False
        try:
            accepted(
                self._strings,
                tenant_id,
                connection,
                lambda one: self._identities.delete_user(one, user_id, PATIENCE),
            )
        except AppError as exc:
            if isinstance(exc, Unreachable | Throttled):
                sweep.silent.add(connection.endpoint)
            if now - from_wire(entry.text("made_at")) >= KEPT:
                log.warning("a session's user is given up", tenant=tenant_id, user=user_id, why=exc.code)
                return True
            if tries == 0:
                log.warning("a session's user cannot be deleted yet", tenant=tenant_id, why=exc.code)
            self._move(entry, now + pause_after(tries + 1), tries=tries + 1)
            return False
        return True

    def _move(self, entry: Row, to: datetime, *, tries: int = 0) -> None:
        tenant_id = entry.text("tenant")
        sealed = self._renewed(tenant_id, entry.text("sealed"))
        values: Values = {**entry.values, "sealed": sealed, "tries": tries}
        moved = Row(PARTITION, _key(tenant_id, entry.text("session"), to), values)
        try:
            self._table.transact([Insert(moved), Delete(entry, entry.etag)])
        except Exists:
            self.forget(entry)  # the session has an entry for that moment already

    def _renewed(self, tenant_id: str, sealed: str) -> str:
        """Returns the sealed string under the newest key, for a copy that a key rotation may not see; the text as it is
        if no key of the ring opens it.
        """
        try:
            return self._secrets.renewed(sealed, tenant=tenant_id, field=FIELD)
        except Unreadable:
            return sealed

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
