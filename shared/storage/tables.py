"""Table rows, with every replace conditional and every failure one of our errors.

azure-data-tables writes blindly unless it is told a match condition; here the ETag is a required keyword and a
blind write says so in its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final, TypeVar

from azure.core import MatchConditions
from azure.core.exceptions import ServiceResponseError, ServiceResponseTimeoutError
from azure.data.tables import TableClient, UpdateMode

from shared.kernel.errors import NotFound
from shared.storage import failures
from shared.storage.entities import (
    Delete,
    Insert,
    Operation,
    Overwrite,
    Replace,
    Row,
    entity_of,
    on_wire,
    row_of,
    size_of,
)

T = TypeVar("T")

MAX_OPERATIONS: Final = 100  # of one entity group transaction
MAX_TRANSACTION_BYTES: Final = 4_000_000  # Azure's limit is 4 MiB
MAX_ROWS_PER_CALL: Final = 1000  # Azure refuses a query that asks for more at once


Exists = failures.Exists
TooBig = failures.TooBig


class Table:
    """One table. Methods raise StorageDown when Azure does not answer; ``name`` appears in messages only."""

    def __init__(self, client: TableClient) -> None:
        self._client = client
        self._name = client.table_name

    def get(self, partition: str, row: str) -> Row | None:
        try:
            with failures.ours(self._name):
                return row_of(self._client.get_entity(partition, row))
        except NotFound:
            return None

    def insert(self, row: Row) -> str:
        """Create the row and give its ETag. Raises Exists."""
        entity = entity_of(row)
        with failures.ours(self._name):
            return str(_sent(lambda: self._client.create_entity(entity))["etag"])

    def replace(self, row: Row, *, etag: str) -> str:
        """Write over the version that has ``etag`` and give the new ETag. Raises Stale, NotFound."""
        entity = entity_of(row)
        with failures.ours(self._name):
            meta = self._client.update_entity(
                entity, mode=UpdateMode.REPLACE, etag=etag, match_condition=MatchConditions.IfNotModified
            )
        return str(meta["etag"])

    def overwrite(self, row: Row) -> str:
        """Write blindly, whatever is there."""
        entity = entity_of(row)
        with failures.ours(self._name):
            return str(self._client.upsert_entity(entity, mode=UpdateMode.REPLACE)["etag"])

    def delete(self, row: Row, *, etag: str) -> None:
        """Remove the version that has ``etag``. Raises Stale; a missing row is no error."""
        with failures.ours(self._name):
            self._client.delete_entity(row.partition, row.row, etag=etag, match_condition=MatchConditions.IfNotModified)

    def transact(self, operations: Sequence[Operation]) -> list[str]:
        """All of it or nothing, in one partition; gives the new ETags ("" for a delete).

        Raises Exists or Stale (the reason of the first operation that failed), NotFound, TooBig.
        """
        match operations:  # one alone needs no batch, which takes the SDK five times as long
            case [Insert(row)]:
                return [self.insert(row)]
            case [Replace(row, etag)]:
                return [self.replace(row, etag=etag)]
            case [Overwrite(row)]:
                return [self.overwrite(row)]
        wire = [on_wire(operation) for operation in operations]
        if len(wire) > MAX_OPERATIONS:
            raise TooBig(f"{len(wire)} operations in one transaction on {self._name}; Azure takes {MAX_OPERATIONS}")
        if sum(size_of(operation.row) for operation in operations) > MAX_TRANSACTION_BYTES:
            raise TooBig(f"a transaction on {self._name} is larger than Azure takes")
        with failures.ours(self._name):
            return [str(meta.get("etag", "")) for meta in _sent(lambda: self._client.submit_transaction(wire))]

    def transact_all(self, operations: Sequence[Operation]) -> None:
        """Any number of operations of one partition, cut into transactions of what Azure takes.

        Each transaction is whole, the sum is not: use it only for rows that do not depend on each other.
        """
        batch: list[Operation] = []
        size = 0
        for operation in operations:
            weight = size_of(operation.row)
            if batch and (len(batch) == MAX_OPERATIONS or size + weight > MAX_TRANSACTION_BYTES):
                self.transact(batch)
                batch, size = [], 0
            batch.append(operation)
            size += weight
        if batch:
            self.transact(batch)

    def span(
        self,
        partition: str,
        start: str,
        end: str,
        *,
        only: str = "",
        parameters: Mapping[str, str] | None = None,
        select: Sequence[str] | None = None,
    ) -> Iterator[Row]:
        """Rows of a partition whose keys lie in [start, end), in key order, over as many pages as it takes.

        ``only`` is a further condition in the storage's own language; values go in as ``@name`` from
        ``parameters``, never as text.
        """
        condition = "PartitionKey eq @p and RowKey ge @s and RowKey lt @e" + (f" and {only}" if only else "")
        values = {"p": partition, "s": start, "e": end, **(parameters or {})}
        with failures.ours(self._name):
            found = self._client.query_entities(condition, parameters=values, select=list(select) if select else None)
            yield from (row_of(entity) for entity in found)

    def page(
        self, partition: str, start: str, end: str, *, top: int, continuation: str | None = None
    ) -> tuple[list[Row], str | None]:
        """At most ``top`` rows of [start, end) and where the next page starts, None at the end.

        ``continuation`` may come from a caller: whatever it says, no row outside of the range is given.
        """
        condition = "PartitionKey eq @p and RowKey ge @s and RowKey lt @e"
        values = {"p": partition, "s": max(start, continuation or start), "e": end}
        rows, following = self._some(condition, values, top)
        return rows, following.row if following else None

    def page_of_partitions(
        self,
        first: str,
        last: str,
        start: str,
        end: str,
        *,
        only: str,
        parameters: Mapping[str, str],
        top: int,
        continuation: str | None = None,
    ) -> tuple[list[Row], str | None]:
        """Like ``page``, over the partitions from ``first`` to ``last``, both included, one after the other."""
        partition, _, row = (continuation or "").rpartition("\t")
        condition = (
            "PartitionKey ge @f and PartitionKey le @l and RowKey ge @s and RowKey lt @e"
            # The SDK replaces an @name only where it stands alone.
            f" and ( PartitionKey gt @p or ( PartitionKey eq @p and RowKey ge @r ) ) and {only}"
        )
        values = {"f": first, "l": last, "s": start, "e": end, "p": partition, "r": row, **parameters}
        rows, following = self._some(condition, values, top)
        return rows, f"{following.partition}\t{following.row}" if following else None

    def _some(self, condition: str, values: Mapping[str, str], top: int) -> tuple[list[Row], Row | None]:
        """The first ``top`` rows, and the one after them."""
        with failures.ours(self._name):
            found = self._client.query_entities(
                condition, parameters=dict(values), results_per_page=min(top + 1, MAX_ROWS_PER_CALL)
            )
            rows = [row_of(entity) for entity in islice(found, top + 1)]
        return rows[:top], rows[top] if len(rows) > top else None

    def partitions(self, start: str, end: str) -> Iterator[Row]:
        """Keys of all rows whose partition lies in [start, end). A scan: for clearing up, not for callers."""
        return self._keys("PartitionKey ge @s and PartitionKey lt @e", {"s": start, "e": end})

    def across(self, first: str, last: str, names: Sequence[str]) -> Iterator[Row]:
        """Rows with one of these keys in the partitions from ``first`` to ``last``, in their order.

        The storage looks at every row in between, so: for a page of partitions, not for all.
        """
        keys = {f"r{number}": name for number, name in enumerate(names)}
        # With blanks around, since that is how the SDK finds the names of parameters.
        named = " or ".join(f"RowKey eq @{key}" for key in keys).join(("( ", " )"))
        with failures.ours(self._name):
            found = self._client.query_entities(
                f"PartitionKey ge @s and PartitionKey le @e and {named}", parameters={"s": first, "e": last, **keys}
            )
            yield from (row_of(entity) for entity in found)

    def untouched_since(self, moment: datetime) -> Iterator[Row]:
        """Keys of all rows that were last written before ``moment``. A scan: for clearing up, not for callers."""
        return self._keys("Timestamp lt @t", {"t": moment})

    def _keys(self, condition: str, parameters: dict[str, Any]) -> Iterator[Row]:
        with failures.ours(self._name):
            found = self._client.query_entities(condition, parameters=parameters, select=["PartitionKey", "RowKey"])
            yield from (row_of(entity) for entity in found)

    def remove_blindly(self, rows: Sequence[Row]) -> None:
        """Remove rows of one partition, whatever version; rows already gone are no error."""
        try:
            self.transact_all([Delete(row, "*") for row in rows])
        except NotFound:
            for row in rows:
                with failures.ours(self._name):
                    self._client.delete_entity(row.partition, row.row)


def _sent(write: Callable[[], T]) -> T:
    """Send a POST again when its connection breaks, as a kept one may after some idle seconds; the SDK does not.

    It may be refused then by its own work; callers recognise that. After a time limit nothing is sent again: what was
    done by then may have been undone by somebody.
    """
    for _ in range(2):
        try:
            return write()
        except ServiceResponseTimeoutError:
            raise
        except ServiceResponseError:
            continue
    return write()
