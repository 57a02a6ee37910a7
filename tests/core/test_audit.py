"""The audit: pages under a filter, and cells that a spreadsheet must not run."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from shared.kernel.callers import Caller
from shared.kernel.errors import Invalid
from shared.storage.entities import Row
from shared.storage.tables import Table
from shared.tenants import audit
from shared.tenants.audit import AuditEntry, Author, Change, as_csv
from tests.core.world import World

ALEX = Author(oid="a", name="Alex", tid="t")


class Written(Table):
    """A table with so many entries of one author, oldest last, that counts how often it is asked."""

    def __init__(self, world: World, entries: int, by: Caller) -> None:
        self.asked = 0
        self.most = audit.MOST_READ
        self._real = world.account.table("journal")
        self.partition = world.tenant_id
        change = {"path": "outbound.maxScheduledTasksPerService", "old": 1, "new": 2}
        written = [audit.entry(self.partition, n, "2026-03-01T12:00:00.000Z", by, n, [change]) for n in range(entries)]
        self._real.transact_all(written)

    def page(
        self, partition: str, start: str, end: str, *, top: int, continuation: str | None = None
    ) -> tuple[list[Row], str | None]:
        self.asked += 1
        return self._real.page(partition, start, end, top=min(top, self.most), continuation=continuation)


def listed(table: Written, **filters: Any) -> list[list[int]]:
    """The revisions of each page until the last."""
    pages: list[list[int]] = []
    wanted: dict[str, Any] = {"top": 2, "section": None, "by": None} | filters
    continuation = None
    while True:
        page = audit.page(table, table.partition, continuation=continuation, **wanted)
        pages.append([entry.revision for entry in page.items])
        continuation = page.continuation
        if continuation is None:
            return pages


def test_pages_follow_each_other_without_gap_or_double(world: World, admin: Caller) -> None:
    table = Written(world, 5, admin)
    assert listed(table) == [[4, 3], [2, 1], [0]]
    assert listed(table, section="outbound") == [[4, 3], [2, 1], [0]]
    assert listed(table, top=5, by=admin.oid.upper()) == [[4, 3, 2, 1, 0]]
    assert listed(table, by="ADMIN") == [[4, 3], [2, 1], [0]]  # a name will do


def test_a_filter_that_nothing_passes_is_not_paid_for_entry_by_entry(world: World, admin: Caller) -> None:
    table = Written(world, 40, admin)
    assert listed(table, top=1, section="interact") == [[]]
    assert listed(table, top=1, by="nobody") == [[]]
    assert table.asked == 2


def test_one_call_is_one_look_and_says_where_the_next_goes_on(world: World, admin: Caller) -> None:
    table = Written(world, 25, admin)
    table.most = 10  # what one look gives, 1,000 in earnest
    assert listed(table, section="interact") == [[], [], []]
    assert table.asked == 3


def test_a_section_that_does_not_exist_is_not_an_empty_answer(world: World) -> None:
    for section in ("Outbound", "nonsense", ""):
        with pytest.raises(Invalid) as refused:
            world.settings.history(world.tenant_id, top=1, continuation=None, section=section, by=None)
        assert [finding.path for finding in refused.value.findings] == ["section"]


def rows(*changes: Change, by: Author = ALEX) -> list[dict[str, str]]:
    text = as_csv([AuditEntry(at="2026-03-01T12:00:00.000Z", by=by, revision=2, changes=list(changes))])
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])
def test_no_cell_begins_like_a_formula_whoever_wrote_it(start: str) -> None:
    evil = f"{start}HYPERLINK(1)"
    path = "attendantConsole.contactSearchFilter"
    [row] = rows(Change(path=path, old=evil, new=evil), by=Author(oid="a", name=evil, tid="t"))
    assert [row[column] for column in ("name", "old", "new")] == [f"'{evil}"] * 3


def test_values_read_as_they_do_in_json() -> None:
    switched = rows(
        Change(path="interact.enabled", old=False, new=True),
        Change(path="interact.allowedOrigins", old=[], new=["https://a.example", "https://b.example"]),
        Change(path="interact.o365UserId", old=None, new="x"),
        Change(path="attendantConsole.contactSearchFilter", old="", new='a "quoted", text\nwith lines'),
    )
    assert [(row["old"], row["new"]) for row in switched] == [
        ("false", "true"),
        ("[]", '["https://a.example", "https://b.example"]'),
        ("", "x"),
        ("", 'a "quoted", text\nwith lines'),
    ]
