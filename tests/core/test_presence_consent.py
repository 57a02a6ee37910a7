"""The link an admin is sent to, for how long it holds, and what changes when the admin comes back."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from shared.clouds import CLOUDS
from shared.errors import Malformed
from shared.presence.account_notes import AccountNotes
from shared.presence.accounts import Note, reading_order
from shared.presence.consent import SCOPES, Consents
from tests.core.world import World


class FakeGrants:
    def delegated_grants(self, tenant_id: str) -> frozenset[str] | None:
        return frozenset(SCOPES)


class FakeSignedIn:
    def __init__(self) -> None:
        self.forgotten: list[str] = []

    def forget(self, tenant_id: str) -> None:
        self.forgotten.append(tenant_id)


@pytest.fixture
def signed_in() -> FakeSignedIn:
    return FakeSignedIn()


@pytest.fixture
def consents(world: World, signed_in: FakeSignedIn) -> Consents:
    notes = AccountNotes(world.presence, world.clock)
    clock, base = world.clock, "https://nimbus.example"
    return Consents(
        CLOUDS["public"], "client", base, world.secrets, world.tenants, FakeGrants(), signed_in, notes, clock
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


@pytest.mark.parametrize(("seconds", "a_bit"), [(3600, 1), (-60, -1)])
def test_a_link_holds_for_an_hour_and_for_a_clock_that_is_a_minute_fast(
    world: World, consents: Consents, seconds: int, a_bit: int
) -> None:
    state = state_of(world, consents)
    world.clock.move(seconds=seconds)
    assert consents.came_back(state)
    world.clock.move(milliseconds=a_bit)
    with pytest.raises(Malformed):
        consents.came_back(state)
