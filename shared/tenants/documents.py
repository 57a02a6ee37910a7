"""Rows that hold one document and a revision that grows by one per write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from shared.errors import NeedsVersion, NotFound, Stale
from shared.storage.tables import Exists, Insert, Operation, Replace, Row, Table, Value, with_doc
from shared.tenants.models import Stored
from shared.wire import Wire

M = TypeVar("M", bound=Wire)
Versions = frozenset[int] | None
"""The revisions a caller is ready to replace: those of its If-Match, or None when it sent none."""


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
    """Rows were checked when they were written, so what is read back is only shaped, not judged again."""
    return Held(_construct(model, row.doc), row)


def check(found: Held[Any] | None, versions: Versions) -> None:
    """Whether the write may go on. Raises NeedsVersion or Stale, both with the current ETag."""
    if found is None:
        if versions is not None:
            raise Stale("there is nothing here to replace")
    elif versions is None:
        raise NeedsVersion("this exists already; say with If-Match which version to replace", etag=found.revision)
    elif found.revision not in versions:
        raise Stale("somebody changed this since you read it; read it again", etag=found.revision)


def write(found: Held[Any] | None, partition: str, row: str, document: Wire, **values: Value) -> Operation:
    """The operation that makes ``document`` the next revision of what was found; ``values`` stand beside it."""
    revision = found.revision + 1 if found else 1
    entity = Row(partition, row, with_doc(document.as_json(), revision=revision, **values))
    return Replace(entity, found.row.etag) if found else Insert(entity)


def commit(
    table: Table,
    found: Held[Any] | None,
    document: M,
    operations: Sequence[Operation],
    reread: Callable[[], Held[Any] | None],
) -> Stored[M]:
    """Carry the write out; when another one was faster, say so with the ETag it left behind."""
    try:
        table.transact(operations)
    except (Exists, Stale, NotFound):
        latest = reread()
        if found is None and latest is not None:
            raise NeedsVersion("somebody created this just now; read it", etag=latest.revision) from None
        etag = latest.revision if latest else None
        raise Stale("somebody changed this while you wrote; read it again", etag=etag) from None
    return Stored(document, found.revision + 1 if found else 1, created=found is None)


def _construct(model: type[M], doc: Any) -> M:
    return model.model_validate(doc, by_alias=True, by_name=False, extra="ignore")
