"""The link an administrator is sent to: for how long it holds, that it holds once, and what changes on the return."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.kernel.clouds import CLOUDS
from shared.kernel.errors import Malformed, RateLimited, StorageDown
from shared.presence.account_health import Note, reading_order
from shared.presence.account_notes import AccountNotes
from shared.presence.guest_accounts.consent import SCOPES, Consents
from shared.storage.entities import Row
from shared.storage.tables import Table
from shared.tenants.rate_limit import Pace
from tests.core.race import codes, together
from tests.core.world import World
from tests.support.memory_storage import MemoryTable

PER_MINUTE = 30


class FakeGrants:
    """Counts how often grants were read, which may sign the guest accounts in."""

    def __init__(self) -> None:
        self.reads = 0

    def delegated_grants(self, tenant_id: str) -> frozenset[str] | None:
        self.reads += 1
        return frozenset(SCOPES)


class FakeSignedIn:
    def __init__(self) -> None:
        self.forgotten: list[str] = []

    def forget(self, tenant_id: str) -> None:
        self.forgotten.append(tenant_id)


class Journal(Table):
    """``lost`` is how the answer of the next insert gets lost: ``once`` and it is sent again, or for good."""

    def __init__(self) -> None:
        self.__dict__.update(MemoryTable().__dict__)
        self.lost = ""

    def insert(self, row: Row) -> str:
        lost, self.lost = self.lost, ""
        etag = super().insert(row)
        if lost == "once":
            return super().insert(row)
        if lost:
            raise StorageDown("the answer of the write got lost")
        return etag


@pytest.fixture
def signed_in() -> FakeSignedIn:
    return FakeSignedIn()


@pytest.fixture
def grants() -> FakeGrants:
    return FakeGrants()


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def consents(world: World, signed_in: FakeSignedIn, grants: FakeGrants, journal: Journal) -> Consents:
    return instance(world, signed_in, grants, journal)


def instance(world: World, signed_in: FakeSignedIn, grants: FakeGrants, journal: Journal) -> Consents:
    """One instance of the app; all share the journal."""
    return Consents(
        CLOUDS["public"],
        "client",
        "https://nimbus.example",
        world.secrets,
        world.tenants,
        grants,
        signed_in,
        AccountNotes(world.presence, world.clock),
        journal,
        Pace(MemoryTable(), world.clock, what="sign-ins", most=PER_MINUTE, per=timedelta(minutes=1)),
        world.clock,
    )


def state_of(world: World, consents: Consents) -> str:
    (state,) = parse_qs(urlsplit(consents.link(world.tenant_id, world.by).url).query)["state"]
    return state


def test_who_comes_back_lets_the_accounts_read_at_once_with_new_tokens(
    world: World, consents: Consents, signed_in: FakeSignedIn
) -> None:
    refused = [Note("account1", "PermissionNotGranted"), Note("account2", "PermissionNotGranted")]
    AccountNotes(world.presence, world.clock).note(world.tenant_id, refused)
    assert reading_order(world.presence.accounts(world.tenant_id).accounts, world.clock()) == ()
    assert consents.came_back(state_of(world, consents)).missing == ()
    assert reading_order(world.presence.accounts(world.tenant_id).accounts, world.clock()) == ("account1", "account2")
    assert signed_in.forgotten == [world.tenant_id]


@pytest.mark.parametrize(("seconds", "holds"), [(3600, True), (3600.001, False), (-60, True), (-60.001, False)])
def test_a_link_holds_for_an_hour_and_for_a_clock_that_is_a_minute_fast(
    world: World, consents: Consents, seconds: float, holds: bool
) -> None:
    state = state_of(world, consents)
    world.clock.move(seconds=seconds)
    if holds:
        assert consents.came_back(state)
    else:
        with pytest.raises(Malformed):
            consents.came_back(state)


def test_a_state_holds_once_and_the_second_time_says_what_to_do(
    world: World, consents: Consents, grants: FakeGrants
) -> None:
    state = state_of(world, consents)
    consents.came_back(state)
    with pytest.raises(Malformed, match=r"used already.*ask for a new link") as refused:
        consents.came_back(state)
    assert (refused.value.code, grants.reads) == ("ConsentStateInvalid", 1)
    assert consents.came_back(state_of(world, consents)).missing == (), "another link of the same millisecond"


def test_of_several_instances_that_get_one_state_at_once_one_reads_the_grants(
    world: World, signed_in: FakeSignedIn, grants: FakeGrants, journal: Journal
) -> None:
    instances = [instance(world, signed_in, grants, journal) for _ in range(4)]
    state = state_of(world, instances[0])
    outcomes = together(4, lambda number: instances[number].came_back(state))
    assert codes(outcomes) == ["ConsentStateInvalid"] * 3
    assert grants.reads == 1


def test_a_state_spelled_differently_is_the_same_state(world: World, consents: Consents, grants: FakeGrants) -> None:
    """Base64 leaves bits unused and takes padding, so one sealed text has several spellings."""
    state = state_of(world, consents)
    consents.came_back(state)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/="
    spellings = [state[:-1] + letter for letter in alphabet] + [state + "=", state + "==", state.upper()]
    for spelling in spellings:
        with pytest.raises(Malformed):
            consents.came_back(spelling)
    assert grants.reads == 1


def test_a_write_whose_answer_was_lost_once_is_recognised(world: World, consents: Consents, journal: Journal) -> None:
    journal.lost = "once"
    assert consents.came_back(state_of(world, consents)).missing == ()


def test_after_a_crash_between_use_and_grants_a_new_link_works(
    world: World, consents: Consents, journal: Journal
) -> None:
    state = state_of(world, consents)
    journal.lost = "for good"
    with pytest.raises(StorageDown):
        consents.came_back(state)
    with pytest.raises(Malformed, match="ask for a new link"):
        consents.came_back(state)
    world.clock.move(seconds=1)
    assert consents.came_back(state_of(world, consents)).missing == ()


def test_returns_have_a_pace_and_one_that_has_to_wait_keeps_its_link(
    world: World, consents: Consents, grants: FakeGrants
) -> None:
    for _ in range(PER_MINUTE):
        consents.came_back(state_of(world, consents))
    state = state_of(world, consents)
    with pytest.raises(RateLimited) as refused:
        consents.came_back(state)
    assert 59 < refused.value.retry_after <= 60
    assert grants.reads == PER_MINUTE
    world.clock.move(minutes=1)
    assert consents.came_back(state).missing == ()


def test_a_used_link_uses_up_nothing_of_the_tenants_pace(world: World, consents: Consents) -> None:
    used = state_of(world, consents)
    consents.came_back(used)
    for _ in range(PER_MINUTE):
        with pytest.raises(Malformed):
            consents.came_back(used)
    assert consents.came_back(state_of(world, consents)).missing == ()
