"""Whom a visitor may reach, and that nobody learns from a refusal who works there."""

from __future__ import annotations

from typing import Any

import pytest

from shared.interact.sessions.rules import Conversation
from shared.interact.sessions.targets import find_target
from shared.kernel.callers import Caller
from shared.kernel.errors import NotFound
from shared.storage.entities import Row
from shared.tenants.directory import Directory
from shared.tenants.licences import Licences
from shared.tenants.models import ServiceWrite, UserWrite
from tests.core.world import FakeClock
from tests.support.memory_storage import MemoryTable

TENANT = "11111111-1111-4111-8111-111111111111"
BY = Caller(TENANT, "o", "Alex", frozenset())


class CountingTable(MemoryTable):
    """Remembers the kind of each row that was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[str] = []

    def get(self, partition: str, row: str) -> Row | None:
        self.reads.append(row.partition(":")[0])
        return super().get(partition, row)


@pytest.fixture
def table() -> CountingTable:
    return CountingTable()


@pytest.fixture
def directory(table: CountingTable) -> Directory:
    tasks: Any = None
    made = Directory(table, Licences(MemoryTable(), table, FakeClock()), tasks)
    people = [("Ann", "ann@shop.example", ["Interact"]), ("Pat", "pat@shop.example", ["ContactCenter"])]
    for number, (name, upn, licences) in enumerate(people):
        user = UserWrite.model_validate({"upn": upn, "displayName": name, "licences": licences})
        made.put_user(TENANT, f"00000000-0000-4000-8000-00000000000{number}", lambda u=user: u, versions=None, by=BY)  # type: ignore[misc]
    desk = ServiceWrite.model_validate({"displayName": "Desk", "licence": "ContactCenter"})
    made.put_service(TENANT, "Desk@shop.example", lambda: desk, versions=None, by=BY)
    table.reads.clear()
    return made


def test_a_target_is_spelled_as_the_directory_spells_it(directory: Directory) -> None:
    assert find_target(directory, TENANT, "direct", "ANN@shop.example") == "ann@shop.example"
    assert find_target(directory, TENANT, "service", "desk@shop.example") == "Desk@shop.example"


def refused(directory: Directory, conversation: Conversation, upn: str) -> tuple[str, str]:
    with pytest.raises(NotFound) as raised:
        find_target(directory, TENANT, conversation, upn)
    return raised.value.code, raised.value.detail


def test_a_stranger_and_a_person_without_the_licence_are_refused_alike_after_the_same_reads(
    directory: Directory, table: CountingTable
) -> None:
    told = refused(directory, "direct", "pat@shop.example")
    of_pat = table.reads.copy()
    table.reads.clear()
    assert refused(directory, "direct", "nobody@shop.example") == told
    assert table.reads == of_pat == ["upn", "user"]
    assert told[0] == "TargetNotAvailable"


def test_text_that_is_no_upn_is_refused_alike_without_a_read(directory: Directory, table: CountingTable) -> None:
    told = refused(directory, "direct", "nobody@shop.example")
    table.reads.clear()
    for text in ("", "nobody", "a b@shop.example", "x" * 2000):
        assert refused(directory, "direct", text) == told
    assert table.reads == []


def test_a_service_that_does_not_exist_is_refused_like_a_person(directory: Directory) -> None:
    assert refused(directory, "service", "nobody@shop.example") == refused(directory, "direct", "nobody@shop.example")
    assert refused(directory, "service", "ann@shop.example") == refused(directory, "direct", "desk@shop.example")
