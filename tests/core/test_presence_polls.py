"""What a poll may cost and must survive: slow answers, wrong clocks, users who leave, storage that goes away."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from threading import Barrier, Event

import pytest

from shared.kernel.clock import to_wire
from shared.kernel.errors import NotFound, StorageDown, Throttled, Unreachable
from shared.presence.account_health import Note
from shared.presence.account_notes import AccountNotes
from shared.presence.blocks import IDS_PER_BLOCK
from shared.presence.polling.fallback_reader import CALLS_AT_ONCE
from shared.presence.polling.poller import LEASE, PATIENCE
from shared.presence.store import BLOCKS_PER_PART, PresenceStore
from shared.storage.account import StorageAccount
from shared.storage.entities import Operation
from shared.storage.tables import Table
from tests.core.faults import FragileTable, wire
from tests.core.poll_world import (
    ANA,
    BEN,
    INTERVAL,
    NO_MFA,
    Crowd,
    accounts,
    crowded,
    poller,
    readers,
    rest,
    say,
    seen,
    tick,
    user,
)
from tests.core.world import FakeClock, World

pytestmark = pytest.mark.usefixtures("tracked")


# accounts


def test_a_departed_user_alone_in_a_part_blames_no_account(world: World) -> None:
    last = BLOCKS_PER_PART * IDS_PER_BLOCK
    crowded(world, last + 1)
    assert tick(world)
    second = world.polls.take()[0][0]
    assert world.poller.poll(world.tenant_id, second["tick"], 1)
    del world.reader.says[user(last)]
    for number in (1, 0):
        world.clock.move(seconds=INTERVAL - 1)
        assert world.poller.poll(world.tenant_id, to_wire(world.clock()), number)
    assert accounts(world).account1.well
    assert accounts(world).account1.since is not None

    def next_tick_comes() -> None:
        world.reader.meanwhile = lambda: None
        world.clock.move(seconds=1)
        assert not world.poller.poll(world.tenant_id, to_wire(world.clock()), 1)

    world.reader.meanwhile = next_tick_comes
    world.clock.move(seconds=1)
    readers(world)
    assert world.poller.poll(world.tenant_id, to_wire(world.clock()), 1)
    assert len(readers(world)) == 1, "one poll at a time, in every part"


def test_an_account_that_sees_nobody_of_all_blocks_is_blamed_and_the_other_one_reads(world: World) -> None:
    crowded(world, IDS_PER_BLOCK + 1)

    def first_sees_nobody() -> None:
        world.reader.says = {} if world.reader.asked[-1][0] == "account1" else known

    known, world.reader.meanwhile = world.reader.says, first_sees_nobody
    assert tick(world)
    assert (accounts(world).account1.reason, accounts(world).account2.well) == ("NothingReturned", True)
    assert {seen(world, user(number)).source for number in (0, IDS_PER_BLOCK)} == {"account2"}


def test_a_broken_account_costs_one_call_and_one_that_breaks_on_the_way_no_more_than_run_at_once(world: World) -> None:
    blocks = 8
    crowded(world, blocks * IDS_PER_BLOCK)

    def refuse_after_the_first() -> None:
        if len(world.reader.asked) == 2:
            world.reader.fails["account1"] = NO_MFA

    world.reader.meanwhile = refuse_after_the_first
    assert tick(world)
    asked = readers(world)
    assert asked.count("account1") <= 1 + CALLS_AT_ONCE
    assert asked.count("account2") == blocks - 1
    another_came = Event()

    def first_waits_for_another() -> None:
        if len(world.reader.asked) > 1:
            another_came.set()
        another_came.wait(0.1)

    world.reader.meanwhile = first_waits_for_another
    assert tick(world)
    assert readers(world) == ["account1"] + ["account2"] * blocks


def test_blocks_are_read_four_at_a_time_once_the_first_call_went_well(world: World) -> None:
    crowded(world, 5 * IDS_PER_BLOCK)
    together = Barrier(4)

    def others_wait_for_each_other() -> None:
        if len(world.reader.asked) > 1:
            together.wait(5)

    world.reader.meanwhile = others_wait_for_each_other
    assert tick(world)
    assert len(readers(world)) == 5


def test_notes_of_two_polls_at_the_same_time_both_count(world: World) -> None:
    fragile = FragileTable(world.account.table("presence"))
    fragile.meanwhile = lambda: AccountNotes(world.presence, world.clock).note(
        world.tenant_id, [Note("account2", "MfaRequired")]
    )
    AccountNotes(PresenceStore(fragile), world.clock).note(world.tenant_id, [Note("account1", "WrongPassword")])
    assert (accounts(world).account1.code, accounts(world).account2.code) == ("WrongPassword", "MfaRequired")


# time


def slow(world: World, seconds: float) -> None:
    world.reader.meanwhile = lambda: world.clock.move(seconds=seconds)


def test_a_slow_graph_is_read_in_turns_and_each_ends_well_within_its_lease(world: World) -> None:
    blocks, call = 14, 1.9
    crowded(world, blocks * IDS_PER_BLOCK)
    slow(world, call)
    began = world.clock() + timedelta(seconds=INTERVAL)
    assert tick(world)
    first = len(readers(world))
    assert PATIENCE / call <= first <= PATIENCE / call + CALLS_AT_ONCE
    assert PATIENCE + CALLS_AT_ONCE * call < (LEASE - timedelta(seconds=5)).total_seconds()
    assert world.clock() - began < LEASE
    ((message, pause),) = world.polls.sent
    assert (message["rest"], pause) == (True, 0)
    slow(world, 0)
    assert rest(world) == [True]
    assert len(readers(world)) == blocks - first, "only what was left"
    assert not any(seen(world, user(number * IDS_PER_BLOCK)).stale for number in range(blocks))


def test_of_a_graph_that_stays_slow_the_oldest_blocks_are_read_first(world: World) -> None:
    blocks, began = 12, world.clock()
    crowded(world, blocks * IDS_PER_BLOCK)
    slow(world, 1.9)
    for number in range(4):  # and no turn comes between the ticks
        world.clock.moment = began + timedelta(seconds=number * INTERVAL)
        assert world.poller.poll(world.tenant_id, to_wire(world.clock()))
    assert not any(seen(world, user(number * IDS_PER_BLOCK)).stale for number in range(blocks))


def test_after_a_first_account_that_took_all_the_time_the_second_reads_in_a_turn_of_its_own(world: World) -> None:
    slow(world, PATIENCE)
    world.reader.fails["account1"] = Unreachable("no answer in time")
    assert not tick(world)
    assert readers(world) == ["account1"]
    slow(world, 0)
    assert rest(world) == [True]
    assert readers(world) == ["account2"]


def test_a_reading_is_as_old_as_the_question(world: World) -> None:
    slow(world, 3)
    asked = to_wire(world.clock() + timedelta(seconds=INTERVAL))
    assert tick(world)
    assert seen(world, ANA).read_at == asked
    assert world.presence.states(world.tenant_id)[0].figures.milliseconds == 3000


@pytest.mark.parametrize(
    ("age", "polled"),
    [
        (timedelta(seconds=INTERVAL) + LEASE, True),
        (timedelta(seconds=INTERVAL, milliseconds=1) + LEASE, False),
        (timedelta(minutes=-1), True),
        (timedelta(minutes=-1, milliseconds=-1), False),
    ],
    ids=["as old as may be", "too old", "a clock as fast as may be", "from the future"],
)
def test_a_tick_is_read_for_only_near_its_time(world: World, age: timedelta, polled: bool) -> None:
    assert world.poller.poll(world.tenant_id, to_wire(world.clock() - age)) is polled


def test_an_instance_whose_clock_ran_ahead_stops_no_poll_and_makes_nothing_fresh(world: World) -> None:
    fast = FakeClock()
    fast.move(minutes=10)
    assert poller(world, clock=fast).poll(world.tenant_id, to_wire(fast()))
    assert (seen(world, ANA).stale, seen(world, BEN).stale) == (True, True)
    assert world.health().stale
    say(world, ANA, "Busy", "InACall")
    assert tick(world)
    assert (seen(world, ANA).state, world.health().stale) == ("InACall", False)

    def die() -> None:
        raise KeyboardInterrupt

    world.reader.meanwhile = die
    fast.move(minutes=1)
    with pytest.raises(KeyboardInterrupt):
        poller(world, clock=fast).poll(world.tenant_id, to_wire(fast()))
    world.reader.meanwhile = lambda: None
    assert tick(world), "a lease longer than any holds nobody"


def test_with_an_interval_of_ten_seconds_a_killed_poller_costs_its_own_poll_too(world: World) -> None:
    quick = poller(world, seconds=10)

    def polled() -> bool:
        world.clock.move(seconds=10)
        return quick.poll(world.tenant_id, to_wire(world.clock()))

    def die() -> None:
        raise KeyboardInterrupt

    assert polled()
    world.reader.meanwhile = die
    with pytest.raises(KeyboardInterrupt):
        polled()
    world.reader.meanwhile = lambda: None
    assert polled()


# storage


def test_a_poll_that_storage_failed_at_its_last_write_is_done_when_the_host_gives_it_again(world: World) -> None:
    fragile = FragileTable(world.account.table("presence"))
    world.poller = poller(world, PresenceStore(fragile))
    assert tick(world)

    def fail_later() -> None:
        fragile.fails = "before"

    world.reader.meanwhile = fail_later
    with pytest.raises(StorageDown):
        tick(world)
    world.reader.meanwhile = lambda: None
    now = to_wire(world.clock())
    world.clock.move(seconds=10)
    assert world.poller.poll(world.tenant_id, now)
    assert not world.poller.poll(world.tenant_id, now)


class HalfwayTable(Table):
    """Dies once, after the first of many writes that are no transaction."""

    def __init__(self, inner: Table) -> None:
        self.__dict__.update(inner.__dict__)
        self.dies = True

    def transact_all(self, operations: Sequence[Operation]) -> None:
        if self.dies:
            self.dies = False
            self.transact(operations[:1])
            raise StorageDown("the process died between two writes")
        super().transact_all(operations)


def test_blocks_that_were_cut_only_halfway_are_cut_again(world: World) -> None:
    crowded(world, IDS_PER_BLOCK + 1, PresenceStore(HalfwayTable(world.account.table("presence"))))
    with pytest.raises(StorageDown):
        tick(world)
    assert tick(world)
    assert not any(seen(world, user(number)).stale for number in (0, IDS_PER_BLOCK))


def test_a_user_who_comes_while_the_list_is_read_is_found_by_the_next_poll(world: World) -> None:
    class Growing(Crowd):
        def user_ids(self, tenant_id: str) -> list[str]:
            ids, self.crowd = super().user_ids(tenant_id), 3
            return ids

    crowded(world, 3)
    world.directory = Growing(2)  # type: ignore[assignment]
    world.poller = poller(world)
    assert tick(world)
    assert tick(world)
    assert not seen(world, user(2)).stale


def test_a_steady_poll_keeps_to_its_budget_of_table_operations(connection: str, world: World) -> None:
    """Counted as HTTP requests: at most two per block, six per tenant, and one per 100 changed users."""
    users, changed = IDS_PER_BLOCK + 1, 14
    with wire(connection) as (tap, through):
        counted = World(StorageAccount(through, None, ""), world.clock, world.tenant_id[:-4] + "0000")
        counted.set(presenceTracking={"trackOverGuestAccounts": True})
        crowded(counted, users)
        assert tick(counted)
        for number in range(0, users, 50):
            say(counted, user(number), "Busy", "InACall")
        tap.requests = 1  # the directory's generation, which a crowd does not keep in a table
        assert tick(counted)
        operations = tap.requests
    assert world.presence.states(counted.tenant_id)[0].figures.changes == changed
    assert operations == 5
    assert operations <= 2 * 2 + 6 + -(-changed // 100)


# what callers ask


def test_a_tenant_without_users_is_up_to_date(world: World) -> None:
    for person in (ANA, BEN):
        world.directory.delete_user(world.tenant_id, person, versions=None, by=world.by)
    assert not tick(world)
    assert (world.health().stale, world.health().age_seconds) == (False, 0)
    world.clock.move(seconds=3 * INTERVAL + 1)
    assert world.health().stale


@pytest.mark.parametrize("odd", ["x" * 9000, "\x00", "' or RowKey ge '", "é\n", "@p", "%27", user(1)[:-1]])
def test_whatever_is_no_id_is_nobody(world: World, odd: str) -> None:
    with pytest.raises(NotFound):
        seen(world, odd)


def test_the_figures_are_as_old_as_the_block_that_is_read_last(world: World) -> None:
    crowded(world, 2 * IDS_PER_BLOCK)

    def only_one_call_a_poll() -> None:
        world.reader.fails = {} if len(world.reader.asked) == 1 else {"account1": slow_down}

    slow_down, world.reader.meanwhile = Throttled("slow down", retry_after=5), only_one_call_a_poll
    assert tick(world)
    assert (world.health().age_seconds, world.health().stale) == (None, True), "half of the users were never read"
    readers(world)
    assert rest(world) == [True]
    assert (world.health().age_seconds, world.health().stale) == (5, False), "of the block that was read first"
    for _ in range(2):
        readers(world)
        assert tick(world)
        assert world.health().age_seconds == 30, "the block that was read now does not hide the other"


def test_a_poll_that_waits_is_throttled_in_the_figures_and_not_degraded(world: World) -> None:
    world.reader.fails["account1"] = Throttled("slow down", retry_after=5)
    tick(world)
    assert (world.health().throttled, world.health().degraded, world.health().problem) == (1, False, None)
