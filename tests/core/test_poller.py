"""Polling presence: two accounts, one poll of a tenant at a time, and readings that tell their age."""

from __future__ import annotations

import base64
import json
import logging
from datetime import datetime, timedelta

import pytest
from azure.storage.queue import QueueClient

from shared.clock import to_wire
from shared.errors import AppError, Broken, Denied, NotPermitted, StorageDown, Throttled, Unreachable
from shared.presence.account_notes import AccountNotes
from shared.presence.accounts import Accounts
from shared.presence.blocks import IDS_PER_BLOCK
from shared.presence.health import HealthOfPresence
from shared.presence.poller import LEASE, Poller, moment
from shared.presence.store import BLOCKS_PER_PART, PresenceStore
from shared.presence.views import Presence
from shared.retry import Sleep
from shared.storage.account import StorageAccount
from shared.storage.entities import Delete, Insert, Merge, Operation, Replace
from shared.storage.tables import Table
from tests.core.faults import FragileTable
from tests.core.race import together
from tests.core.world import FakeClock, Row, World

INTERVAL = 30  # seconds between two ticks


def user(number: int) -> str:
    return f"aaaaaaaa-0000-4000-8000-{number:012}"


ANA, BEN = user(1), user(2)
NO_MFA = Denied("no", reason="AADSTS50076")


@pytest.fixture(autouse=True)
def people(world: World) -> None:
    """Two users, tracked over guest accounts; Graph knows both."""
    world.set(presenceTracking={"trackOverGuestAccounts": True})
    for person, name in ((ANA, "ana"), (BEN, "ben")):
        world.put_user(person, f"{name}@contoso.example")
    say(world, ANA, "Available")
    say(world, BEN, "Busy", "InACall")


def say(world: World, person: str, availability: str, activity: str = "", sequence: str = "") -> None:
    world.reader.says[person] = Row(person, availability, activity or availability, sequence)


def tick(world: World, **moved: float) -> bool:
    """Move the clock by one interval, or as told, and poll."""
    world.clock.move(**(moved or {"seconds": INTERVAL}))
    return world.poller.poll(world.tenant_id, to_wire(world.clock()))


def poller(world: World, store: PresenceStore | None = None, sleep: Sleep = lambda seconds: None) -> Poller:
    """Another instance, with a store or a patience of its own."""
    polls = world.account.queue("presence-polls")
    store = store or world.presence
    return Poller(store, world.tenants, world.directory, world.reader, polls, timedelta(seconds=30), world.clock, sleep)


def readers(world: World) -> list[str]:
    asked = [source for source, _ in world.reader.asked]
    world.reader.asked.clear()
    return asked


def accounts(world: World) -> Accounts:
    return world.presence.accounts(world.tenant_id).accounts


def seen(world: World, person: str) -> Presence:
    return world.presences.of_user(world.tenant_id, person)


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
    health = HealthOfPresence(world.presence, world.clock, timedelta(seconds=INTERVAL)).of(world.head)
    assert (health.degraded, health.problem, health.stale) == (True, "PermissionNotGranted", True)
    world.reader.fails.clear()
    AccountNotes(world.presence, world.clock).rest(world.tenant_id)  # an admin came back from the consent page
    assert tick(world)


# throttling


def test_throttling_is_not_a_failure_of_the_account_and_waits_as_told(world: World) -> None:
    def wait(seconds: float) -> None:
        world.slept.append(seconds)
        world.reader.fails.clear()

    world.reader.fails["account1"] = Throttled("slow down", retry_after=7)
    world.poller = poller(world, sleep=wait)
    assert tick(world)
    assert world.slept == [7]
    assert readers(world) == ["account1", "account1"]
    assert accounts(world).account1.well


def test_a_pause_longer_than_a_poll_may_take_ends_the_poll_and_changes_no_account(world: World) -> None:
    world.reader.fails["account1"] = Throttled("slow down", retry_after=60)
    assert not tick(world)
    assert (readers(world), world.slept) == (["account1"], [])
    assert accounts(world).account1.well
    world.reader.fails.clear()
    assert tick(world)
    assert readers(world) == ["account1"]


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
    missed = [tick(world, seconds=INTERVAL - 1), tick(world, seconds=INTERVAL)]
    assert missed == [False, True]


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
    world.directory, world.reader.says = _Crowd(IDS_PER_BLOCK + 1), {}  # type: ignore[assignment]
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
    world.directory = _Crowd(1400)  # type: ignore[assignment]
    world.reader.says = {user(number): Row(user(number), "Away", "Away") for number in range(1400)}
    world.poller = poller(world)
    assert tick(world)
    assert sorted(world.reader.asked) == [("account1", 100), ("account1", 650), ("account1", 650)]
    for number in (0, 649, 650, 1299, 1300, 1399):
        assert seen(world, user(number)).state == "Away"


def parts_asked(connection: str, world: World) -> list[int]:
    """Parts of the tenant that a poll of the first part has asked for."""
    queue = QueueClient.from_connection_string(connection, "presence-polls")
    asked = [json.loads(base64.b64decode(message.content)) for message in queue.receive_messages()]
    return [message["part"] for message in asked if message["tenantId"] == world.tenant_id]


def test_a_large_tenant_is_polled_in_parts_each_with_a_lease_of_its_own(world: World, connection: str) -> None:
    QueueClient.from_connection_string(connection, "presence-polls").clear_messages()
    crowd = BLOCKS_PER_PART * IDS_PER_BLOCK + 1
    world.directory = _Crowd(crowd)  # type: ignore[assignment]
    world.reader.says = {user(number): Row(user(number), "Away", "Away") for number in range(crowd)}
    world.poller = poller(world)
    assert tick(world)
    assert parts_asked(connection, world) == [1]
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
    world.directory = _Crowd(crowd)  # type: ignore[assignment]
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
    world.directory = _Crowd(crowd)  # type: ignore[assignment]
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
    world.directory = _Crowd(crowd)  # type: ignore[assignment]
    world.poller = poller(world)
    world.reader.says = {user(number): Row(user(number), "Away", "Away") for number in range(crowd)}
    assert tick(world)
    ids, continuation = [], None
    while True:
        page = world.presences.page(world.tenant_id, top=400, continuation=continuation)
        ids += [presence.user_id for presence in page.items]
        continuation = page.continuation
        if continuation is None:
            break
    assert ids == [user(number) for number in range(crowd)]


class _Crowd:
    """A directory of many users, ids in ascending order."""

    def __init__(self, crowd: int) -> None:
        self.crowd = crowd

    def generation(self, tenant_id: str) -> str:
        return str(self.crowd)

    def user_ids(self, tenant_id: str) -> list[str]:
        return [user(number) for number in range(self.crowd)]


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


def test_a_reading_with_an_older_sequence_is_dropped_but_proves_the_user_fresh(world: World) -> None:
    say(world, ANA, "Away", sequence="0006")
    tick(world)
    say(world, ANA, "Available", sequence="0005")
    tick(world)
    assert (seen(world, ANA).state, seen(world, ANA).read_at) == ("Away", to_wire(world.clock()))
    say(world, ANA, "Available", sequence="0007")
    tick(world)
    assert seen(world, ANA).state == "Available"


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
        world.reader.fails = {"account1": Denied("no", reason=reason)}
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
