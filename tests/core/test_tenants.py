"""Tenants, services and users: versions, races, and that nothing is left of a tenant that leaves."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from shared.kernel.clock import to_wire
from shared.kernel.errors import AppError, Conflict, NeedsVersion, NotFound, Stale, StorageDown
from shared.storage.account import StorageAccount
from shared.storage.entities import Operation, Row
from shared.storage.queues import Queue
from shared.storage.tables import Table
from shared.tenants.directory import Directory
from shared.tenants.models import ServiceWrite, Tenant, TenantWrite, UserWrite
from shared.tenants.offboarding import CLAIM, Offboarding
from shared.tenants.tenants import Tenants
from tests.core.race import codes, together
from tests.core.world import SERVICE, FakeClock, World

ANA, BEN = "aaaaaaaa-0000-4000-8000-00000000000a", "bbbbbbbb-0000-4000-8000-00000000000b"
FRESH = TenantWrite(display_name="Fabrikam")
# Of the tables, all but the one that keeps the tenants themselves and the one that belongs to nobody.
HOLDING = ("directory", "outbound", "journal", "presence")


def put(world: World, tenant_id: str, wanted: TenantWrite = FRESH, version: int | None = None) -> Any:
    versions = None if version is None else frozenset({version})
    return world.tenants.put(tenant_id, lambda: wanted, versions=versions, by=world.by)


def put_user(world: World, user_id: str, upn: str, version: int | None = None) -> Any:
    versions = None if version is None else frozenset({version})
    user = UserWrite(upn=upn, display_name="Somebody")
    return world.directory.put_user(world.tenant_id, user_id, lambda: user, versions=versions, by=world.by)


def someone() -> str:
    return str(uuid.uuid4())


# versions


def test_a_new_tenant_has_version_1_and_default_settings(world: World) -> None:
    tenant_id = someone()
    saved = put(world, tenant_id)
    assert (saved.created, saved.revision) == (True, 1)
    head = world.tenants.head(tenant_id)
    assert head.tenant.value == Tenant(tenant_id=tenant_id, display_name="Fabrikam")
    assert (head.settings.revision, head.settings.value.outbound.max_scheduled_tasks_per_service) == (1, 20)


def test_a_change_names_the_version_it_replaces_and_makes_the_next(world: World) -> None:
    saved = put(world, world.tenant_id, version=1)
    assert (saved.created, saved.revision) == (False, 2)
    assert world.head.tenant.value.display_name == "Fabrikam"


def test_a_change_without_a_version_is_told_which_there_is(world: World) -> None:
    put(world, world.tenant_id, version=1)
    with pytest.raises(NeedsVersion) as refused:
        put(world, world.tenant_id)
    assert refused.value.members == {"etag": 2}


def test_a_change_of_an_old_version_is_stale_and_told_which_there_is(world: World) -> None:
    put(world, world.tenant_id, version=1)
    with pytest.raises(Stale) as refused:
        put(world, world.tenant_id, version=1)
    assert refused.value.members == {"etag": 2}


def test_a_version_of_what_is_not_there_is_stale(world: World) -> None:
    with pytest.raises(Stale):
        put(world, someone(), version=1)


def test_what_is_wanted_is_not_judged_for_an_old_version(world: World) -> None:
    def never() -> TenantWrite:
        raise AssertionError("judged")

    with pytest.raises(Stale):
        world.tenants.put(world.tenant_id, never, versions=frozenset({7}), by=world.by)


def test_any_of_the_versions_named_will_do(world: World) -> None:
    saved = world.tenants.put(world.tenant_id, lambda: FRESH, versions=frozenset({1, 7}), by=world.by)
    assert saved.revision == 2


def test_of_8_who_create_a_tenant_one_does(world: World) -> None:
    tenant_id = someone()
    outcomes = together(8, lambda number: put(world, tenant_id))
    assert sum(not isinstance(outcome, AppError) for outcome in outcomes) == 1
    assert codes(outcomes) == ["PreconditionRequired"] * 7
    assert list(world.tenants.ids()).count(tenant_id) == 1


def test_of_8_who_change_the_same_version_one_does_and_the_others_hear_the_new_one(world: World) -> None:
    outcomes = together(8, lambda number: put(world, world.tenant_id, version=1))
    stale = [outcome for outcome in outcomes if isinstance(outcome, Stale)]
    assert len(stale) == 7
    assert {outcome.members["etag"] for outcome in stale} == {2}


def test_tenants_are_listed_by_id_page_by_page(world: World) -> None:
    base = someone()[:-1]
    mine = [base + last for last in "0123"]
    for tenant_id in reversed(mine):
        put(world, tenant_id)
    first = world.tenants.page(top=2, continuation=mine[0])
    assert first.continuation == mine[2]
    second = world.tenants.page(top=2, continuation=first.continuation)
    assert [tenant.tenant_id for tenant in first.items + second.items] == mine


class CountingTable(Table):
    """Remembers which queries were asked."""

    def __init__(self, inner: Table) -> None:
        self.__dict__.update(inner.__dict__)
        self.asked: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if name in ("get", "span", "page", "across"):
            self.asked.append(name)
        return super().__getattribute__(name)


def test_a_page_of_tenants_costs_two_queries_and_leaves_out_who_leaves(world: World, account: StorageAccount) -> None:
    base = someone()[:-1]
    mine = [base + last for last in "0123456789"]
    for tenant_id in mine:
        put(world, tenant_id)
    world.tenants.start_offboarding(mine[3], world.by)
    counted = CountingTable(account.table("tenants"))
    tenants = Tenants(counted, world.widget_keys, account.queue("tenant-offboarding"), world.clock)
    page = tenants.page(top=10, continuation=mine[0])
    assert [tenant.tenant_id for tenant in page.items] == [*mine[:3], *mine[4:]]
    assert counted.asked == ["page", "across"]


def test_an_unknown_tenant_is_not_found(world: World) -> None:
    with pytest.raises(NotFound) as refused:
        world.tenants.head(someone())
    assert refused.value.code == "TenantNotFound"


# services and users


def test_a_service_keeps_the_spelling_it_was_made_with(world: World) -> None:
    world.put_service(SERVICE.upper())
    assert world.directory.service(world.tenant_id, SERVICE.title()).value.upn == SERVICE
    assert len(world.directory.services(world.tenant_id, top=10).items) == 1


def test_a_service_with_unfinished_tasks_cannot_be_deleted(world: World) -> None:
    entry_id = world.submit().entry.task_id
    with pytest.raises(Conflict) as refused:
        world.directory.delete_service(world.tenant_id, SERVICE, versions=None, by=world.by)
    assert refused.value.code == "ServiceInUse"
    world.entries.cancel(world.tenant_id, entry_id, by=world.by)
    world.directory.delete_service(world.tenant_id, SERVICE.upper(), versions=None, by=world.by)
    with pytest.raises(NotFound):
        world.directory.service(world.tenant_id, SERVICE)


def test_a_service_is_deleted_only_in_the_version_named(world: World) -> None:
    with pytest.raises(Stale):
        world.directory.delete_service(world.tenant_id, SERVICE, versions=frozenset({9}), by=world.by)
    world.directory.delete_service(world.tenant_id, SERVICE, versions=frozenset({1}), by=world.by)
    with pytest.raises(NotFound):
        world.directory.delete_service(world.tenant_id, SERVICE, versions=None, by=world.by)


def test_a_service_made_again_goes_on_counting_so_an_old_etag_never_fits(world: World) -> None:
    directory, tenant_id = world.directory, world.tenant_id
    world.put_service(SERVICE)
    for expected in (3, 4, 5):
        directory.delete_service(tenant_id, SERVICE, versions=None, by=world.by)
        world.put_service(SERVICE)
        assert directory.service(tenant_id, SERVICE).revision == expected
    with pytest.raises(Stale):
        directory.delete_service(tenant_id, SERVICE, versions=frozenset({1, 2, 3, 4}), by=world.by)
    world.put_service("new@contoso.example")
    assert directory.service(tenant_id, "new@contoso.example").revision == 1


def test_a_user_made_again_goes_on_counting(world: World) -> None:
    user = someone()
    for expected in (1, 2, 3):
        world.put_user(user, "ann@contoso.example")
        assert world.directory.user(world.tenant_id, user).revision == expected
        world.directory.delete_user(world.tenant_id, user, versions=frozenset({expected}), by=world.by)


@pytest.mark.parametrize("was_there", [False, True])
def test_who_creates_a_service_while_another_comes_and_goes_does_not_get_its_revision(
    world: World, was_there: bool
) -> None:
    upn, directory = "flash@contoso.example", world.directory
    if was_there:
        world.put_service(upn)
        directory.delete_service(world.tenant_id, upn, versions=None, by=world.by)
    fragile = MeanwhileTable(world.account.table("directory"))

    def meanwhile() -> None:
        world.put_service(upn)
        directory.delete_service(world.tenant_id, upn, versions=None, by=world.by)

    fragile.then = meanwhile
    slow = Directory(fragile, world.licences, world.outbound.gate)
    wanted = ServiceWrite(display_name="Slow", licence="ContactCenter")
    with pytest.raises(Stale):
        slow.put_service(world.tenant_id, upn, lambda: wanted, versions=None, by=world.by)
    world.put_service(upn)
    assert directory.service(world.tenant_id, upn).revision == (3 if was_there else 2)


class MeanwhileTable(Table):
    """Calls ``then`` just before its first transaction."""

    def __init__(self, inner: Table) -> None:
        self.__dict__.update(inner.__dict__)
        self.then: Callable[[], None] = lambda: None

    def transact(self, operations: Sequence[Operation]) -> list[str]:
        then, self.then = self.then, lambda: None
        then()
        return super().transact(operations)


@pytest.mark.parametrize("named", ["", SERVICE])
def test_a_star_names_no_version_of_anything(world: World, named: str) -> None:
    with pytest.raises(NeedsVersion) as refused:
        world.directory.put_service(
            world.tenant_id, named or "new@contoso.example", lambda: pytest.fail("judged"), versions="*", by=world.by
        )
    assert refused.value.members["etag"] == (1 if named else None)


@pytest.mark.parametrize("upn", ["", "x", "a@b", "a/b@c.example", "a'b c@d.example", "\x00@a.example", "a@b.example\n"])
def test_what_is_no_upn_names_no_service_and_makes_none(world: World, upn: str) -> None:
    with pytest.raises(NotFound):
        world.directory.service(world.tenant_id, upn)
    wanted = ServiceWrite(display_name="x", licence="ContactCenter")
    with pytest.raises(AppError) as refused:
        world.directory.put_service(world.tenant_id, upn, lambda: wanted, versions=None, by=world.by)
    assert refused.value.code == "InvalidValue"


def test_a_guest_is_found_by_its_upn_in_any_case(world: World) -> None:
    upn = "ana_fabrikam.example#EXT#@contoso.example"
    put_user(world, ANA, upn)
    assert world.directory.user_id_of(world.tenant_id, upn.upper()) == ANA
    assert world.directory.user(world.tenant_id, ANA).value.upn == upn


def test_a_upn_belongs_to_one_user(world: World) -> None:
    put_user(world, ANA, "ana@contoso.example")
    with pytest.raises(Conflict) as refused:
        put_user(world, BEN, "ANA@contoso.example")
    assert refused.value.code == "UpnInUse"
    with pytest.raises(NotFound):
        world.directory.user(world.tenant_id, BEN)


def test_of_12_users_who_want_the_same_upn_one_gets_it(world: World) -> None:
    ids = sorted(someone() for _ in range(12))
    outcomes = together(12, lambda number: put_user(world, ids[number], "ana@contoso.example"))
    assert codes(outcomes) == ["UpnInUse"] * 11
    (winner,) = [user for user, outcome in zip(ids, outcomes, strict=True) if not isinstance(outcome, AppError)]
    assert world.directory.user_id_of(world.tenant_id, "ana@contoso.example") == winner
    assert world.directory.user_ids(world.tenant_id) == [winner]


def test_a_renamed_user_leaves_its_old_upn_to_others(world: World) -> None:
    put_user(world, ANA, "ana@contoso.example")
    put_user(world, ANA, "ana.new@contoso.example", version=1)
    assert world.directory.user_id_of(world.tenant_id, "ana.new@contoso.example") == ANA
    with pytest.raises(NotFound):
        world.directory.user_id_of(world.tenant_id, "ana@contoso.example")
    put_user(world, BEN, "ana@contoso.example")
    assert world.directory.user_id_of(world.tenant_id, "ana@contoso.example") == BEN


def test_a_user_cannot_be_renamed_to_the_upn_of_another_one(world: World) -> None:
    put_user(world, ANA, "ana@contoso.example")
    put_user(world, BEN, "ben@contoso.example")
    with pytest.raises(Conflict) as refused:
        put_user(world, BEN, "ana@contoso.example", version=1)
    assert refused.value.code == "UpnInUse"
    assert world.directory.user_id_of(world.tenant_id, "ben@contoso.example") == BEN


def test_a_user_may_change_the_case_of_its_own_upn(world: World) -> None:
    put_user(world, ANA, "ana@contoso.example")
    assert put_user(world, ANA, "Ana@contoso.example", version=1).value.upn == "Ana@contoso.example"
    assert world.directory.user_id_of(world.tenant_id, "ana@contoso.example") == ANA


def test_two_users_swapping_their_upns_at_once_never_share_one(world: World) -> None:
    put_user(world, ANA, "ana@contoso.example")
    put_user(world, BEN, "ben@contoso.example")
    wanted = [(ANA, "ben@contoso.example"), (BEN, "ana@contoso.example")]
    assert codes(together(2, lambda number: put_user(world, *wanted[number], version=1))) == ["UpnInUse"] * 2
    for user, upn in ((ANA, "ana@contoso.example"), (BEN, "ben@contoso.example")):
        assert world.directory.user_id_of(world.tenant_id, upn) == user


def test_a_deleted_user_gives_its_upn_back(world: World) -> None:
    put_user(world, ANA, "ana@contoso.example")
    with pytest.raises(Stale):
        world.directory.delete_user(world.tenant_id, ANA, versions=frozenset({2}), by=world.by)
    world.directory.delete_user(world.tenant_id, ANA, versions=frozenset({1}), by=world.by)
    with pytest.raises(NotFound):
        world.directory.delete_user(world.tenant_id, ANA, versions=None, by=world.by)
    put_user(world, BEN, "ana@contoso.example")


# offboarding


def rows_of(account: StorageAccount, tenant_id: str) -> list[tuple[str, str, str]]:
    """Every row anywhere that belongs to a tenant."""
    found = []
    for name in ("tenants", *HOLDING):
        for row in account.table(name).partitions("", "~~~~"):
            if row.partition.split("|")[0] == tenant_id or (row.partition, row.row) == ("index", tenant_id):
                found.append((name, row.partition, row.row))
    return found


def settle(world: World) -> None:
    """Leave rows of every kind in every table."""
    world.set_limit(1)
    world.put_user(ANA, "ana@contoso.example")
    finished = world.submit(ReferenceId="r-1").entry.task_id
    world.entries.cancel(world.tenant_id, finished, by=world.by)
    world.submit(ReferenceId="r-2")
    world.submit()
    world.intake.take(f'{{"tenantId": "{world.tenant_id}"}}'.encode(), message_id="m", attempts=1)
    world.poller.poll(world.tenant_id, to_wire(world.clock()))
    assert {name for name, _, _ in rows_of(world.account, world.tenant_id)} == {"tenants", *HOLDING}


class Remembering:
    """A cache with something of one tenant in it, which a call under way puts back once."""

    def __init__(self, tenant_id: str) -> None:
        self.kept = {tenant_id}
        self.forgotten = 0

    def forget_tenant(self, tenant_id: str) -> None:
        self.kept.discard(tenant_id)
        self.forgotten += 1


def test_the_memory_of_the_process_forgets_a_tenant_as_it_is_closed_and_as_it_goes(world: World) -> None:
    cache = Remembering(world.tenant_id)
    tables = [world.account.table(name) for name in HOLDING]
    leaving = Offboarding(world.tenants, tables, world.account.table("system"), world.clock, [cache])
    leaving.start(world.tenant_id, world.by)
    assert cache.kept == set()
    cache.kept.add(world.tenant_id)  # by a call that was under way
    leaving.run(world.tenant_id)
    assert cache.kept == set()
    leaving.run(world.tenant_id)
    assert cache.forgotten == 2, "a tenant that is not leaving loses nothing"


def offboarding(world: World, wrap: type[Table] | None = None) -> Offboarding:
    tables = [world.account.table(name) for name in HOLDING]
    mortal = [MortalTable(table) for table in tables] if wrap else tables
    return Offboarding(world.tenants, mortal, world.account.table("system"), world.clock)


class MortalTable(Table):
    """Dies after its first removal."""

    def __init__(self, inner: Table) -> None:
        self.__dict__.update(inner.__dict__)

    def remove_blindly(self, rows: Sequence[Row]) -> None:
        super().remove_blindly(rows[:1])
        raise StorageDown("the process died half-way")


def test_a_leaving_tenant_is_closed_at_once(world: World) -> None:
    progress = world.tenants.start_offboarding(world.tenant_id, world.by)
    assert progress.as_json() == {"tenantId": world.tenant_id, "state": "offboarding", "rowsRemoved": 0}
    with pytest.raises(NotFound):
        world.tenants.head(world.tenant_id)
    assert world.tenant_id not in [tenant.tenant_id for tenant in world.tenants.page(top=1000, continuation=None).items]
    with pytest.raises(Conflict) as refused:
        put(world, world.tenant_id)
    assert refused.value.code == "TenantLeaving"


def test_offboarding_removes_every_row_of_the_tenant_and_none_of_its_neighbours(
    account: StorageAccount, clock: FakeClock
) -> None:
    base = someone()[:-2]
    worlds = [World(account, clock, base + last) for last in ("10", "11", "12", "1f")]
    for world in worlds:
        settle(world)
    leaving, neighbours = worlds[1], [worlds[0], *worlds[2:]]
    before = [rows_of(account, world.tenant_id) for world in neighbours]
    leaving.tenants.start_offboarding(leaving.tenant_id, leaving.by)
    offboarding(leaving).run(leaving.tenant_id)
    assert rows_of(account, leaving.tenant_id) == []
    assert [rows_of(account, world.tenant_id) for world in neighbours] == before


def test_offboarding_that_is_killed_again_and_again_still_ends(world: World) -> None:
    settle(world)
    world.tenants.start_offboarding(world.tenant_id, world.by)
    left = len(rows_of(world.account, world.tenant_id))
    for _ in range(3):
        with pytest.raises(StorageDown):
            offboarding(world, MortalTable).run(world.tenant_id)
        assert world.tenants.leaving(world.tenant_id)
        now_left = len(rows_of(world.account, world.tenant_id))
        assert now_left < left
        left = now_left
    offboarding(world).run(world.tenant_id)
    offboarding(world).run(world.tenant_id)
    assert rows_of(world.account, world.tenant_id) == []


def test_a_tenant_that_is_not_leaving_is_left_alone(world: World) -> None:
    before = rows_of(world.account, world.tenant_id)
    offboarding(world).run(world.tenant_id)
    assert rows_of(world.account, world.tenant_id) == before


def test_two_offboardings_side_by_side_do_not_mind_each_other(world: World) -> None:
    settle(world)
    world.tenants.start_offboarding(world.tenant_id, world.by)
    assert together(2, lambda number: offboarding(world).run(world.tenant_id)) == [None, None]
    assert rows_of(world.account, world.tenant_id) == []


def test_a_tenant_can_come_back_after_it_has_left(world: World) -> None:
    settle(world)
    world.tenants.start_offboarding(world.tenant_id, world.by)
    offboarding(world).run(world.tenant_id)
    assert put(world, world.tenant_id).created
    assert world.directory.services(world.tenant_id, top=10).items == []
    assert world.head.settings.value.outbound.max_scheduled_tasks_per_service == 20


class WatchedTable(Table):
    """Calls ``then`` after every removal."""

    def __init__(self, inner: Table, then: Callable[[], None]) -> None:
        self.__dict__.update(inner.__dict__)
        self._then = then

    def remove_blindly(self, rows: Sequence[Row]) -> None:
        super().remove_blindly(rows)
        self._then()

    def delete(self, row: Row, *, etag: str) -> None:
        super().delete(row, etag=etag)
        self._then()


def test_a_run_that_comes_late_removes_nothing_of_a_tenant_made_again(world: World) -> None:
    settle(world)
    world.tenants.start_offboarding(world.tenant_id, world.by)
    moments: list[str] = []

    def meanwhile() -> None:
        if moments:
            return
        moments.append("the first run is half way")
        left = len(rows_of(world.account, world.tenant_id))
        offboarding(world).run(world.tenant_id, message_id="asked again")
        assert len(rows_of(world.account, world.tenant_id)) == left  # the first run is at it
        offboarding(world).run(world.tenant_id, message_id="first")  # its message again: the first run seems dead
        put(world, world.tenant_id)
        world.put_user(ANA, "ana@contoso.example")

    tables: list[Table] = [WatchedTable(world.account.table(name), meanwhile) for name in HOLDING]
    Offboarding(world.tenants, tables, world.account.table("system"), world.clock).run(
        world.tenant_id, message_id="first"
    )
    assert moments
    assert world.head.tenant_id == world.tenant_id
    assert world.directory.user(world.tenant_id, ANA).value.upn == "ana@contoso.example"


def test_a_tenant_created_again_at_any_moment_of_its_end_is_in_the_index(world: World, account: StorageAccount) -> None:
    answers: list[str] = []

    def create_again() -> None:
        try:
            put(world, world.tenant_id)
            answers.append("created")
        except Conflict as exc:
            answers.append(exc.code)

    watched = WatchedTable(account.table("tenants"), create_again)
    tenants = Tenants(watched, world.widget_keys, account.queue("tenant-offboarding"), world.clock)
    tenants.start_offboarding(world.tenant_id, world.by)
    mark = tenants.leaving(world.tenant_id)
    assert mark is not None
    tenants.finish_offboarding(mark)
    assert answers == ["TenantLeaving", "created"]
    assert world.tenant_id in list(world.tenants.ids())


def test_a_poll_under_way_leaves_no_rows_of_a_tenant_that_left_meanwhile(world: World) -> None:
    world.put_user(ANA, "ana@contoso.example")

    def leave() -> None:
        world.tenants.start_offboarding(world.tenant_id, world.by)
        offboarding(world).run(world.tenant_id)

    world.reader.meanwhile = leave
    assert not world.poller.poll(world.tenant_id, to_wire(world.clock()))
    assert rows_of(world.account, world.tenant_id) == []


def test_a_message_that_comes_after_its_tenant_left_leaves_no_rows_under_the_tenant(world: World) -> None:
    world.tenants.start_offboarding(world.tenant_id, world.by)
    offboarding(world).run(world.tenant_id)
    world.intake.take(f'{{"tenantId": "{world.tenant_id}"}}'.encode(), message_id="m", attempts=1)
    assert rows_of(world.account, world.tenant_id) == []


class PendingQueue(Queue):
    """Takes tenant ids and delivers nothing."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, message: Mapping[str, object], *, delay: timedelta = timedelta(0)) -> None:
        self.sent.append(str(message["tenantId"]))


def test_an_offboarding_whose_message_was_lost_is_asked_for_again_until_somebody_works(
    world: World, clock: FakeClock
) -> None:
    pending = PendingQueue()
    tenants = Tenants(world.account.table("tenants"), world.widget_keys, pending, clock)
    tables = [world.account.table(name) for name in HOLDING]
    stuck = Offboarding(tenants, tables, world.account.table("system"), clock)

    def asked() -> int:
        pending.sent.clear()
        stuck.resume()
        return pending.sent.count(world.tenant_id)

    assert asked() == 0
    tenants.start_offboarding(world.tenant_id, world.by)
    assert (asked(), asked()) == (1, 1)
    mark = tenants.leaving(world.tenant_id)
    assert mark is not None
    tenants.note_leaving(mark, by="m-1", until=to_wire(clock() + CLAIM))
    assert asked() == 0
    clock.move(minutes=3)
    assert asked() == 1
    stuck.run(world.tenant_id, message_id="m-2")
    assert (asked(), rows_of(world.account, world.tenant_id)) == (0, [])


def test_a_name_left_behind_by_the_last_step_goes_after_a_while(world: World, clock: FakeClock) -> None:
    world.tenants.start_offboarding(world.tenant_id, world.by)
    mark = world.tenants.leaving(world.tenant_id)
    assert mark is not None
    tenants = world.account.table("tenants")
    tenants.remove_blindly(list(tenants.span(world.tenant_id, "", "~")))
    offboarding(world).resume()
    assert world.tenant_id in world.tenants.ids()  # its mark may be about to be written
    clock.move(hours=2)
    offboarding(world).resume()
    assert world.tenant_id not in world.tenants.ids()


def test_a_tenant_whose_offboarding_broke_off_before_its_mark_stays_listed_and_is_no_longer_called_leaving(
    world: World, clock: FakeClock
) -> None:
    tenants = world.account.table("tenants")
    world.tenants.start_offboarding(world.tenant_id, world.by)
    mark = world.tenants.leaving(world.tenant_id)
    assert mark is not None
    tenants.delete(mark, etag=mark.etag)  # as if it had never been written
    clock.move(hours=2)
    offboarding(world).resume()
    assert world.head.tenant.value.tenant_id == world.tenant_id
    assert world.tenant_id in world.tenants.ids()
    assert world.tenant_id not in {name.row for name in world.tenants.all_leaving()}


def test_what_a_late_call_left_of_a_tenant_that_is_gone_is_no_tenant_to_offboard(world: World) -> None:
    world.tenants.start_offboarding(world.tenant_id, world.by)
    offboarding(world).run(world.tenant_id)
    world.account.table("tenants").insert(Row(world.tenant_id, "head:permissions", {}))
    with pytest.raises(NotFound):
        world.tenants.start_offboarding(world.tenant_id, world.by)


def test_asking_again_tells_how_far_it_is(world: World) -> None:
    world.tenants.start_offboarding(world.tenant_id, world.by)
    mark = world.tenants.leaving(world.tenant_id)
    assert mark is not None
    world.tenants.note_leaving(mark, removed=2000)
    assert world.tenants.start_offboarding(world.tenant_id, world.by).rows_removed == 2000


def test_nobody_is_offboarded_who_is_not_there(world: World) -> None:
    with pytest.raises(NotFound):
        world.tenants.start_offboarding(someone(), world.by)


def test_the_service_tests_begin_with_is_the_one_an_admin_would_have_made(world: World) -> None:
    table = world.account.table("directory")
    planted = table.get(world.tenant_id, f"service:{SERVICE}")
    neighbour = World(world.account, world.clock, str(uuid.uuid4()))
    neighbour.directory.delete_service(neighbour.tenant_id, SERVICE, versions=None, by=neighbour.by)
    neighbour.put_service(SERVICE)
    made = table.get(neighbour.tenant_id, f"service:{SERVICE}")
    assert planted is not None
    assert made is not None
    own = {"revision": 1, "mark": planted.values["mark"]}  # as it was written
    assert {**made.values, **own} == planted.values
