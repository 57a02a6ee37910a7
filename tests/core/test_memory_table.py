"""The table in memory against a real Azurite: whatever is done, both say the same and end the same."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from shared.errors import AppError
from shared.storage.account import StorageAccount
from shared.storage.entities import Delete, Insert, Merge, Operation, Overwrite, Replace, Row
from shared.storage.tables import Exists, Table
from tests.core.memory_table import MemoryTable
from tests.scale import scaled

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


def _told(act: Callable[[], None]) -> object:
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
def test_both_tables_say_the_same_and_end_the_same(account: StorageAccount, acts: list[tuple[str, Any]]) -> None:
    partition = str(uuid.uuid4())
    real, memory = Tried(account.table("journal"), partition), Tried(MemoryTable(), partition)
    for act in acts:
        assert memory.take(act) == real.take(act), act
    assert memory.looks() == real.looks()
