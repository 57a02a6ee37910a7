"""Scheduler entries in the table ``outbound``: one partition per service.

    slot:07            held by one unfinished entry; nobody else can create this row
    entry:<id>         an unfinished entry
    past:<id>          a finished entry
    ref:<hash>         a ReferenceId in use, or free again after ``freeAt``

Entry, slot and reference change in one transaction, so after a crash between any two lines of ours there is
no slot without an entry and no entry without a slot.

An entry's id looks like a GUID; its first half is made from the service, so the id alone leads to the
partition and no index can go wrong.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.clock import from_wire, to_wire
from shared.outbound.models import Entry
from shared.storage.keys import key, prefix_end
from shared.storage.tables import Delete, Exists, Insert, Operation, Replace, Row, Table, with_doc

REFERENCE_KEPT: Final = timedelta(hours=24)  # after the entry is finished

_SLOT: Final = "slot:"
_ENTRY: Final = "entry:"
_PAST: Final = "past:"
_REF: Final = "ref:"


@dataclass(frozen=True, slots=True)
class Slot:
    """A held slot, with what must be known of its entry without reading it."""

    number: int
    entry_id: str
    reference: str
    fingerprint: str
    in_progress: bool


@dataclass(frozen=True, slots=True)
class Reference:
    """A ReferenceId's row. ``free_at`` is set when its entry is finished."""

    entry_id: str
    fingerprint: str
    free_at: datetime | None
    row: Row

    def is_free(self, now: datetime) -> bool:
        return self.free_at is not None and self.free_at <= now


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry as it lies in its row."""

    entry: Entry
    row: Row


class SlotTaken(Exception):
    """Somebody else was faster with this slot, or this very entry is in already: look again."""


class ReferenceTaken(Exception):
    """Somebody else was faster with this ReferenceId, or its row changed."""


class OutboundStore:
    """Reads and writes the rows above. ``tenant_id`` and ``service_upn`` name the partition."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def slots(self, tenant_id: str, service_upn: str) -> list[Slot]:
        """All held slots of a service, in one read (there are 50 at most, plus those a race added)."""
        rows = self._table.span(_partition(tenant_id, service_upn), _SLOT, prefix_end(_SLOT))
        return [_slot(row) for row in rows]

    def reference(self, tenant_id: str, service_upn: str, reference: str) -> Reference | None:
        row = self._table.get(_partition(tenant_id, service_upn), _REF + reference)
        if row is None:
            return None
        free_at = row.text("free_at")
        return Reference(row.text("entry_id"), row.text("fingerprint"), from_wire(free_at) if free_at else None, row)

    def add(self, tenant_id: str, entry: Entry, reference: str, replaces: Reference | None) -> None:
        """Entry, slot and reference at once. Raises SlotTaken, ReferenceTaken.

        ``replaces`` is the reference row of a finished entry whose time is over.
        """
        partition = _partition(tenant_id, entry.service_upn)
        fingerprint = entry.fingerprint()
        operations: list[Operation] = [
            Insert(Row(partition, _slot_key(entry.slot), _slot_values(entry, reference, fingerprint))),
            Insert(Row(partition, _ENTRY + entry.scheduler_entry_id, with_doc(entry.as_json(), reference=reference))),
        ]
        if reference:
            row = Row(partition, _REF + reference, _reference_values(entry, fingerprint))
            operations.append(Replace(row, replaces.row.etag) if replaces else Insert(row))
        try:
            self._table.transact(operations)
        except Exists as exc:
            if exc.index < 2:
                raise SlotTaken from exc
            raise ReferenceTaken from exc

    def find(self, tenant_id: str, entry_id: str) -> Kept | None:
        """The entry, finished or not."""
        partition = _partition_of_entry(tenant_id, entry_id)
        if partition is None:
            return None
        row = self._table.get(partition, _ENTRY + entry_id) or self._table.get(partition, _PAST + entry_id)
        return Kept(_entry(row), row) if row else None

    def unfinished(self, tenant_id: str, service_upn: str) -> list[Entry]:
        rows = self._table.span(_partition(tenant_id, service_upn), _ENTRY, prefix_end(_ENTRY))
        return [_entry(row) for row in rows]

    def finish(self, kept: Kept, finished: Entry, now: datetime) -> None:
        """Move the entry to the past and free its slot at once. Raises Stale or NotFound if it changed meanwhile."""
        partition, reference = kept.row.partition, kept.row.text("reference")
        operations: list[Operation] = [
            Delete(kept.row, kept.row.etag),
            Delete(Row(partition, _slot_key(finished.slot), {}), "*"),
            Insert(Row(partition, _PAST + finished.scheduler_entry_id, with_doc(finished.as_json()))),
        ]
        if reference:
            values = _reference_values(finished, finished.fingerprint()) | {"free_at": to_wire(now + REFERENCE_KEPT)}
            held = self._table.get(partition, _REF + reference)
            if held is not None:
                operations.append(Replace(Row(partition, _REF + reference, values), held.etag))
        self._table.transact(operations)


def new_id(service_upn: str) -> str:
    """A fresh entry id: half service, half chance (64 bits each), in the form of a GUID."""
    digits = _tag(service_upn) + secrets.token_hex(8)
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def reference_key(reference_id: str) -> str:
    """Compared without case, and of a length that fits a key."""
    return hashlib.sha256(reference_id.casefold().encode()).hexdigest()


def _tag(service_upn: str) -> str:
    return hashlib.sha256(key(service_upn).encode()).hexdigest()[:16]


def _partition(tenant_id: str, service_upn: str) -> str:
    return f"{tenant_id}|{_tag(service_upn)}"


def _partition_of_entry(tenant_id: str, entry_id: str) -> str | None:
    digits = entry_id.replace("-", "")
    if len(entry_id) != 36 or len(digits) != 32 or set(digits) - set("0123456789abcdef"):
        return None
    return f"{tenant_id}|{digits[:16]}"


def _slot_key(number: int) -> str:
    return f"{_SLOT}{number:02}"


def _slot(row: Row) -> Slot:
    return Slot(
        number=int(row.row.removeprefix(_SLOT)),
        entry_id=row.text("entry_id"),
        reference=row.text("reference"),
        fingerprint=row.text("fingerprint"),
        in_progress=row.text("state") in ("Offered", "InProgress"),
    )


def _slot_values(entry: Entry, reference: str, fingerprint: str) -> dict[str, str]:
    return {
        "entry_id": entry.scheduler_entry_id,
        "reference": reference,
        "fingerprint": fingerprint,
        "state": entry.state,
    }


def _reference_values(entry: Entry, fingerprint: str) -> dict[str, str]:
    return {"entry_id": entry.scheduler_entry_id, "fingerprint": fingerprint}


def _entry(row: Row) -> Entry:
    return Entry.model_validate(row.doc, by_alias=True, by_name=False)
