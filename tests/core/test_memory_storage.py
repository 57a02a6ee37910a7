"""Storage in memory against a real Azurite: the same acts have the same outcomes, the same queries the same answers."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from shared.kernel.errors import AppError
from shared.storage.account import StorageAccount
from shared.storage.entities import Delete, Insert, Merge, Operation, Overwrite, Replace, Row, Value
from shared.storage.tables import Exists, Table
from tests.scale import scaled
from tests.support.memory_storage import MemoryTable

# Where an operation takes its ETag from: the row as it is, as it was before its last change, or whichever is there.
NOW, BEFORE, ANY = "now", "before", "*"
ROWS = st.sampled_from(["a", "b", "c"])
VERSIONS = st.sampled_from([NOW, NOW, BEFORE, ANY])
KINDS = st.sampled_from(["insert", "insert", "replace", "merge", "overwrite", "delete"])
Step = tuple[str, str, str, int]
STEP = st.tuples(KINDS, ROWS, VERSIONS, st.integers(0, 9))
SINGLE = st.tuples(st.just("one"), STEP)
SEVERAL = st.tuples(st.just("many"), st.lists(STEP, min_size=2, max_size=3, unique_by=lambda step: step[1]))
REMOVE = st.tuples(st.just("remove"), st.lists(ROWS, min_size=1, max_size=3, unique=True))


class Tried:
    """One of the two tables, with the ETags that were seen there."""

    def __init__(self, table: Table, partition: str) -> None:
        self.table, self.partition = table, partition
        self._before: dict[str, str] = {}
        self._now: dict[str, str] = {}

    def take(self, act: tuple[str, Any]) -> object:
        """What was told, and what is there then."""
        what, how = act
        told = _told(lambda: getattr(self, what)(how))
        rows = list(self.table.span(self.partition, "a", "z"))
        for row in rows:
            if self._now.get(row.row) != row.etag:
                self._before[row.row], self._now[row.row] = self._now.get(row.row, row.etag), row.etag
        return told, [(row.row, row.values) for row in rows]

    def one(self, step: Step) -> None:
        match self._operation(step):
            case Insert(row):
                self.table.insert(row)
            case Replace(row, etag):
                self.table.replace(row, etag=etag)
            case Overwrite(row):
                self.table.overwrite(row)
            case Delete(row, etag):
                self.table.delete(row, etag=etag)
            case Merge() as merge:
                self.table.transact([merge])

    def many(self, steps: list[Step]) -> None:
        self.table.transact([self._operation(step) for step in steps])

    def remove(self, names: list[str]) -> None:
        self.table.remove_blindly([Row(self.partition, name, {}) for name in names])

    def looks(self) -> object:
        """What the other ways to read give."""
        found = [self.table.get(self.partition, name) for name in "abc"]
        page, following = self.table.page(self.partition, "a", "c", top=1)
        return [row and row.values for row in found], [row.row for row in page], following

    def _operation(self, step: Step) -> Operation:
        kind, name, version, number = step
        row = Row(self.partition, name, {f"v{number % 2}": number})
        known = {NOW: self._now, BEFORE: self._before, ANY: {}}[version]
        etag = known.get(name, "*")
        match kind:
            case "insert":
                return Insert(row)
            case "replace":
                return Replace(row, etag)
            case "merge":
                return Merge(row, etag)
            case "overwrite":
                return Overwrite(row)
            case _:
                return Delete(row, etag)


def _told(act: Callable[[], object]) -> object:
    try:
        act()
    except Exists as exc:
        return "Exists", exc.index
    except AppError as exc:
        return type(exc).__name__
    return "done"


# Making an example smaller takes minutes on a real storage, and the last act of a failure says enough.
@settings(
    max_examples=scaled(20, 400),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(acts=st.lists(SINGLE | SEVERAL | SEVERAL | REMOVE, min_size=8, max_size=16))
@example(acts=[("one", (kind, "a", BEFORE, 1)) for kind in ("overwrite", "overwrite", "replace", "merge", "delete")])
@example(acts=[("one", ("insert", "b", NOW, 1)), ("many", [("insert", "a", NOW, 1), ("insert", "b", NOW, 2)])])
def test_both_tables_say_the_same_and_end_the_same(
    azurite_account: StorageAccount, acts: list[tuple[str, Any]]
) -> None:
    partition = str(uuid.uuid4())
    real, memory = Tried(azurite_account.table("journal"), partition), Tried(MemoryTable(), partition)
    for act in acts:
        assert memory.take(act) == real.take(act), act
    assert memory.looks() == real.looks()


# Of each way to ask that features use; some rows have no such property.
ASKED: Sequence[tuple[str, dict[str, str]]] = [
    ("t eq 'b'", {}),
    ("t ne ''", {}),
    ("t gt ''", {}),
    ("t lt @x", {"x": "b"}),
    ("t le @x and t ge @y", {"x": "c", "y": "b"}),
    ("t eq @x", {"x": "it's"}),
    ("( t eq @x or t eq @y )", {"x": "b", "y": "it's"}),
]


@pytest.mark.parametrize(("only", "parameters"), ASKED)
def test_both_give_the_same_rows_for_a_condition(
    azurite_account: StorageAccount, only: str, parameters: dict[str, str]
) -> None:
    partition = str(uuid.uuid4())
    values: list[dict[str, Value]] = [{"t": ""}, {"t": "a"}, {"t": "b"}, {"t": "it's"}, {"n": 1}, {}]
    rows = [Row(partition, f"r{number}", each) for number, each in enumerate(values)]
    answers = []
    for table in (azurite_account.table("journal"), MemoryTable()):
        table.transact([Insert(row) for row in rows])
        span = table.span(partition, "r", "s", only=only, parameters=parameters, select=["RowKey", "PartitionKey", "t"])
        found = [(row.row, row.values) for row in span]
        pages, following = table.page_of_partitions(
            partition, partition, "r", "s", only=only, parameters=parameters, top=2
        )
        answers.append((found, [row.row for row in pages], following))
    assert answers[0] == answers[1]


def test_both_find_rows_of_several_partitions_alike(azurite_account: StorageAccount) -> None:
    here = str(uuid.uuid4())
    answers = []
    for table in (azurite_account.table("journal"), MemoryTable()):
        for number in range(4):
            table.transact([Insert(Row(f"{here}{number}", name, {})) for name in ("a", "b", "c")])
        across = [(row.partition, row.row) for row in table.across(f"{here}1", f"{here}2", ("a", "c"))]
        scanned = [(row.partition, row.row) for row in table.partitions(f"{here}1", f"{here}3")]
        moments = (datetime(2020, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(days=1))
        touched = [
            {row.row for row in table.untouched_since(moment) if row.partition == f"{here}0"} for moment in moments
        ]
        answers.append((across, scanned, touched))
    assert answers[0] == answers[1]


BAD_ROWS = [
    Row("p/q", "r", {}),
    Row("p", "r#", {}),
    Row("p", "r" * 513, {}),
    Row("p", "r", {"text": "x" * 33_000}),
    Row("p", "r", {"text": "\U0001f600" * 17_000}),
]


@pytest.mark.parametrize("bad", BAD_ROWS, ids=range(len(BAD_ROWS)))
def test_both_refuse_what_azure_does_not_take(azurite_account: StorageAccount, bad: Row) -> None:
    tables = azurite_account.table("journal"), MemoryTable()
    told = [_told(partial(table.insert, bad)) for table in tables]
    assert told[0] == told[1] != "done"
