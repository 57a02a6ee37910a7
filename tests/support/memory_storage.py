"""A storage account in memory: the clients of Azure's SDK replaced, everything of ours above them unchanged.

Replacing the SDK's clients keeps our conditions, error mapping and size limits in the path of every test. That these
clients answer as Azure does is held by ``test_storage`` and ``test_memory_storage``, which run on both.
"""

from __future__ import annotations

import operator
import re
import uuid
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from threading import RLock
from types import SimpleNamespace
from typing import Any, Final, cast

from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.data.tables import TableClient, TableEntity, TableTransactionError, UpdateMode

from shared.storage.account import StorageAccount
from shared.storage.tables import Table

Entity = dict[str, Any]
Condition = Callable[[TableEntity, Mapping[str, Any]], bool]
"""Whether an entity meets a condition, given the values of its parameters."""

_KEYS: Final = ("PartitionKey", "RowKey")
_RANGE: Final = re.compile(r"PartitionKey eq @(\w+) and RowKey ge @(\w+) and RowKey lt @(\w+)")
_BAD_IN_KEYS: Final = re.compile(r"[/\\#?\x00-\x1f\x7f-\x9f]")
LONGEST_KEY: Final = 512  # characters
LONGEST_TEXT: Final = 32 * 1024  # UTF-16 units of a string property


class MemoryTableClient:
    """``azure.data.tables.TableClient``, as far as ``shared/storage/tables.py`` uses it. Safe to share between threads.

    Every write is atomic, every query reads one moment.
    """

    def __init__(self, table_name: str = "table") -> None:
        self.table_name = table_name
        self._rows: defaultdict[str, dict[str, TableEntity]] = defaultdict(dict)
        self._order: dict[str, list[str]] = {}  # sorted row keys of a partition, made when a query needs them
        self._lock = RLock()

    def get_entity(self, partition_key: str, row_key: str) -> TableEntity:
        with self._lock:
            return _copy(self._found(partition_key, row_key))

    def create_entity(self, entity: Entity) -> dict[str, str]:
        with self._lock:
            partition, row = _checked(entity)
            if row in self._rows[partition]:
                raise ResourceExistsError("EntityAlreadyExists", response=_response(409))
            return self._write(entity)

    def update_entity(
        self, entity: Entity, *, mode: UpdateMode, etag: str, match_condition: object = None
    ) -> dict[str, str]:
        with self._lock:
            stored = self._matching(*_checked(entity), etag)
            return self._write({**stored, **entity} if mode == UpdateMode.MERGE else entity)

    def upsert_entity(self, entity: Entity, *, mode: UpdateMode) -> dict[str, str]:
        with self._lock:
            assert mode == UpdateMode.REPLACE
            _checked(entity)
            return self._write(entity)

    def delete_entity(
        self, partition_key: str, row_key: str, *, etag: str = "*", match_condition: object = None
    ) -> None:
        with self._lock:
            if row_key in self._rows[partition_key]:  # the SDK says nothing of a missing row
                self._delete(partition_key, row_key, etag)

    def submit_transaction(self, operations: Iterable[tuple[Any, ...]]) -> list[dict[str, str]]:
        with self._lock:
            before = {name: dict(rows) for name, rows in self._rows.items() if name in _partitions(operations)}
            answers = []
            for index, (kind, entity, *condition) in enumerate(operations):
                try:
                    answers.append(self._perform(kind, entity, **(condition[0] if condition else {})))
                except HttpResponseError as exc:
                    for name in _partitions(operations):
                        self._rows[name] = before.get(name, {})
                        self._order.pop(name, None)
                    raise _transaction_error(index, exc) from None
            return answers

    def query_entities(
        self,
        query_filter: str,
        *,
        parameters: Mapping[str, Any],
        results_per_page: int | None = None,
        select: Sequence[str] | None = None,
    ) -> Iterator[TableEntity]:
        condition = parsed(query_filter)
        with self._lock:
            found = [
                _copy(entity) for entity in self._candidates(query_filter, parameters) if condition(entity, parameters)
            ]
        for entity in found:
            for name in [name for name in entity if select is not None and name not in select]:
                del entity[name]
            yield entity

    def _perform(self, kind: str, entity: Entity, **how: Any) -> dict[str, str]:
        match kind:
            case "create":
                return self.create_entity(entity)
            case "update":
                return self.update_entity(entity, **how)
            case "upsert":
                return self.upsert_entity(entity, **how)
            case _:
                self._delete(*_checked(entity), how.get("etag", "*"))
                return {}

    def _candidates(self, query_filter: str, parameters: Mapping[str, Any]) -> Iterator[TableEntity]:
        """The entities a query may give, in the order of their keys: of one partition and range where it names them."""
        named = _RANGE.match(query_filter)
        for partition in [parameters[named[1]]] if named else sorted(self._rows):
            rows = self._rows.get(partition, {})
            order = self._order.get(partition)
            if order is None:
                order = self._order[partition] = sorted(rows)
            bounds = [bisect_left(order, parameters[key]) for key in named.groups()[1:]] if named else [0, None]
            yield from (rows[row] for row in order[bounds[0] : bounds[1]])

    def _found(self, partition: str, row: str) -> TableEntity:
        try:
            return self._rows[partition][row]
        except KeyError:
            raise ResourceNotFoundError("ResourceNotFound", response=_response(404)) from None

    def _matching(self, partition: str, row: str, etag: str) -> TableEntity:
        stored = self._found(partition, row)
        if etag not in ("*", stored.metadata["etag"]):
            raise ResourceModifiedError("UpdateConditionNotSatisfied", response=_response(412))
        return stored

    def _write(self, entity: Mapping[str, Any]) -> dict[str, str]:
        partition, row = str(entity["PartitionKey"]), str(entity["RowKey"])
        etag = f'W/"{uuid.uuid4().hex}"'
        stored = TableEntity({name: value for name, value in entity.items() if value is not None})
        stored._metadata = {"etag": etag, "timestamp": datetime.now(UTC)}
        if row not in self._rows[partition]:
            self._order.pop(partition, None)
        self._rows[partition][row] = stored
        return {"etag": etag}

    def _delete(self, partition: str, row: str, etag: str) -> None:
        self._matching(partition, row, etag)
        del self._rows[partition][row]
        self._order.pop(partition, None)


def _copy(stored: TableEntity) -> TableEntity:
    entity = TableEntity(stored)
    entity._metadata = stored.metadata
    return entity


def _checked(entity: Mapping[str, Any]) -> tuple[str, str]:
    """The keys of an entity that Azure and its SDK take. Raises what they raise for another one."""
    for name in _KEYS:
        if len(entity[name]) > LONGEST_KEY or _BAD_IN_KEYS.search(entity[name]):
            raise HttpResponseError(f"{name} is not valid", response=_response(400))
    for name, value in entity.items():
        if isinstance(value, str) and len(value.encode("utf-16-le", "surrogatepass")) > 2 * LONGEST_TEXT:
            raise HttpResponseError(f"PropertyValueTooLarge: {name}", response=_response(400))
        if isinstance(value, int) and not -(2**31) <= value < 2**31:
            raise TypeError(f"{name} needs EdmType.INT64")
    return str(entity["PartitionKey"]), str(entity["RowKey"])


def _partitions(operations: Iterable[tuple[Any, ...]]) -> set[str]:
    partitions = {str(entity["PartitionKey"]) for _, entity, *_ in operations}
    rows = [str(entity["RowKey"]) for _, entity, *_ in operations]
    assert len(partitions) == 1, "a transaction has one partition"
    assert len(set(rows)) == len(rows), "a transaction names each row once"
    return partitions


def _response(status: int) -> Any:
    return SimpleNamespace(status_code=status, reason="", headers={}, text=lambda: "", content_type="")


def _transaction_error(index: int, exc: HttpResponseError) -> TableTransactionError:
    return TableTransactionError(
        message=f"{index}:{exc.message}", response=_response(exc.status_code or 400), index=index
    )


# conditions

_TOKEN: Final = re.compile(r"\s*(?:(?P<sign>[()])|'(?P<text>(?:[^']|'')*)'|@(?P<parameter>\w+)|(?P<word>\w+))")
_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    name: getattr(operator, name) for name in ("eq", "ne", "gt", "ge", "lt", "le")
}


@cache
def parsed(text: str) -> Condition:
    """A condition in the storage's language: properties compared with texts or parameters, and, or, parentheses."""
    tokens = list(_TOKEN.finditer(text.strip()))
    assert sum(len(token[0]) for token in tokens) == len(text.strip()), f"not understood: {text}"
    condition, rest = _alternatives(tokens)
    assert not rest, f"not understood: {text}"
    return condition


Tokens = list[re.Match[str]]


def _alternatives(tokens: Tokens) -> tuple[Condition, Tokens]:
    found, rest = _joined("or", _parts, tokens)
    return lambda entity, values: any(one(entity, values) for one in found), rest


def _parts(tokens: Tokens) -> tuple[Condition, Tokens]:
    found, rest = _joined("and", _comparison, tokens)
    return lambda entity, values: all(one(entity, values) for one in found), rest


def _joined(
    word: str, item: Callable[[Tokens], tuple[Condition, Tokens]], tokens: Tokens
) -> tuple[list[Condition], Tokens]:
    one, rest = item(tokens)
    found = [one]
    while rest and rest[0]["word"] == word:
        one, rest = item(rest[1:])
        found.append(one)
    return found, rest


def _comparison(tokens: Tokens) -> tuple[Condition, Tokens]:
    if tokens[0]["sign"] == "(":
        condition, rest = _alternatives(tokens[1:])
        assert rest[0]["sign"] == ")"
        return condition, rest[1:]
    name, compare, right = tokens[0]["word"], _COMPARISONS[tokens[1]["word"]], tokens[2]
    parameter, text = right["parameter"], (right["text"] or "").replace("''", "'")

    def holds(entity: TableEntity, values: Mapping[str, Any]) -> bool:
        value = entity.metadata["timestamp"] if name == "Timestamp" else entity.get(name)
        wanted = values[parameter] if parameter else text
        # An entity without the property, or with one of another type, meets no comparison.
        return type(value) is type(wanted) and compare(value, wanted)

    return holds, tokens[3:]


class MemoryQueueClient:
    """``azure.storage.queue.QueueClient`` for senders: keeps what was sent."""

    def __init__(self, queue_name: str) -> None:
        self.queue_name = queue_name
        self.sent: list[str] = []

    def send_message(self, text: str, *, visibility_timeout: int, time_to_live: int) -> None:
        assert 0 <= visibility_timeout <= 7 * 24 * 3600
        self.sent.append(text)


class MemoryTable(Table):
    """One empty table."""

    def __init__(self) -> None:
        super().__init__(cast("TableClient", MemoryTableClient()))


class _TableService:
    def __init__(self) -> None:
        self._clients: dict[str, MemoryTableClient] = {}

    def get_table_client(self, name: str) -> MemoryTableClient:
        return self._clients.setdefault(name, MemoryTableClient(name))


class _QueueService:
    def __init__(self) -> None:
        self._clients: dict[str, MemoryQueueClient] = {}

    def get_queue_client(self, name: str) -> MemoryQueueClient:
        return self._clients.setdefault(name, MemoryQueueClient(name))


class MemoryAccount(StorageAccount):
    """A storage account that is gone with the process."""

    def __init__(self) -> None:
        self._tables, self._queues = cast("Any", _TableService()), cast("Any", _QueueService())
        self._encode = {}

    def prepare(self) -> None:
        """Nothing is missing."""

    def probe(self) -> None:
        """It answers."""
