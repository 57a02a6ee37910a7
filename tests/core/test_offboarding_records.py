"""Of a tenant that was offboarded one row stays for a year: which, when, by whom."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from shared.kernel.callers import Caller
from shared.kernel.clock import to_wire
from shared.kernel.errors import StorageDown
from shared.operations.retention import Tidy
from shared.storage.entities import Row
from shared.storage.queues import Queue
from shared.storage.secrets import SecretBox
from shared.tenants.models import TenantWrite
from shared.tenants.offboarding import Offboarding
from shared.tenants.offboarding_records import KEPT, OffboardingRecord, records
from shared.tenants.tenants import Tenants
from shared.tenants.widget_keys import WidgetKeys
from tests.core.race import together
from tests.core.world import FakeClock
from tests.support.memory_storage import MemoryTable

TENANT = "11111111-1111-4111-8111-111111111111"
OLA, PER = (Caller("home", oid, f"{oid.title()} Operator", frozenset({"Operator"})) for oid in ("ola", "per"))
RECORD = OffboardingRecord(TENANT, "2026-03-01T12:00:00.000Z", "ola", ("ContactCenter", "Interact"))


class NoQueue(Queue):
    def __init__(self) -> None:
        pass

    def send(self, message: Mapping[str, object], *, delay: timedelta = timedelta(0)) -> None:
        pass


class Dying(MemoryTable):
    """Dies at a removal, once told so."""

    dies = False

    def remove_blindly(self, rows: Any) -> None:
        if self.dies:
            raise StorageDown("the process died")
        super().remove_blindly(rows)


class Place:
    """One tenant with a row in one further table."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.heads, self.directory, self.system = Dying(), Dying(), MemoryTable()
        keys = WidgetKeys(self.heads, MemoryTable(), SecretBox([("k", bytes(32))]), self.clock)
        self.tenants = Tenants(self.heads, keys, NoQueue(), self.clock)
        self.offboarding = Offboarding(self.tenants, [self.directory], self.system, self.clock)
        self.create()

    def create(self) -> None:
        wanted = TenantWrite.model_validate({"displayName": "Contoso", "products": ["ContactCenter", "Interact"]})
        self.tenants.put(TENANT, lambda: wanted, versions=None, by=OLA)
        self.directory.insert(Row(TENANT, "user:1", {"upn": "kim@contoso.example"}))

    def rows(self) -> list[Row]:
        return [row for table in (self.heads, self.directory, self.system) for row in table.partitions("", "~")]


@pytest.fixture
def place() -> Place:
    return Place()


def test_a_record_of_ids_and_products_is_all_that_stays(place: Place) -> None:
    place.tenants.start_offboarding(TENANT, OLA)
    place.clock.move(minutes=3)
    place.offboarding.run(TENANT, message_id="m")
    assert records(place.system) == [RECORD]
    (row,) = place.rows()
    assert "Contoso" not in str(row)
    assert "kim" not in str(row)


def test_the_record_is_there_before_anything_goes_and_once_however_often_the_message_comes(place: Place) -> None:
    place.tenants.start_offboarding(TENANT, OLA)
    place.directory.dies = True
    for _ in range(3):
        place.clock.move(minutes=3)
        with pytest.raises(StorageDown):
            place.offboarding.run(TENANT, message_id="m")
        assert records(place.system) == [RECORD]
        assert place.directory.get(TENANT, "user:1")
    place.directory.dies = False
    place.offboarding.run(TENANT, message_id="m")
    place.offboarding.run(TENANT, message_id="m")
    assert records(place.system) == [RECORD]


def test_who_asks_for_the_progress_is_not_who_offboarded(place: Place) -> None:
    place.tenants.start_offboarding(TENANT, OLA)
    place.clock.move(minutes=1)
    place.tenants.start_offboarding(TENANT, PER)
    place.offboarding.run(TENANT)
    assert records(place.system) == [RECORD]


def test_of_two_operators_at_once_one_is_recorded(place: Place) -> None:
    together(2, lambda number: place.tenants.start_offboarding(TENANT, (OLA, PER)[number]))
    place.offboarding.run(TENANT)
    (record,) = records(place.system)
    assert record.operator in ("ola", "per")


def test_a_tenant_that_comes_back_and_goes_again_has_two(place: Place) -> None:
    for operator in (OLA, PER):
        place.tenants.start_offboarding(TENANT, operator)
        place.offboarding.run(TENANT)
        place.clock.move(days=1)
        if operator is OLA:
            place.create()
    assert [record.operator for record in records(place.system)] == ["ola", "per"]


@pytest.mark.parametrize("indexed", [True, False])
def test_a_mark_of_an_earlier_release_leaves_one_record_that_is_removed_after_a_year(
    place: Place, indexed: bool
) -> None:
    place.heads.insert(Row(TENANT, "head:leaving", {"removed": 0}))
    place.heads.overwrite(Row("index", TENANT, {"leaving": to_wire(place.clock())} if indexed else {}))
    place.directory.dies = True
    for _ in range(2):
        with pytest.raises(StorageDown):
            place.offboarding.run(TENANT, message_id="m")
        place.clock.move(minutes=3)
    place.directory.dies = False
    place.offboarding.run(TENANT, message_id="m")
    assert records(place.system) == [OffboardingRecord(TENANT, RECORD.at, "", ())]
    assert len(place.rows()) == 1
    place.clock.move(seconds=KEPT.total_seconds() + 1)
    Tidy(Nothing(), place.system, place.clock).run()
    assert place.rows() == []


def test_records_are_removed_after_a_year(place: Place) -> None:
    place.tenants.start_offboarding(TENANT, OLA)
    place.offboarding.run(TENANT)
    tidy = Tidy(Nothing(), place.system, place.clock)
    place.clock.move(seconds=KEPT.total_seconds() - 1)
    tidy.run()
    assert records(place.system) == [RECORD]
    place.clock.move(seconds=2)
    tidy.run()
    assert place.rows() == []


class Nothing(MemoryTable):
    """A journal without rows."""

    def untouched_since(self, moment: object) -> Any:
        return iter(())
