"""Operators' calls leave lines that the tenant can see: reads one an hour, everything else one each."""

from __future__ import annotations

import pytest

from shared.kernel.callers import Caller
from shared.kernel.errors import StorageDown
from shared.storage.entities import Operation, Row
from shared.tenants import audit
from shared.tenants.audit import AuditEntry, as_csv
from shared.tenants.audit_trail import AuditTrail
from shared.tenants.operator_audit import OperatorAudit
from shared.tenants.tenants import SETTINGS
from tests.core.race import together
from tests.core.world import FakeClock
from tests.support.memory_storage import MemoryTable

TENANT, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
OLA = Caller("home", "ola", "Ola Operator", frozenset({"Operator"}))
PER = Caller("home", "per", "Per Operator", frozenset({"Operator"}))


class Heads(MemoryTable):
    """``down`` refuses writes, ``loses_answers`` sends them twice, ``asked`` counts requests."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.down = False
        self.loses_answers = False
        for tenant in (TENANT, OTHER):
            self.insert(Row(tenant, SETTINGS, {"revision": 1, "audit": 0}))
        self.asked = 0

    def get(self, partition: str, row: str) -> Row | None:
        self.asked += 1
        return super().get(partition, row)

    def transact(self, operations: list[Operation]) -> list[str]:  # type: ignore[override]
        self.asked += 1
        if self.down:
            raise StorageDown("nobody there")
        if self.loses_answers:
            super().transact(operations)
        return super().transact(operations)


def history(table: Heads, tenant: str = TENANT, section: str | None = None, by: str | None = None) -> list[AuditEntry]:
    return audit.page(table, tenant, top=100, continuation=None, section=section, by=by).items


def an_instance(table: Heads, clock: FakeClock) -> OperatorAudit:
    return OperatorAudit(AuditTrail(table, clock), clock)


@pytest.fixture
def table() -> Heads:
    return Heads()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_reads_leave_one_line_per_operator_tenant_and_hour(table: Heads, clock: FakeClock) -> None:
    instances = [an_instance(table, clock) for _ in range(3)]
    for _ in range(3):
        for instance in instances:
            for by in (OLA, PER):
                for tenant in (TENANT, OTHER):
                    instance.note_read(tenant, by)
        clock.move(minutes=25)  # 12:00, 12:25 and 12:50
    assert [len(history(table, tenant)) for tenant in (TENANT, OTHER)] == [2, 2]
    instances[1].note_read(TENANT, OLA)  # 13:15
    newest = history(table)[0]
    assert (newest.by.oid, newest.by.name, newest.by.tid) == ("ola", "Ola Operator", "home")
    assert [change.as_json() for change in newest.changes] == [
        {"path": "operator.read", "old": None, "new": "2026-03-01T13:00:00.000Z"}
    ]
    assert newest.at == "2026-03-01T13:15:00.000Z"


def test_of_many_instances_at_once_one_adds_the_line(table: Heads, clock: FakeClock) -> None:
    assert together(8, lambda _: an_instance(table, clock).note_read(TENANT, OLA)) == [None] * 8
    assert len(history(table)) == 1


def test_two_operators_and_a_write_at_once_lose_no_line(table: Heads, clock: FakeClock) -> None:
    instance = an_instance(table, clock)

    def act(number: int) -> None:
        if number < 2:
            instance.note_read(TENANT, (OLA, PER)[number])
        else:
            instance.note_call(TENANT, OLA, "PUT", f"/api/tenants/x/services/{number}")

    assert together(6, act) == [None] * 6
    assert len(history(table)) == 6


def test_instances_whose_clocks_differ_do_not_take_turns_around_the_full_hour(table: Heads) -> None:
    early, late = FakeClock(), FakeClock()
    early.move(minutes=59, seconds=59)
    late.move(minutes=60, seconds=1)
    for _ in range(3):
        for clock in (early, late):
            an_instance(table, clock).note_read(TENANT, OLA)  # processes that remember nothing
    assert [entry.changes[0].new for entry in history(table)] == [
        "2026-03-01T13:00:00.000Z",
        "2026-03-01T12:00:00.000Z",
    ]


def test_a_process_asks_storage_once_an_hour(table: Heads, clock: FakeClock) -> None:
    instance = an_instance(table, clock)
    instance.note_read(TENANT, OLA)
    asked = table.asked
    assert asked == 3
    for _ in range(100):
        instance.note_read(TENANT, OLA)
    assert table.asked == asked


def test_a_line_that_cannot_be_written_stops_the_call_and_is_owed(table: Heads, clock: FakeClock) -> None:
    instance = an_instance(table, clock)
    table.down = True
    for _ in range(2):
        with pytest.raises(StorageDown):
            instance.note_read(TENANT, OLA)
        with pytest.raises(StorageDown):
            instance.note_call(TENANT, OLA, "PUT", "/x")
    table.down = False
    instance.note_read(TENANT, OLA)
    assert len(history(table)) == 1


def test_a_lost_answer_leaves_one_line(table: Heads, clock: FakeClock) -> None:
    table.loses_answers = True
    an_instance(table, clock).note_read(TENANT, OLA)
    an_instance(table, clock).note_call(TENANT, OLA, "PUT", "/x")
    assert len(history(table)) == 2


def test_every_other_call_is_a_line_with_method_and_path(table: Heads, clock: FakeClock) -> None:
    instance = an_instance(table, clock)
    for _ in range(2):
        instance.note_call(TENANT, OLA, "DELETE", f"/api/tenants/{TENANT}/services/a" + "a" * 5000)
    told = [entry.changes[0] for entry in history(table)]
    assert [change.path for change in told] == ["operator.call"] * 2
    assert told[0].new.startswith(f"DELETE /api/tenants/{TENANT}/services/a")
    assert len(told[0].new) == 300


def test_a_tenant_that_is_not_there_gets_no_row(table: Heads, clock: FakeClock) -> None:
    an_instance(table, clock).note_read("nobody", OLA)
    assert list(table.span("nobody", "", "~")) == []


def test_the_lines_are_filtered_and_listed_like_any_other(table: Heads, clock: FakeClock) -> None:
    instance = an_instance(table, clock)
    AuditTrail(table, clock).note(
        TENANT, PER, [{"path": "outbound.webhooks.x", "old": "failing", "new": "switchedOff"}]
    )
    instance.note_read(TENANT, OLA)
    instance.note_call(TENANT, OLA, "PUT", "/x")
    assert len(history(table)) == 3
    assert len(history(table, section="operator")) == 2
    assert len(history(table, section="outbound")) == 1
    assert len(history(table, by="Ola Operator")) == 2
    lines = as_csv(history(table, section="operator")).splitlines()
    assert lines[1].endswith("operator.call,,PUT /x")
    assert lines[2].endswith("operator.read,,2026-03-01T12:00:00.000Z")
