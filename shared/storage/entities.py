"""Table entities as values: rows, the operations of a transaction, and how both look to azure-data-tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from azure.core import MatchConditions
from azure.data.tables import UpdateMode

from shared.storage.failures import TooBig

MAX_ENTITY_BYTES: Final = 1_000_000  # Azure's limit is 1 MiB; some of it is names and overhead
MAX_PROPERTIES: Final = 252  # 255 less PartitionKey, RowKey and Timestamp
# A string property ends at 32 Ki UTF-16 units; one character takes at most two.
_CHUNK: Final = 16_000

Value = str | int | bool | float | bytes
Values = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Row:
    """One entity. ``etag`` is the storage's own; an answer's ETag is the ``revision`` some rows carry."""

    partition: str
    row: str
    values: Values
    etag: str = ""

    def text(self, name: str) -> str:
        return str(self.values.get(name, ""))

    def number(self, name: str) -> int:
        return int(self.values.get(name, 0))

    @property
    def doc(self) -> Any:
        """The JSON document put in with ``with_doc``."""
        chunks = [self.values["doc"]]
        while (more := self.values.get(f"doc{len(chunks)}")) is not None:
            chunks.append(more)
        return json.loads("".join(str(chunk) for chunk in chunks))


def with_doc(doc: object, **values: Value) -> dict[str, Value]:
    """Values of a row that holds a JSON document, cut to what one property may hold."""
    text = json.dumps(doc, ensure_ascii=False, separators=(",", ":"))
    chunks = [text[at : at + _CHUNK] for at in range(0, len(text), _CHUNK)]
    return values | {f"doc{number or ''}": chunk for number, chunk in enumerate(chunks)}


@dataclass(frozen=True, slots=True)
class Insert:
    """Create a row; raises Exists if it is there."""

    row: Row


@dataclass(frozen=True, slots=True)
class Replace:
    """Write over the version with ``etag``; raises Stale if there is a newer one."""

    row: Row
    etag: str


@dataclass(frozen=True, slots=True)
class Merge:
    """Change the values named, keep the others, on the version with ``etag``, or with ``*`` on whichever is there.

    Raises Stale like Replace; a missing row is NotFound.
    """

    row: Row
    etag: str


@dataclass(frozen=True, slots=True)
class Overwrite:
    """Write blindly: whoever came before is lost."""

    row: Row


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove the version with ``etag``, or with ``*`` whichever is there; a missing row is NotFound."""

    row: Row
    etag: str


Operation = Insert | Replace | Merge | Overwrite | Delete


def row_of(entity: Mapping[str, Any]) -> Row:
    metadata = getattr(entity, "metadata", {})
    values = {name: value for name, value in entity.items() if name not in ("PartitionKey", "RowKey")}
    return Row(str(entity["PartitionKey"]), str(entity["RowKey"]), values, str(metadata.get("etag", "")))


def entity_of(row: Row) -> dict[str, Any]:
    if len(row.values) > MAX_PROPERTIES:
        raise TooBig(f"row {row.row} has {len(row.values)} properties; Azure takes {MAX_PROPERTIES}")
    if size_of(row) > MAX_ENTITY_BYTES:
        raise TooBig(f"row {row.row} is larger than Azure takes")
    return {"PartitionKey": row.partition, "RowKey": row.row, **row.values}


def size_of(row: Row) -> int:
    """An upper estimate of what Azure counts: UTF-16 for text, 8 bytes for the rest."""
    return sum(2 * len(name) + 8 + _weight(value) for name, value in row.values.items())


def _weight(value: Value) -> int:
    if isinstance(value, str):
        return len(value.encode("utf-16-le", "surrogatepass"))
    return len(value) if isinstance(value, bytes) else 8


def on_wire(operation: Operation) -> tuple[Any, ...]:
    match operation:
        case Replace(row, etag):
            condition = {"mode": UpdateMode.REPLACE, "etag": etag, "match_condition": MatchConditions.IfNotModified}
            return ("update", entity_of(row), condition)
        case Merge(row, etag):
            condition = {"mode": UpdateMode.MERGE, "etag": etag, "match_condition": MatchConditions.IfNotModified}
            return ("update", entity_of(row), condition)
        case Delete(row, "*"):
            return ("delete", {"PartitionKey": row.partition, "RowKey": row.row})
        case Delete(row, etag):
            condition = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
            return ("delete", {"PartitionKey": row.partition, "RowKey": row.row}, condition)
        case Overwrite(row):
            return ("upsert", entity_of(row), {"mode": UpdateMode.REPLACE})
        case Insert(row):
            return ("create", entity_of(row))
