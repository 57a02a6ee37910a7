"""Polling presence: two accounts, one poll of a tenant at a time, and readings that tell their age."""

from __future__ import annotations

import base64
import json
import logging
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from azure.storage.queue import QueueClient

from shared.kernel.clock import to_wire
from shared.kernel.errors import AppError, Broken, NotPermitted, StorageDown, Throttled, Unreachable
from shared.presence.account_notes import AccountNotes
from shared.presence.blocks import IDS_PER_BLOCK
from shared.presence.polling.poller import LEASE, Poller, moment
from shared.presence.store import BLOCKS_PER_PART, PresenceStore
from shared.presence.views import Presence
from shared.storage.account import StorageAccount
from shared.storage.entities import Delete, Insert, Merge, Operation, Replace
from shared.storage.tables import Table
from tests.core.faults import FragileTable
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
    refused_by_entra,
    rest,
    say,
    seen,
    tick,
    user,
)
from tests.core.race import together
from tests.core.world import FakeClock, Row, World

pytestmark = pytest.mark.usefixtures("tracked")


# who reads


def test_account_1_reads(world: World) -> None:
    assert tick(world)
    assert readers(world) == ["account1"]
    assert (seen(world, BEN).state, seen(world, BEN).source) == ("InACall", "account1")


def test_with_tracking_off_the_application_reads_the_simplified_state(world: World) -> None:
    world.set(presenceTracking={"trackOverGuestAccounts": False})
    assert tick(world)
    assert readers(world) == ["application"]
    ben = seen(world, BEN)
    assert (ben.state, ben.activity, ben.source) == ("Busy", "InACall", "application")


@pytest.mark.parametrize("error", [NO_MFA, Unreachable("no answer"), Broken("nonsense")])
def test_when_account_1_fails_for_any_reason_account_2_reads(world: World, error: AppError) -> None:
    world.reader.fails["account1"] = error
    assert tick(world)
    assert readers(world) == ["account1", "account2"]
    assert (seen(world, BEN).state, seen(world, BEN).source) == ("InACall", "account2")


def test_an_account_that_sees_nobody_counts_as_failed(world: World) -> None:
    world.reader.says.clear()
    assert not tick(world)
    assert readers(world) == ["account1", "account2"]
    found = accounts(world)
    assert (found.account1.code, found.account2.code) == ("GuestAccessRestricted", "GuestAccessRestricted")


def test_account_1_is_left_alone_for_its_pause_and_then_tried_again(world: World) -> None:
    world.reader.fails["account1"] = NO_MFA
    asked = []
    for _ in range(8):
        tick(world)
        asked.append(readers(world))
    both, second = ["account1", "account2"], ["account2"]
    # Tried after 30 s, 60 s, 120 s, ... with a tick each 30 s.
    assert asked == [both, both, second, both, second, second, second, both]


def test_account_1_reads_again_once_it_works(world: World) -> None:
    world.reader.fails["account1"] = NO_MFA
    tick(world)
    world.reader.fails.clear()
    readers(world)
    tick(world)
    tick(world)
    assert readers(world) == ["account1", "account1"]
    assert accounts(world).account1.well


def test_when_both_fail_the_tenant_is_degraded_and_the_last_good_reading_ages(world: World) -> None:
    tick(world)
    good = seen(world, BEN)
    world.reader.fails |= {"account1": NO_MFA, "account2": Unreachable("no answer")}
    for _ in range(3):
        assert not tick(world)
        assert seen(world, BEN) == good
    assert accounts(world).degraded
    assert world.presence.states(world.tenant_id)[0].figures.polled_at == good.read_at
    assert not tick(world)
    assert (seen(world, BEN).state, seen(world, BEN).stale, seen(world, BEN).read_at) == ("Unknown", True, good.read_at)


def test_after_an_outage_of_graph_presence_is_back_with_the_next_poll(world: World) -> None:
    world.reader.fails |= {"account1": Unreachable("503"), "account2": Unreachable("503")}
    for _ in range(6):
        assert not tick(world)
    world.reader.fails.clear()
    assert tick(world)


def test_an_application_without_its_role_is_tried_ever_more_rarely_and_the_figures_say_why(world: World) -> None:
    world.set(presenceTracking={"trackOverGuestAccounts": False})
    world.reader.fails["application"] = NotPermitted("no", reason="Forbidden")
    for _ in range(8):
        assert not tick(world)
    # Tried at once, then after 30 s, 60 s, 120 s, with a tick each 30 s.
    assert len(readers(world)) == 4
    health = world.health()
    assert (health.degraded, health.problem, health.stale) == (True, "PermissionNotGranted", True)
    world.reader.fails.clear()
    AccountNotes(world.presence, world.clock).rest(world.tenant_id)  # an admin came back from the consent page
    assert tick(world)


# throttling


def test_throttling_is_not_a_failure_of_the_account_which_reads_later_as_told(world: World) -> None:
    world.reader.fails["account1"] = Throttled("slow down", retry_after=6.2)
    assert not tick(world)
    told = {"tenantId": world.tenant_id, "tick": to_wire(world.clock()), "part": 0, "rest": True}
    assert world.polls.sent == [(told, 7)], "in whole seconds, and none too early"
    world.reader.fails.clear()
    assert rest(world) == [True]
    assert readers(world) == ["account1", "account1"]
    assert accounts(world).account1.well
    (state,) = world.presence.states(world.tenant_id)
    assert (state.figures.graph_calls, state.figures.throttles, state.figures.users) == (2, 1, 2)


def test_who_waits_for_graph_holds_no_lease_and_a_newer_tick_takes_over(world: World) -> None:
    world.reader.fails["account1"] = Throttled("slow down", retry_after=7)
    assert not tick(world)
    world.reader.fails.clear()
    assert tick(world, seconds=1)
    assert rest(world) == [False]
    assert len(readers(world)) == 2


def test_the_rest_of_a_poll_is_read_once_however_often_it_is_asked_for(world: World) -> None:
    world.reader.fails["account1"] = Throttled("slow down", retry_after=1)
    assert not tick(world)
    world.reader.fails.clear()
    world.polls.sent *= 2
    assert rest(world) == [True, False]


def test_a_pause_that_ends_in_the_next_ticks_way_is_left_to_the_next_tick(world: World) -> None:
    world.reader.fails["account1"] = Throttled("slow down", retry_after=60)
    assert not tick(world)
    assert (readers(world), world.polls.sent) == (["account1"], [])
    assert accounts(world).account1.well
    world.reader.fails.clear()
    assert tick(world)
    assert readers(world) == ["account1"]


def test_a_graph_that_asks_to_wait_again_and_again_is_asked_a_few_times_per_tick(world: World) -> None:
    world.reader.fails["account1"] = Throttled("slow down", retry_after=5)
    interval, began = timedelta(seconds=INTERVAL), world.clock()
    for at in (began, began + interval):
        world.clock.moment = at + moment(world.tenant_id, interval)
        assert not world.poller.poll(world.tenant_id, to_wire(at))
        while world.polls.sent:
            assert rest(world) == [False]
        assert len(readers(world)) == 4, "after 0, 5, 10 and 15 s; later would be in the next tick's way"


def test_eight_tenants_told_to_wait_do_not_keep_the_ninth_from_its_poll(world: World) -> None:
    """As many messages at once as the host gives to an instance; the ninth comes when one of the eight is done."""
    waiting = [World(world.account, world.clock, str(uuid.uuid4())) for _ in range(8)]
    for one in waiting:
        crowded(one, 1)
        one.reader.fails["application"] = Throttled("slow down", retry_after=9)
    began, now = time.monotonic(), to_wire(world.clock())
    with ThreadPoolExecutor(8) as places:
        outcomes = list(places.map(lambda one: one.poller.poll(one.tenant_id, now), [*waiting, world]))
    assert outcomes == [False] * 8 + [True]
    assert time.monotonic() - began < 9, "nobody slept in a place of the host's"
    assert [pause for one in waiting for _, pause in one.polls.sent] == [9] * 8


# one poll at a time


def test_the_same_tick_delivered_twice_is_one_poll(world: World) -> None:
    now = to_wire(world.clock())
    assert world.poller.poll(world.tenant_id, now)
    assert not world.poller.poll(world.tenant_id, now)
    assert len(readers(world)) == 1


def test_an_old_tick_that_comes_late_is_dropped(world: World) -> None:
    old = to_wire(world.clock())
    assert tick(world)
    assert not world.poller.poll(world.tenant_id, old)
    assert len(readers(world)) == 1


def test_of_8_pollers_with_the_same_tick_one_reads(world: World) -> None:
    now = to_wire(world.clock())
    outcomes = together(8, lambda number: world.poller.poll(world.tenant_id, now))
    assert sorted(map(bool, outcomes)) == [False] * 7 + [True]
    assert len(readers(world)) == 1


def test_a_poll_does_not_start_while_another_one_runs(world: World) -> None:
    def next_tick_comes() -> None:
        world.reader.meanwhile = lambda: None
        world.clock.move(seconds=1)
        assert not world.poller.poll(world.tenant_id, to_wire(world.clock()))

    world.reader.meanwhile = next_tick_comes
    assert tick(world)
    assert len(readers(world)) == 1


def test_a_poll_that_outlives_its_lease_gives_way_to_the_one_that_took_over(world: World) -> None:
    def much_later() -> None:
        world.reader.meanwhile = lambda: None
        say(world, ANA, "Away")
        assert tick(world, seconds=LEASE.total_seconds() + 1)
        say(world, ANA, "Available")

    world.reader.meanwhile = much_later
    assert not tick(world)
    assert seen(world, ANA).state == "Away"


def test_a_killed_poller_delays_the_next_poll_by_at_most_one_interval(world: World) -> None:
    def die() -> None:
        raise KeyboardInterrupt

    assert tick(world)
    world.reader.meanwhile = die
    with pytest.raises(KeyboardInterrupt):
        tick(world)
    world.reader.meanwhile = lambda: None
    # The tick of the killed poll comes again at once, and is not polled twice.
    assert not world.poller.poll(world.tenant_id, to_wire(world.clock()))
    lease = LEASE.total_seconds()
    assert lease <= INTERVAL - 5, "a message of the next tick may come some seconds early"
    assert [tick(world, seconds=lease - 1), tick(world, seconds=1)] == [False, True]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_poller_that_dies_at_its_last_write_delays_the_next_by_at_most_one_interval(world: World, when: str) -> None:
    fragile = FragileTable(world.account.table("presence"))
    world.poller = poller(world, PresenceStore(fragile))
    assert tick(world)

    def die_later() -> None:
        fragile.fails = when

    world.reader.meanwhile = die_later
    with pytest.raises(StorageDown):
        tick(world)
    world.reader.meanwhile = lambda: None
    outcomes = [tick(world), tick(world)]
    assert outcomes[-1]
    assert not seen(world, ANA).stale


# what is written


def block_writes(fragile: FragileTable, *, cutting: bool = False) -> list[tuple[type[Operation], str]]:
    """What the last poll did to rows of blocks: at its end, or when it cut them anew."""
    batches = [batch for batch in fragile.transactions if len(batch) > 1]
    batch = [batch for batch in batches if (batch[0].row.row == "part:000:state") != cutting][-1]
    return [(type(operation), operation.row.row) for operation in batch if "block" in operation.row.row]


def test_only_blocks_that_changed_are_written_anew(world: World) -> None:
    world.directory, world.reader.says = Crowd(IDS_PER_BLOCK + 1), {}  # type: ignore[assignment]
    for number in range(IDS_PER_BLOCK + 1):
        say(world, user(number), "Available")
    fragile = FragileTable(world.account.table("presence"))
    world.poller = poller(world, PresenceStore(fragile))
    first, second = "part:000:block:00", "part:000:block:01"
    assert tick(world)
    assert block_writes(fragile, cutting=True) == [(Insert, first), (Insert, second)]
    assert block_writes(fragile) == [(Replace, first), (Replace, second)]
    say(world, user(3), "Away")
    assert tick(world)
    assert block_writes(fragile) == [(Replace, first), (Merge, second)]
    assert seen(world, user(IDS_PER_BLOCK)).read_at == to_wire(world.clock()), "an untouched user stays fresh"
    world.directory.crowd = 2  # type: ignore[attr-defined]
    assert tick(world)
    assert block_writes(fragile, cutting=True) == [(Replace, first), (Delete, second)]


def test_1400_users_are_read_in_three_calls(world: World) -> None:
    crowded(world, 1400)
    assert tick(world)
    assert sorted(world.reader.asked) == [("account1", 100), ("account1", 650), ("account1", 650)]
    for number in (0, 649, 650, 1299, 1300, 1399):
        assert seen(world, user(number)).state == "Away"


def test_a_large_tenant_is_polled_in_parts_each_with_a_lease_of_its_own(world: World) -> None:
    crowd = BLOCKS_PER_PART * IDS_PER_BLOCK + 1
    crowded(world, crowd)
    assert tick(world)
    assert [message["part"] for message, _ in world.polls.take()] == [1]
    assert seen(world, user(crowd - 1)).stale, "the first part has read its own users only"
    now = to_wire(world.clock())
    assert world.poller.poll(world.tenant_id, now, 1)
    assert not world.poller.poll(world.tenant_id, now, 1)
    assert (seen(world, user(crowd - 1)).state, seen(world, user(0)).state) == ("Away", "Away")
    assert [size for _, size in world.reader.asked].count(1) == 1
    first, second = world.presence.states(world.tenant_id)
    assert (first.figures.users, second.figures.users) == (crowd - 1, 1)


def test_a_part_that_is_no_more_is_not_polled(world: World) -> None:
    assert tick(world)
    assert not world.poller.poll(world.tenant_id, to_wire(world.clock()), 1)
    assert world.account.table("presence").get(world.tenant_id, "part:001:state") is None


def test_blocks_that_could_be_read_are_kept_when_others_could_not(world: World) -> None:
    crowd = 3 * IDS_PER_BLOCK
    world.directory = Crowd(crowd)  # type: ignore[assignment]
    world.reader.says = {user(number): Row(user(number), "Away", "Away") for number in range(crowd)}

    def slow_down_at_the_last() -> None:
        if len(world.reader.asked) == 3:
            world.reader.fails["account1"] = Throttled("slow down", retry_after=60)

    world.reader.meanwhile = slow_down_at_the_last
    world.poller = poller(world)
    assert tick(world)
    stale = [seen(world, user(number)).stale for number in (0, IDS_PER_BLOCK, 2 * IDS_PER_BLOCK)]
    assert sorted(stale) == [False, False, True]
    assert accounts(world).account1.well
    assert world.presence.states(world.tenant_id)[0].figures.throttles == 1


def test_a_refusal_in_the_middle_lets_account_2_read_the_rest_in_the_same_poll(world: World) -> None:
    crowd = 3 * IDS_PER_BLOCK
    world.directory = Crowd(crowd)  # type: ignore[assignment]
    world.reader.says = {user(number): Row(user(number), "Away", "Away") for number in range(crowd)}

    def refuse_after_the_first() -> None:
        if len(world.reader.asked) == 2:
            world.reader.fails["account1"] = NO_MFA

    world.reader.meanwhile = refuse_after_the_first
    world.poller = poller(world)
    assert tick(world)
    assert not any(seen(world, user(number)).stale for number in (0, IDS_PER_BLOCK, crowd - 1))
    assert {seen(world, user(number)).source for number in (0, IDS_PER_BLOCK, crowd - 1)} == {"account1", "account2"}
    assert accounts(world).account1.code == "MfaRequired"


def test_a_kept_reading_keeps_its_source_when_another_reads_the_block(world: World) -> None:
    world.set(presenceTracking={"trackOverGuestAccounts": False})
    assert tick(world)
    assert (seen(world, BEN).state, seen(world, BEN).source) == ("Busy", "application")
    world.set(presenceTracking={"trackOverGuestAccounts": True})
    del world.reader.says[BEN]
    assert tick(world)
    assert (seen(world, ANA).source, seen(world, BEN).source) == ("account1", "application")
    assert seen(world, BEN).state == "Busy", "what the application read stays simplified"


def test_a_page_of_presence_reads_only_the_blocks_it_shows(world: World) -> None:
    crowd = 2 * IDS_PER_BLOCK
    world.directory = Crowd(crowd)  # type: ignore[assignment]
    world.poller = poller(world)
    world.reader.says = {user(number): Row(user(number), "Away", "Away") for number in range(crowd)}
    assert tick(world)
    ids, continuation = [], None
    while True:
        # The second page begins with the last user of the first block.
        page = world.presences.page(world.tenant_id, top=IDS_PER_BLOCK - 1, continuation=continuation)
        ids += [presence.user_id for presence in page.items]
        continuation = page.continuation
        if continuation is None:
            break
    assert ids == [user(number) for number in range(crowd)]


# ages


def test_a_user_missing_from_an_answer_ages_and_the_others_stay_fresh(world: World) -> None:
    tick(world)
    last = to_wire(world.clock())
    del world.reader.says[BEN]
    for _ in range(3):
        tick(world)
    assert (seen(world, BEN).state, seen(world, BEN).read_at) == ("InACall", last)
    tick(world)
    assert (seen(world, BEN).state, seen(world, BEN).stale, seen(world, BEN).read_at) == ("Unknown", True, last)
    assert (seen(world, ANA).stale, seen(world, ANA).read_at) == (False, to_wire(world.clock()))
    say(world, BEN, "Available")
    tick(world)
    assert (seen(world, BEN).state, seen(world, BEN).stale) == ("Available", False)


def test_a_user_never_seen_is_unknown(world: World) -> None:
    del world.reader.says[BEN]
    tick(world)
    assert seen(world, BEN) == Presence(user_id=BEN, state="Unknown", stale=True)


def test_a_reading_older_than_three_polls_is_unknown(world: World) -> None:
    tick(world)
    world.clock.move(seconds=3 * INTERVAL)
    assert (seen(world, ANA).state, seen(world, ANA).stale) == ("Available", False)
    world.clock.move(milliseconds=1)
    assert (seen(world, ANA).state, seen(world, ANA).stale) == ("Unknown", True)


def test_a_reading_with_an_older_sequence_is_dropped_and_what_is_kept_ages(world: World) -> None:
    say(world, ANA, "Away", sequence="0006")
    tick(world)
    kept = to_wire(world.clock())
    say(world, ANA, "Available", sequence="0005")
    tick(world)
    assert (seen(world, ANA).state, seen(world, ANA).read_at) == ("Away", kept)
    say(world, ANA, "Busy")
    tick(world)
    assert seen(world, ANA).state == "Busy", "an answer without a sequence is the newest there is"
    say(world, ANA, "Available", sequence="0007")
    tick(world)
    assert seen(world, ANA).state == "Available"


def test_a_sequence_that_starts_over_is_believed_once_the_old_reading_is_stale(world: World) -> None:
    say(world, ANA, "Available", sequence="A9000")
    tick(world)
    say(world, ANA, "Busy", "InACall", sequence="A0001")
    heard = []
    for _ in range(5):
        tick(world)
        heard.append((seen(world, ANA).state, seen(world, ANA).stale))
    assert heard == [("Available", False)] * 3 + [("InACall", False)] * 2


def test_a_removed_user_is_forgotten_with_the_next_poll(world: World) -> None:
    tick(world)
    world.directory.delete_user(world.tenant_id, ANA, versions=None, by=world.by)
    tick(world)
    page = world.presences.page(world.tenant_id, top=10, continuation=None)
    assert [presence.user_id for presence in page.items] == [BEN]


def test_the_last_removed_user_is_forgotten_too(world: World) -> None:
    tick(world)
    for person in (ANA, BEN):
        world.directory.delete_user(world.tenant_id, person, versions=None, by=world.by)
    assert not tick(world)
    assert world.presences.page(world.tenant_id, top=10, continuation=None).items == []
    assert readers(world) == ["account1"]


def test_a_user_who_moves_to_another_block_keeps_its_reading(world: World) -> None:
    tick(world)
    world.directory.delete_user(world.tenant_id, ANA, versions=None, by=world.by)
    del world.reader.says[ANA], world.reader.says[BEN]
    world.put_user(user(0), "new@contoso.example")
    say(world, user(0), "Away")
    tick(world)
    assert (seen(world, BEN).state, seen(world, BEN).stale) == ("InACall", False)


# what is logged


def lines(caplog: pytest.LogCaptureFixture, part: str) -> list[str]:
    found = [record.getMessage() for record in caplog.records if part in record.getMessage()]
    caplog.clear()
    return found


def test_one_line_is_logged_when_an_account_changes_and_none_while_it_stays(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    heard = []
    for error in (None, NO_MFA, NO_MFA, NO_MFA, None, None):
        world.reader.fails = {"account1": error} if error else {}
        tick(world, minutes=20)
        heard.append(lines(caplog, "presence account"))
    broke = (
        f"presence account does not work tenant={world.tenant_id} account=account1 code=MfaRequired reason=AADSTS50076"
    )
    works = f"presence account works again tenant={world.tenant_id} account=account1"
    assert heard == [[], [broke], [], [], [works], []]


def test_another_reason_is_another_line(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for reason in ("AADSTS50076", "AADSTS50126"):
        world.reader.fails = {"account1": refused_by_entra(reason)}
        tick(world, minutes=20)
    heard = lines(caplog, "does not work")
    assert [line.rpartition("code=")[2].split()[0] for line in heard] == ["MfaRequired", "WrongPassword"]


def test_a_word_nobody_knows_is_logged_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    say(world, ANA, "Levitating", "Available")
    say(world, BEN, "Levitating", "Dancing")
    tick(world)
    tick(world)
    heard = sorted(line.rpartition("word=")[2] for line in lines(caplog, "presence word"))
    assert heard == ["Dancing", "Levitating"]


# planning


class Apart(StorageAccount):
    """The same account, with the tenants in a table of their own: the other tests leave hundreds of them."""

    def table(self, name: str) -> Table:
        return super().table("system" if name == "tenants" else name)


def test_a_tick_asks_for_a_poll_of_every_tenant(connection: str, clock: FakeClock) -> None:
    account = Apart(connection, None, "")
    worlds = [World(account, clock, user(number)) for number in (7, 8)]
    polls, at_once = account.queue("presence-polls"), timedelta(0)
    first = worlds[0]
    planner = Poller(first.presence, first.tenants, first.directory, first.reader, polls, at_once, clock)
    queue = QueueClient.from_connection_string(connection, "presence-polls")
    queue.clear_messages()
    assert planner.plan() == 2
    asked = [json.loads(base64.b64decode(message.content)) for message in queue.receive_messages()]
    assert sorted(message["tenantId"] for message in asked) == [user(7), user(8)]
    assert {message["tick"] for message in asked} == {to_wire(clock())}
    assert first.poller.plan() == 2
    seconds = {message["tenantId"]: pause for message, pause in first.polls.take()}
    assert seconds == {one: moment(one, timedelta(seconds=INTERVAL)).total_seconds() for one in (user(7), user(8))}
    assert any(seconds.values()), "each at its own moment"
    worlds[0].put_user(ANA, "ana@contoso.example")
    say(worlds[0], ANA, "Available")
    assert worlds[0].poller.poll(user(7), asked[0]["tick"])


def test_tenants_are_spread_over_the_interval_each_at_a_moment_of_its_own() -> None:
    moments = [moment(user(number), timedelta(seconds=INTERVAL)) for number in range(600)]
    assert moments == [moment(user(number), timedelta(seconds=INTERVAL)) for number in range(600)]
    counts = [moments.count(timedelta(seconds=second)) for second in range(20)]
    assert sum(counts) == 600, "nobody waits longer than two thirds of the interval"
    assert min(counts) > 10


def test_a_tenant_that_is_gone_is_not_polled(world: World) -> None:
    world.tenants.start_offboarding(world.tenant_id, world.by)
    assert not tick(world)
    assert readers(world) == []


def test_ticks_in_wire_form_order_like_time(world: World) -> None:
    assert to_wire(datetime.fromisoformat("2026-03-01T12:00:00.5Z")) > to_wire(
        datetime.fromisoformat("2026-03-01T12:00Z")
    )
