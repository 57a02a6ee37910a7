"""What can go wrong between Microsoft, storage and a poll, told to the simulator."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from shared.kernel.clock import to_wire
from shared.kernel.errors import StorageDown
from shared.presence.store import PresenceStore
from shared.storage.account import StorageAccount
from shared.storage.entities import Row
from shared.storage.tables import Table
from tests.core.presence_cloud import ANA, BEN, INTERVAL, ONE, PresenceCloud, presence_cloud
from tests.core.timeline import Attempt, drawn
from tests.core.world import FakeClock, World
from tests.simulator.cloud_client import CloudClient, running

DRAWING = Path(__file__).parents[2] / "docs/presence-fallback.svg"


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudClient]:
    with running(tmp_path_factory.mktemp("simulator")) as client:
        yield client


@pytest.fixture
def tenant(started: CloudClient, world: World) -> Iterator[PresenceCloud]:
    started.control("POST", "reset")
    with presence_cloud(world, started) as found:
        yield found


# accounts


def test_account_1_needs_a_second_factor_and_account_2_reads(tenant: PresenceCloud) -> None:
    tenant.cloud.control("POST", f"accounts/{ONE}", {"mfa": True})
    assert tenant.tick()
    assert tenant.reads() == [("presence2", 200)]
    first = tenant.accounts().account1
    assert (first.code, first.reason) == ("MfaRequired", "AADSTS50076")
    assert (tenant.seen(BEN).state, tenant.seen(BEN).source) == ("InACall", "account2")


def test_both_accounts_fail_and_come_back(tenant: PresenceCloud) -> None:
    assert tenant.tick()
    tenant.fault(status=403, times=None)
    outcomes = [tenant.tick() for _ in range(4)]
    assert outcomes == [False] * 4
    assert tenant.accounts().degraded
    assert (tenant.seen(BEN).state, tenant.seen(BEN).stale) == ("Unknown", True)
    tenant.heal()
    assert tenant.tick(minutes=15)
    assert not tenant.accounts().degraded
    assert tenant.seen(BEN).state == "InACall"


def test_consent_withdrawn_counts_from_the_next_token_on_and_given_again_heals(tenant: PresenceCloud) -> None:
    assert tenant.tick()
    consents = tenant.told["consents"]
    tenant.tell(consents=[])
    assert tenant.tick(), "Microsoft's tokens keep what was granted when they were made"
    assert not tenant.tick(minutes=56)
    assert {tenant.accounts().account1.code, tenant.accounts().account2.code} == {"PermissionNotGranted"}
    tenant.tell(consents=consents)
    assert tenant.tick()
    assert tenant.accounts().account1.well


# answers


def test_429_with_a_pause_is_waited_for_as_the_same_account(tenant: PresenceCloud) -> None:
    tenant.fault(status=429, retryAfter=3)
    assert not tenant.tick()
    assert tenant.rest() == [3]
    assert tenant.reads() == [("presence1", 429), ("presence1", 200)]
    assert not tenant.accounts().account1.code


def test_429_without_a_pause_is_waited_for_as_well(tenant: PresenceCloud) -> None:
    tenant.fault(status=429)
    assert not tenant.tick()
    assert tenant.rest() == [5]
    assert tenant.reads() == [("presence1", 429), ("presence1", 200)]


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 503},
        {"status": 503, "retryAfter": 2},
        {"delayMs": 900},
        {"drop": True},
        {"body": '{"value": [{"id": "'},
        {"body": {"value": []}},
        {"body": {"value": [{"id": None, "availability": 5}]}},
        {"status": 404},
    ],
    ids=["503", "503 with a pause", "time-out", "cut off", "half a JSON", "empty", "nonsense", "404"],
)
def test_whatever_keeps_account_1_from_reading_account_2_reads(tenant: PresenceCloud, fault: dict[str, object]) -> None:
    tenant.fault(account=ONE, **fault)
    assert tenant.tick()
    assert [who for who, _ in tenant.reads()] == ["presence1", "presence2"]
    assert (tenant.seen(BEN).state, tenant.seen(BEN).source) == ("InACall", "account2")
    assert not tenant.accounts().account1.well


def test_a_user_unknown_to_graph_is_unknown_and_the_others_are_read(tenant: PresenceCloud) -> None:
    stranger = "ffffffff-0000-4000-8000-000000000009"
    tenant.world.put_user(stranger, "stranger@contoso.example")
    assert tenant.tick()
    assert (tenant.seen(stranger).state, tenant.seen(ANA).state) == ("Unknown", "Available")
    assert tenant.reads() == [("presence1", 200)]


def test_a_user_missing_from_a_good_answer_ages_alone(tenant: PresenceCloud) -> None:
    assert tenant.tick()
    tenant.tell(users=[tenant.told["users"][0]])
    tenant.cloud.control("PUT", f"presence/{tenant.world.tenant_id}", {BEN: None})
    for _ in range(4):
        assert tenant.tick()
    assert (tenant.seen(ANA).stale, tenant.seen(BEN).stale) == (False, True)


def test_a_token_that_expires_mid_poll_is_replaced_by_the_same_account(tenant: PresenceCloud) -> None:
    assert tenant.tick()
    tenant.reads()
    tenant.fault(status=401)
    assert tenant.tick()
    assert tenant.reads() == [("presence1", 401), ("presence1", 200)]
    assert tenant.accounts().account1.well


# clocks and storage


def test_instances_whose_clocks_differ_by_40_seconds_keep_presence_fresh_and_do_not_overlap(
    tenant: PresenceCloud,
) -> None:
    fast = FakeClock()
    ahead = timedelta(seconds=40)
    fast.moment = tenant.world.clock() + ahead
    other = tenant.another(clock=fast)
    polled = []
    for turn in range(12):
        tenant.world.clock.move(seconds=INTERVAL)
        fast.moment = tenant.world.clock() + ahead
        planner, worker = (fast, tenant.poller) if turn % 3 == 0 else (tenant.world.clock, other)
        polled.append(worker.poll(tenant.world.tenant_id, to_wire(planner())))
        assert not tenant.seen(ANA).stale
    assert sum(polled) >= 4
    assert len(tenant.reads()) == sum(polled)


class GoneTable(Table):
    """Storage that answers nothing until a moment of the clock."""

    def __init__(self, inner: Table, clock: FakeClock) -> None:
        self.__dict__.update(inner.__dict__)
        self.clock = clock
        self.back_at = clock()

    def get(self, partition: str, row: str) -> Row | None:
        self._answer()
        return super().get(partition, row)

    def span(self, *place: str, **more: object) -> Iterator[Row]:
        self._answer()
        return super().span(*place, **more)  # type: ignore[arg-type]

    def transact(self, operations: object) -> list[str]:
        self._answer()
        return super().transact(operations)  # type: ignore[arg-type]

    def overwrite(self, row: Row) -> str:
        self._answer()
        return super().overwrite(row)

    def _answer(self) -> None:
        if self.clock() < self.back_at:
            raise StorageDown("Azure Storage does not answer")


class GoingAccount(StorageAccount):
    """A storage account one table of which goes away for 20 seconds."""

    def __init__(self, inner: StorageAccount, table: str, clock: FakeClock) -> None:
        self.__dict__.update(inner.__dict__)
        self.gone = GoneTable(inner.table(table), clock)
        self._gone_name = table

    def table(self, name: str) -> Table:
        return self.gone if name == self._gone_name else super().table(name)


@pytest.mark.parametrize("table", ["presence", "tenants", "directory"])
def test_storage_gone_for_20_seconds_costs_one_poll_at_most_and_no_reading(
    started: CloudClient, account: StorageAccount, clock: FakeClock, table: str
) -> None:
    storage = GoingAccount(account, table, clock)
    started.control("POST", "reset")
    with presence_cloud(World(storage, clock, str(uuid.uuid4())), started) as tenant:
        assert tenant.tick()
        clock.move(seconds=INTERVAL)
        tick, storage.gone.back_at = to_wire(clock()), clock() + timedelta(seconds=20)
        with pytest.raises(StorageDown):
            tenant.poller.poll(tenant.world.tenant_id, tick)
        clock.move(seconds=20)
        assert not tenant.seen(BEN).stale
        assert tenant.poller.poll(tenant.world.tenant_id, tick), "the host gives the message again"
        assert tenant.tick(seconds=10)


def test_storage_that_goes_while_graph_is_asked_costs_one_poll_and_no_reading(tenant: PresenceCloud) -> None:
    world = tenant.world
    table = GoneTable(world.account.table("presence"), world.clock)
    tenant.poller = tenant.another(store=PresenceStore(table))
    assert tenant.tick()

    class Asking:
        def read(self, *asked: object) -> object:
            table.back_at = world.clock() + timedelta(seconds=20)
            return tenant.reader.read(*asked)  # type: ignore[arg-type]

    good, world.clock.moment = tenant.poller, world.clock() + timedelta(seconds=INTERVAL)
    tenant.poller = tenant.another(store=PresenceStore(table), reader=Asking())  # type: ignore[arg-type]
    with pytest.raises(StorageDown):
        tenant.poller.poll(world.tenant_id, to_wire(world.clock()))
    tenant.poller = good
    assert tenant.tick()
    assert not tenant.seen(BEN).stale


def test_without_the_table_of_tokens_polls_go_on(
    started: CloudClient, account: StorageAccount, clock: FakeClock
) -> None:
    storage = GoingAccount(account, "signins", clock)
    started.control("POST", "reset")
    with presence_cloud(World(storage, clock, str(uuid.uuid4())), started) as tenant:
        storage.gone.back_at = clock() + timedelta(minutes=1)
        assert tenant.tick()
        assert tenant.seen(BEN).state == "InACall"


def test_a_poller_killed_between_reading_and_writing_costs_one_interval(tenant: PresenceCloud) -> None:
    assert tenant.tick()
    tenant.say(BEN, "Available", "Available")

    class Killed(PresenceStore):
        def save(self, *what: object) -> None:
            raise KeyboardInterrupt

    dying = tenant.another(store=Killed(tenant.world.account.table("presence")))
    tenant.world.clock.move(seconds=INTERVAL)
    with pytest.raises(KeyboardInterrupt):
        dying.poll(tenant.world.tenant_id, to_wire(tenant.world.clock()))
    assert (tenant.seen(BEN).state, tenant.seen(BEN).stale) == ("InACall", False)
    assert tenant.tick()
    assert tenant.seen(BEN).state == "Available"


# the picture


def test_fallback_and_return_look_as_the_documents_show(tenant: PresenceCloud, tmp_path: Path) -> None:
    began = tenant.world.clock()
    broken, healed = 60, 300  # seconds from the first poll to the fault at account 1, and to its end
    attempts = []
    for at in range(0, 630, INTERVAL):
        if at == broken:
            tenant.fault(account=ONE, status=403, times=None)
        if at == healed:
            tenant.heal()
        tenant.tick(seconds=INTERVAL if at else 0)
        assert (tenant.world.clock() - began).total_seconds() == at
        attempts += [Attempt(at, who, status == 200) for who, status in tenant.reads()]
    picture = drawn(attempts, broken=broken, healed=healed)
    made = tmp_path / DRAWING.name
    made.write_text(picture)
    assert DRAWING.read_text() == picture, f"look at {made} and copy it to {DRAWING}"
    refused = [one.at for one in attempts if not one.good]
    assert refused == [60, 90, 150, 270], "account 1 is tried again after 30, 60, 120 s"
    assert [one.at for one in attempts if one.who == "presence1" and one.good][2] == 510, "and reads when due again"
