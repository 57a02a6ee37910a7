"""Rows that hold one document and a revision that grows by one per write.

A document that can be deleted and made again has a *trace* beside it, a row that outlives it and keeps its last
revision: what comes back goes on counting, so an ETag of the old document never fits the new one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, Final, Generic, Literal, TypeVar

from shared.kernel.errors import NeedsVersion, NotFound, Stale
from shared.kernel.wire import Wire
from shared.storage.entities import Delete, Insert, Operation, Overwrite, Replace, Row, Value, with_doc
from shared.storage.tables import Exists, Table
from shared.tenants.models import Stored

M = TypeVar("M", bound=Wire)
_TRACE: Final = "trace:"
Versions = frozenset[int] | Literal["*"] | None
"""The revisions a caller is ready to replace: those of its If-Match, None when it sent none. ``*`` names no version."""


@dataclass(frozen=True, slots=True)
class Held(Generic[M]):
    """A document as it lies in its row."""

    value: M
    row: Row

    @property
    def revision(self) -> int:
        return self.row.number("revision")

    @property
    def stored(self) -> Stored[M]:
        return Stored(self.value, self.revision)


def held(model: type[M], row: Row) -> Held[M]:
    """What is read back passed the same checks when it was written: whoever tightens a bound mends the rows first."""
    return Held(model.model_validate(row.doc, by_alias=True, by_name=False, extra="ignore"), row)


def check(found: Held[Any] | None, versions: Versions) -> None:
    """Whether the write may go on. Raises NeedsVersion or Stale, both with the current ETag."""
    if versions == "*":
        raise NeedsVersion("* names no version; say which one to replace", etag=found.revision if found else None)
    if found is None:
        if versions is not None:
            raise Stale("there is nothing here to replace")
    elif versions is None:
        raise NeedsVersion("this exists already; say with If-Match which version to replace", etag=found.revision)
    elif found.revision not in versions:
        raise Stale("somebody changed this since you read it; read it again", etag=found.revision)


def write(
    found: Held[Any] | None, partition: str, row: str, document: Wire, *, after: int = 0, **values: Value
) -> Operation:
    """The operation that makes ``document`` the next revision of what was found; ``values`` stand beside it.

    ``after`` is the last revision of a document that was here before, where there was none now.
    """
    revision = found.revision + 1 if found else after + 1
    entity = Row(partition, row, with_doc(document.as_json(), revision=revision, mark=token_hex(8), **values))
    return Replace(entity, found.row.etag) if found else Insert(entity)


def is_own(latest: Held[Any] | None, written: Operation) -> bool:
    """Whether a write that was refused is there all the same.

    The SDK sends a write again whose answer got lost; the second time it finds its own work and is refused.
    """
    return latest is not None and latest.row.text("mark") == written.row.text("mark")


def past(table: Table, found: Held[Any] | None, partition: str, row: str) -> tuple[int, list[Operation]]:
    """The revision to go on from, 0 where there never was one, and what a document that is new must claim.

    The claim belongs into the transaction that makes the document: of two who saw the same trace, one gets it.
    """
    if found is not None:
        return found.revision, []
    left = table.get(partition, _TRACE + row)
    if left is None:
        return 0, [Insert(Row(partition, _TRACE + row, {"revision": 0}))]
    return left.number("revision"), [Replace(left, left.etag)]


def remove(table: Table, found: Held[Any], *others: Operation) -> bool:
    """Delete a document with ``others`` and leave its revision behind. False if it was written or deleted meanwhile."""
    end = token_hex(8)
    # Blind, but in one transaction with a delete that is not: only the document's own end writes here.
    left = Row(found.row.partition, _TRACE + found.row.row, {"revision": found.revision, "end": end})
    try:
        table.transact([Delete(found.row, found.row.etag), Overwrite(left), *others])
    except (Stale, NotFound):
        # The SDK sends again what got no answer, and is told then that nothing is there: it may have been us.
        last = table.get(left.partition, left.row)
        return last is not None and last.text("end") == end
    return True


def commit(
    table: Table,
    found: Held[Any] | None,
    document: M,
    operations: Sequence[Operation],
    reread: Callable[[], Held[Any] | None],
    after: int = 0,
) -> Stored[M]:
    """Carry the write out, that of the document first; when another one was faster, say so with the ETag it left."""
    try:
        table.transact(operations)
    except (Exists, Stale, NotFound):
        latest = reread()
        if not is_own(latest, operations[0]):
            if found is None and latest is not None:
                raise NeedsVersion("somebody created this just now; read it", etag=latest.revision) from None
            etag = latest.revision if latest else None
            raise Stale("somebody changed this while you wrote; read it again", etag=etag) from None
    return Stored(document, found.revision + 1 if found else after + 1, created=found is None)
