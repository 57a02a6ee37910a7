"""When to look at what: appointments in the table ``agenda``, so that nothing accepted is ever forgotten.

    shard:<n>    <time>|<kind>|<tenant>|<hash of the subject>

Whoever is about to change something makes the appointment first and changes it second: a process that dies in
between leaves an appointment too many, which does no harm, and never a change nobody looks at.

Appointments fall on whole ``BUCKET`` seconds, so many changes of one subject share one row, and a process that has
written a row leaves it at that. A second, later appointment covers a change that is slower than the first.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from shared.concurrency.expiring_cache import Entries
from shared.kernel import log
from shared.kernel.clock import Clock, to_wire
from shared.kernel.errors import NotFound, Stale, StorageDown
from shared.kernel.wire import Wire
from shared.storage.entities import Row
from shared.storage.keys import key
from shared.storage.tables import Table

BUCKET: Final = 2  # seconds
SOON: Final = timedelta(seconds=1)  # no appointment is nearer than this
# Later than storage lets any write hang (45 s, see storage/account.py), so the change is there when it is looked for.
SECOND_LOOK: Final = timedelta(seconds=60)
# Time a called appointment has before it is called again.
CALLED_AGAIN: Final = timedelta(seconds=30)
SHARDS: Final = 8
CALLS_AT_ONCE: Final = 8
_REMEMBERED: Final = 10_000
_AGAIN: Final = "again"  # value of a row: when a called appointment is called again


_Subject = tuple[str, str, str]  # kind, tenant id, subject


class Appointment(Wire, extra="ignore"):
    """A call to look at a subject, as it travels on a queue. ``row`` and ``etag`` name the appointment it keeps."""

    kind: str
    tenant_id: str
    subject: str
    row: str = ""
    etag: str = ""


class Sender(Protocol):
    """A queue, as far as calls need one."""

    def send(self, message: Mapping[str, object]) -> None: ...


class Agenda:
    """Makes and calls appointments. ``queues`` says by kind which queue is told."""

    def __init__(self, table: Table, queues: Mapping[str, Sender], clock: Clock) -> None:
        self._table = table
        self._queues = queues
        self._clock = clock
        self._made: Entries[bool, datetime] = Entries(clock, _REMEMBERED)  # appointments this process made, until then

    def wake(self, kind: str, tenant_id: str, subject: str, at: datetime | None = None) -> None:
        """Have the subject looked at shortly after ``at``; by default at once, and again a minute later."""
        now = self._clock()
        moments = [_round_up(max(at or now, now + SOON), BUCKET)]
        if moments[0] - now < SECOND_LOOK:
            moments.append(_round_up(now + SECOND_LOOK, int(SECOND_LOOK.total_seconds())))
        partition = _shard(tenant_id, subject)
        for moment in moments:
            row = _row(partition, moment, kind, tenant_id, subject)
            if not self._made.get(tenant_id, row.row):
                self._table.overwrite(row)
                self._made.put(tenant_id, row.row, value=True, until=moment)

    def forget_tenant(self, tenant_id: str) -> None:
        """Drop what this process remembers of a tenant that leaves. Other processes drop it as its moments pass."""
        self._made.forget_tenant(tenant_id)

    def call_now(self, kind: str, tenant_id: str, subject: str) -> None:
        """Save the wait for the next beat. A call that gets lost does no harm: the appointment stands."""
        try:
            self._queues[kind].send(Appointment(kind=kind, tenant_id=tenant_id, subject=subject).as_json())
        except StorageDown as exc:
            log.warning("a call got lost; the agenda makes up for it", kind=kind, tenant=tenant_id, why=exc.code)

    def call_due(self) -> int:
        """Tell the queues of everything due, and give how many subjects that are.

        An appointment is first marked and then called: if the call gets lost, it is made again. The other due
        appointments of its subject are the same call, and those that come due before it is done wait for that.
        """
        now = self._clock()
        due = [(key, rows) for number in range(SHARDS) for key, rows in self._due_of(f"shard:{number}", now).items()]
        with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
            return sum(pool.map(lambda one: self._call(one[0], one[1], now), due))

    def _due_of(self, partition: str, now: datetime) -> dict[_Subject, list[Row]]:
        due = defaultdict(list)
        for row in self._table.span(partition, "0", to_wire(now)):
            due[(row.text("kind"), row.text("tenant_id"), row.text("subject"))].append(row)
        return due

    def _call(self, about: _Subject, rows: list[Row], now: datetime) -> bool:
        kind, tenant_id, subject = about
        if kind not in self._queues:
            return False  # of another version of the app, which runs beside this one during a deployment
        if any(row.text(_AGAIN) > to_wire(now) for row in rows):
            return False  # called and not done yet: on a busy day calls would pile up faster than they are answered
        etag = self._mark(rows[-1], now + CALLED_AGAIN)
        if etag is None:
            return False
        for row in rows[:-1]:
            self._remove(row)
        call = Appointment(kind=kind, tenant_id=tenant_id, subject=subject, row=rows[-1].row, etag=etag)
        self._queues[kind].send(call.as_json())
        return True

    def answer(self, call: Appointment, look: Callable[[], object]) -> None:
        """Have the subject looked at, unless the call is out of date: made again, or answered by another process.

        If ``look`` fails the appointment stays and is called again. What is next must be on the agenda when it ends.
        """
        row = Row(_shard(call.tenant_id, call.subject), call.row, {}, call.etag)
        if call.row:
            known = self._table.get(row.partition, row.row)
            if known is None or known.etag != call.etag:
                return
        look()
        if call.row and not self._remove(row):
            log.info("an appointment was called again meanwhile", kind=call.kind, tenant=call.tenant_id)

    def _mark(self, row: Row, again: datetime) -> str | None:
        """None when another process calls or makes this appointment."""
        try:
            return self._table.replace(
                Row(row.partition, row.row, {**row.values, _AGAIN: to_wire(again)}), etag=row.etag
            )
        except (Stale, NotFound):
            return None

    def _remove(self, row: Row) -> bool:
        """False for one that was made or called anew since it was read."""
        try:
            self._table.delete(row, etag=row.etag)
        except Stale:
            return False
        return True


def _round_up(moment: datetime, seconds: int) -> datetime:
    return datetime.fromtimestamp(math.ceil(moment.timestamp() / seconds) * seconds, UTC)


def _shard(tenant_id: str, subject: str) -> str:
    return f"shard:{_digest(tenant_id, subject)[0] % SHARDS}"


def _digest(tenant_id: str, subject: str) -> bytes:
    return hashlib.sha256(f"{tenant_id}|{key(subject)}".encode()).digest()


def _row(partition: str, moment: datetime, kind: str, tenant_id: str, subject: str) -> Row:
    # Not the subject itself: a key may have 512 characters, and a UPN written as a key has up to 480.
    row = f"{to_wire(moment)}|{kind}|{tenant_id}|{_digest(tenant_id, subject).hex()[:32]}"
    return Row(partition, row, {"kind": kind, "tenant_id": tenant_id, "subject": subject})
