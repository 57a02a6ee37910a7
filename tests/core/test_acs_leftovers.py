"""Users that a check could not delete: kept in a table, swept by a timer on any number of instances."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import timedelta
from threading import Event

import pytest

from shared.interact.acs.leftover_users import FIELD, GRACE, MOST, PARTITION
from shared.interact.acs.users import KEPT
from shared.kernel.acs_connection_string import ConnectionString
from shared.kernel.clock import from_wire
from shared.kernel.errors import Denied, StorageDown
from shared.storage.account import StorageAccount
from shared.storage.entities import Row
from shared.storage.secrets import SecretBox
from tests.core.acs_world import BOX, GOOD, HOST, KEY, SHORT, SUFFIXES, AcsWorld
from tests.core.faults import SentTwice
from tests.core.race import codes, together
from tests.core.world import FakeClock


@pytest.fixture
def acs(account: StorageAccount, clock: FakeClock) -> Iterator[AcsWorld]:
    world = AcsWorld(account, clock)
    yield world
    world.clear()


def test_what_could_not_be_deleted_is_swept(acs: AcsWorld) -> None:
    acs.left_behind()
    assert len(acs.identities.users) == 1
    assert acs.checks().sweep() == 1
    assert acs.identities.users == set()
    assert acs.rows() == []
    assert acs.checks().sweep() == 0


def test_a_sweep_keeps_away_from_a_check_at_work(acs: AcsWorld) -> None:
    acs.left_behind()
    acs.clock.move(seconds=-GRACE.total_seconds() + 100)
    assert acs.checks().sweep() == 0
    assert len(acs.rows()) == 1


def test_a_row_holds_its_string_sealed_for_its_tenant(acs: AcsWorld) -> None:
    acs.left_behind()
    [row] = acs.rows()
    assert KEY not in str(row)
    assert BOX.open(row.text("sealed"), tenant=acs.tenant, field=FIELD) == GOOD


def test_a_note_whose_answer_gets_lost_goes_with_its_user(acs: AcsWorld) -> None:
    acs.checks(table=SentTwice(acs.table)).check(acs.tenant, "interact", GOOD, SUFFIXES)
    assert acs.identities.users == set()
    assert acs.rows() == []


def test_a_check_goes_on_though_its_note_gets_no_answer_and_cannot_be_read(acs: AcsWorld) -> None:
    class Silent(SentTwice):
        def get(self, partition: str, row: str) -> Row | None:
            raise StorageDown("nobody there")

    result = acs.checks(table=Silent(acs.table)).check(acs.tenant, "interact", GOOD, SUFFIXES)
    assert result.outcome == "TokenIssued"
    assert acs.identities.users == set()


def test_sweeps_of_several_instances_do_not_disturb_each_other(acs: AcsWorld) -> None:
    for _ in range(5):
        acs.left_behind()
    swept = together(4, lambda _: acs.checks().sweep())
    assert codes(swept) == []
    assert acs.identities.users == set()
    assert acs.rows() == []


def test_sweeps_that_fail_side_by_side_count_as_one(acs: AcsWorld) -> None:
    acs.left_behind()
    acs.identities.fails["delete"] = Denied("no", reason="Denied")
    assert together(4, lambda _: acs.checks().sweep()) == [0] * 4
    [row] = acs.rows()
    assert row.number("tries") == 1
    assert from_wire(row.text("due")) == acs.clock() + timedelta(minutes=2)


def test_a_sweep_comes_back_less_and_less_often_and_gives_up_after_a_week(
    acs: AcsWorld, caplog: pytest.LogCaptureFixture
) -> None:
    acs.left_behind()
    acs.identities.fails["delete"] = Denied("no", reason="Denied")
    first, asked, moments = acs.clock(), len(acs.identities.timeouts), []
    while rows := acs.rows():
        acs.clock.moment = from_wire(rows[0].text("due"))
        moments.append(acs.clock() - first)
        assert acs.checks().sweep() == 0
    assert [moment.total_seconds() // 60 for moment in moments[:5]] == [0, 2, 6, 14, 30]
    assert KEPT - GRACE <= moments[-1] < KEPT + timedelta(hours=6)
    assert len(acs.identities.timeouts) - asked == len(moments) - 1
    assert 30 < len(moments) < 40
    assert caplog.text.count("cannot be deleted yet") == 2  # the check, the first sweep
    assert caplog.text.count("is given up") == 1


def test_a_user_whose_key_was_regenerated_goes_with_the_string_stored_since(acs: AcsWorld) -> None:
    acs.left_behind()
    acs.identities.key = base64.b64encode(bytes(64)).decode()
    acs.stored = [ConnectionString("fabrikam.communication.azure.com", acs.identities.key)]  # another resource's
    assert acs.checks().sweep() == 0
    acs.clock.move(minutes=2)
    acs.stored.append(ConnectionString(HOST, acs.identities.key))
    assert acs.checks().sweep() == 1
    assert (acs.identities.users, acs.rows()) == (set(), [])


@pytest.mark.parametrize("damage", ["gone", "another tenant", "junk"])
def test_a_row_that_does_not_open_any_more_is_dropped(
    acs: AcsWorld, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    acs.left_behind(box=SecretBox([("gone", bytes(32))]) if damage == "gone" else BOX)
    [row] = acs.rows()
    changes = {"another tenant": {"tenant": "somebody"}, "junk": {"sealed": "junk"}}.get(damage, {})
    acs.table.replace(Row(row.partition, row.row, {**row.values, **changes}), etag=row.etag)
    asked = len(acs.identities.timeouts)
    assert acs.checks().sweep() == 0
    assert acs.rows() == []
    assert len(acs.identities.timeouts) == asked
    assert "out of reach" in caplog.text


def test_one_user_that_stays_does_not_keep_the_others(acs: AcsWorld) -> None:
    for _ in range(3):
        acs.left_behind()
    oldest = acs.rows()[0]
    acs.table.replace(Row(oldest.partition, oldest.row, {**oldest.values, "sealed": "junk"}), etag=oldest.etag)
    assert acs.checks().sweep() == 2
    assert acs.rows() == []


def test_a_sweep_does_not_wait_for_a_resource_that_falls_silent(acs: AcsWorld) -> None:
    acs.left_behind()
    release = acs.identities.hangs["delete"] = Event()
    try:
        assert acs.checks(total=SHORT).sweep() == 0
        assert acs.rows()[0].number("tries") == 1
    finally:
        release.set()
    acs.identities.wait_until_deleted()


def test_one_sweep_has_an_end(acs: AcsWorld) -> None:
    acs.left_behind()
    [row] = acs.rows()
    for number in range(MOST):
        acs.table.insert(Row(PARTITION, f"{row.row}-{number}", row.values))
    assert acs.checks().sweep() == MOST
    assert acs.checks().sweep() == 1
