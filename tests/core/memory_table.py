"""Tables in memory, for tests that turn a clock through weeks or try every crossing of two processes.

The same promises as storage, which ``test_memory_table`` holds them to, and none of the waiting.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from threading import RLock
from typing import Any

from shared.errors import NotFound, Stale
from shared.storage.account import StorageAccount
from shared.storage.entities import Delete, Insert, Merge, Operation, Overwrite, Replace, Row
from shared.storage.queues import Queue
from shared.storage.tables import Exists, Table


class MemoryTable(Table):
    """Reads see whole transactions only; a transaction that fails changes nothing."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], Row] = {}
        self._etags = count(1)
        self._lock = RLock()

    def get(self, partition: str, row: str) -> Row | None:
        with self._lock:
            return self._rows.get((partition, row))

    def span(self, partition: str, start: str, end: str, **more: Any) -> Iterator[Row]:
        assert not more.get("only"), "this table knows no conditions"
        with self._lock:
            found = [row for (p, r), row in self._rows.items() if p == partition and start <= r < end]
        yield from sorted(found, key=lambda row: row.row)

    def page(
        self, partition: str, start: str, end: str, *, top: int, continuation: str | None = None
    ) -> tuple[list[Row], str | None]:
        rows = list(self.span(partition, max(start, continuation or start), end))
        return rows[:top], rows[top].row if len(rows) > top else None

    def partitions(self, start: str, end: str) -> Iterator[Row]:
        with self._lock:
            yield from [row for (partition, _), row in sorted(self._rows.items()) if start <= partition < end]

    def insert(self, row: Row) -> str:
        return self.transact([Insert(row)])[0]

    def replace(self, row: Row, *, etag: str) -> str:
        return self.transact([Replace(row, etag)])[0]

    def overwrite(self, row: Row) -> str:
        return self.transact([Overwrite(row)])[0]

    def delete(self, row: Row, *, etag: str) -> None:
        with self._lock:
            if (row.partition, row.row) in self._rows:
                self.transact([Delete(row, etag)])

    def remove_blindly(self, rows: Sequence[Row]) -> None:
        with self._lock:
            for row in rows:
                self._rows.pop((row.partition, row.row), None)

    def transact(self, operations: Sequence[Operation]) -> list[str]:
        with self._lock:
            assert len({operation.row.partition for operation in operations}) == 1
            assert len({operation.row.row for operation in operations}) == len(operations)
            for index, operation in enumerate(operations):
                self._check(operation, index)
            return [self._apply(operation) for operation in operations]

    def _check(self, operation: Operation, index: int) -> None:
        found = self._rows.get((operation.row.partition, operation.row.row))
        match operation:
            case Insert() if found is not None:
                raise Exists("it is there", index)
            case Replace() | Merge() | Delete():
                if found is None:
                    raise NotFound("it is not there")
                if operation.etag not in ("*", found.etag):
                    raise Stale("it is another one")

    def _apply(self, operation: Operation) -> str:
        row = operation.row
        place = (row.partition, row.row)
        if isinstance(operation, Delete):
            del self._rows[place]
            return ""
        before: Mapping[str, Any] = self._rows[place].values if isinstance(operation, Merge) else {}
        etag = str(next(self._etags))
        self._rows[place] = Row(*place, {**before, **row.values}, etag)
        return etag


class MemoryAccount(StorageAccount):
    """Its tables; nobody sends to queues where there is no host to read them."""

    def __init__(self) -> None:
        self._memory: defaultdict[str, MemoryTable] = defaultdict(MemoryTable)

    def table(self, name: str) -> MemoryTable:
        return self._memory[name]

    def queue(self, name: str) -> Queue:
        return Queue(None)  # type: ignore[arg-type]
