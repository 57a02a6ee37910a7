"""The widget key of a tenant: a random GUID that a website sends along with each request.

It is kept twice: sealed at the tenant's head, so that an admin can copy it, and as the SHA-256 of its lower-case form
in the table ``widgetkeys``, where one point read leads from a key to its tenant (122 random bits need no salt). A head
names the hashes that were replaced until they are removed, so a crash in between is made good by the next
refresh or look at the key; until then the head, which every call of a widget reads, tells that the key is a former one.
"""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from shared.kernel import log
from shared.kernel.callers import Caller
from shared.kernel.clock import Clock, to_wire
from shared.kernel.errors import NotFound, NotKnown, Stale
from shared.kernel.wire import Wire, is_guid
from shared.storage.entities import Insert, Merge, Replace, Row
from shared.storage.secrets import SecretBox
from shared.storage.tables import Exists, Table
from shared.tenants import audit

ROW: Final = "head:widget"
_SETTINGS: Final = "head:settings"  # its row counts the audit entries
FIELD: Final = "widgetKey"
BELIEVED_FOR: Final = 5.0  # seconds another instance may go on believing a key that was replaced
_MOST_BELIEVED: Final = 10_000  # keys kept in mind per process


class WidgetKey(Wire):
    """The key in clear: for the calls that exist to hand it out."""

    widget_key: str
    created_at: str


class WidgetKeys:
    """``heads`` is the table of tenant heads, ``keys`` leads from a key's hash to its tenant."""

    def __init__(
        self,
        heads: Table,
        keys: Table,
        secrets: SecretBox,
        clock: Clock,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._heads = heads
        self._keys = keys
        self._secrets = secrets
        self._clock = clock
        self._elapsed = elapsed
        self._believed: dict[str, tuple[str, float]] = {}
        self._refreshes = 0
        self._lock = threading.Lock()
        self._turns = [threading.Lock() for _ in range(64)]

    def first(self, tenant_id: str) -> Insert:
        """The operation that gives a new tenant its key. The way to the tenant is laid before the key exists."""
        key = str(uuid.uuid4())
        self._keys.overwrite(Row(_hash(key), "tenant", {"tenant_id": tenant_id}))
        return Insert(self._row(tenant_id, key))

    def read(self, tenant_id: str) -> WidgetKey:
        row = self._head(tenant_id)
        self._remove_retired(row)
        return self._open(row)

    def refresh(self, tenant_id: str, *, by: Caller) -> WidgetKey:
        """A new key; the old one is invalid at once here and within 5 s elsewhere. Audited."""
        key = str(uuid.uuid4())
        self._keys.overwrite(Row(_hash(key), "tenant", {"tenant_id": tenant_id}))
        while True:
            before = self._head(tenant_id)
            settings = self._heads.get(tenant_id, _SETTINGS)
            if settings is None:
                raise NotFound("there is no such tenant", code="TenantNotFound")
            after = self._row(tenant_id, key, retired=before.text("hash"))
            count, revision = settings.number("audit") + 1, settings.number("revision")
            change = {"path": audit.WIDGET_KEY, "old": None, "new": "changed"}
            self._remove_retired(before)
            try:
                self._heads.transact(
                    [
                        Replace(after, before.etag),
                        Merge(Row(tenant_id, _SETTINGS, {"audit": count}), settings.etag),
                        audit.entry(tenant_id, count, to_wire(self._clock()), by, revision, [change]),
                    ]
                )
            except (Exists, Stale):
                if self._head(tenant_id).text("hash") != _hash(key):
                    continue  # another refresh, or a settings write, was faster
                # Our own: the answer got lost, and the SDK sent it again.
            except NotFound:
                self._keys.remove_blindly([Row(_hash(key), "tenant", {})])  # the tenant left meanwhile
                raise
            break
        self._remove(before.text("hash"))
        log.info("widget key refreshed", tenant=tenant_id, by=by.oid)
        return self._open(after)

    def tenant_of(self, key: str | None) -> str:
        """The tenant a key belongs to. Raises NotKnown, the same for a missing, malformed and unknown key.

        After a refresh that died half way a former key may still lead here: whoever has the head asks ``check``.
        """
        digest = _digest(key)
        if tenant_id := self._remembered(digest):
            return tenant_id
        with self._turns[hash(digest) % len(self._turns)]:  # calls with one key wait for one look-up
            return self._remembered(digest) or self._looked_up(key, digest)

    def check(self, key: str | None, rows: Mapping[str, Row]) -> None:
        """Whether it is the key that the tenant's head names. Raises NotKnown as ``tenant_of`` does."""
        head = rows.get(ROW)
        if head is None or head.text("hash") != _digest(key):
            log.info("a replaced widget key was refused", tenant=head.partition if head else None)
            raise _not_valid()

    def _remembered(self, digest: str) -> str:
        with self._lock:
            tenant_id, until = self._believed.get(digest, ("", 0.0))
        return tenant_id if self._elapsed() < until else ""

    def _looked_up(self, key: str | None, digest: str) -> str:
        with self._lock:
            refreshes = self._refreshes
        asked = self._elapsed()
        row = self._keys.get(digest, "tenant") if digest else None
        if row is None:
            log.info("a widget key was refused", why="unknown" if digest else "malformed" if key else "missing")
            raise _not_valid()
        self._believe(digest, row.text("tenant_id"), asked + BELIEVED_FOR, refreshes)
        return row.text("tenant_id")

    def forget(self, tenant_id: str) -> None:
        """Remove the key of a tenant that leaves, and the way from it.

        The way goes first, so that a crash in between leaves the row that names it.
        """
        while (row := self._heads.get(tenant_id, ROW)) is not None:
            self._remove_retired(row)
            self._remove(row.text("hash"))
            with suppress(Stale):  # refreshed meanwhile: there is another way to remove
                self._heads.delete(row, etag=row.etag)

    def _believe(self, digest: str, tenant_id: str, until: float, refreshes: int) -> None:
        """Not if a key was refreshed while this one was looked up: it may be the old one."""
        with self._lock:
            if refreshes == self._refreshes:
                if len(self._believed) >= _MOST_BELIEVED:
                    self._believed.clear()
                self._believed[digest] = (tenant_id, until)

    def _remove(self, digest: str) -> None:
        """Remove the way from a key, then the belief in it: the other way round, a look-up in between finds it."""
        try:
            self._keys.remove_blindly([Row(digest, "tenant", {})])
        finally:
            with self._lock:
                self._refreshes += 1
                self._believed.pop(digest, None)

    def _head(self, tenant_id: str) -> Row:
        row = self._heads.get(tenant_id, ROW)
        if row is None:
            raise NotFound("there is no such tenant", code="TenantNotFound")
        return row

    def _row(self, tenant_id: str, key: str, retired: str = "") -> Row:
        values = {
            "sealed": self._secrets.seal(key, tenant=tenant_id, field=FIELD),
            "hash": _hash(key),
            "retired": retired,
            "created_at": to_wire(self._clock()),
        }
        return Row(tenant_id, ROW, values)

    def _open(self, row: Row) -> WidgetKey:
        key = self._secrets.open(row.text("sealed"), tenant=row.partition, field=FIELD)
        return WidgetKey(widget_key=key, created_at=row.text("created_at"))

    def _remove_retired(self, row: Row) -> None:
        """What a crash after the last refresh may have left. Removing what is gone costs nothing but the call."""
        if retired := row.text("retired"):
            self._keys.remove_blindly([Row(retired, "tenant", {})])


def _not_valid() -> NotKnown:
    return NotKnown("the widget key is not valid", code="WidgetKeyInvalid")


def _digest(key: str | None) -> str:
    """Of a key as a caller sends it; empty if it is none."""
    return _hash(key.strip().lower()) if key and is_guid(key.strip()) else ""


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
