"""What an admin sees of the two accounts and tries with them, and what a trial means for the polls."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from shared.kernel.clock import to_wire
from shared.kernel.errors import RateLimited, Throttled, Unreachable
from shared.presence.account_health import Accounts, Source
from shared.presence.account_notes import AccountNotes
from shared.presence.guest_accounts.account_page import MOST_SIGN_INS, AccountPage, GuestStatus
from shared.tenants.rate_limit import Pace
from tests.core.poll_world import NO_MFA
from tests.core.world import FakeReader, Row, World

BEN = "aaaaaaaa-0000-4000-8000-000000000002"
UPN = "ben@contoso.example"


class TriedReader(FakeReader):
    """Remembers who signed in anew for a read."""

    def __init__(self) -> None:
        super().__init__()
        self.signed_in: list[Source] = []

    def upn(self, source: Source) -> str:
        return f"{source}@nimbus.example"

    def user_id(self, tenant_id: str, source: Source, upn: str) -> str | None:
        return None

    def read(self, tenant_id: str, source: Source, user_ids: Sequence[str], *, fresh: bool = False) -> list[Row]:
        if fresh:
            self.signed_in.append(source)
        return super().read(tenant_id, source, user_ids)


class FakeGuests:
    def guest_status(self, tenant_id: str, upn: str) -> GuestStatus:
        return "Accepted"


@pytest.fixture
def reader(world: World) -> TriedReader:
    world.put_user(BEN, UPN)
    reader = TriedReader()
    reader.says[BEN] = Row(BEN, "Busy", "InACall")
    return reader


@pytest.fixture
def page(world: World, reader: TriedReader) -> AccountPage:
    notes = AccountNotes(world.presence, world.clock)
    pace = Pace(
        world.account.table("journal"), world.clock, what="sign-ins", most=MOST_SIGN_INS, per=timedelta(minutes=1)
    )
    return AccountPage(world.presence, world.directory, reader, FakeGuests(), notes, pace)


def accounts(world: World) -> Accounts:
    return world.presence.accounts(world.tenant_id).accounts


def test_each_account_is_tried_with_a_sign_in_of_its_own(world: World, page: AccountPage, reader: TriedReader) -> None:
    trials = page.try_both(world.tenant_id, UPN).accounts
    assert [(one.ok, one.state) for one in trials] == [(True, "InACall")] * 2
    assert sorted(reader.signed_in) == ["account1", "account2"]


def test_what_a_trial_finds_counts_for_the_polls(world: World, page: AccountPage, reader: TriedReader) -> None:
    reader.fails["account1"] = NO_MFA
    page.try_both(world.tenant_id, UPN)
    assert (accounts(world).account1.code, accounts(world).account2.well) == ("MfaRequired", True)
    reader.fails.clear()
    page.try_both(world.tenant_id, UPN)
    assert accounts(world).account1.well, "an admin who has healed it need not wait for its pause"


def test_a_trial_that_is_throttled_says_nothing_of_the_account(
    world: World, page: AccountPage, reader: TriedReader
) -> None:
    reader.fails |= {"account1": Throttled("slow down", retry_after=5), "account2": Unreachable("no answer")}
    trials = page.try_both(world.tenant_id, UPN).accounts
    assert [one.reason for one in trials] == ["UpstreamThrottled", "UpstreamUnreachable"]
    assert (accounts(world).account1.tried, accounts(world).account2.reason) == (False, "UpstreamUnreachable")


def test_a_trial_of_a_user_who_has_left_the_tenant_stops_no_poll(
    world: World, page: AccountPage, reader: TriedReader
) -> None:
    reader.says.clear()
    trials = page.try_both(world.tenant_id, UPN).accounts
    assert [(one.code, one.reason) for one in trials] == [("GuestAccessRestricted", "NothingReturned")] * 2
    assert accounts(world) == Accounts()
    world.set(presenceTracking={"trackOverGuestAccounts": True})
    world.reader.says[BEN] = Row(BEN, "Away", "Away")
    assert world.poller.poll(world.tenant_id, to_wire(world.clock()))


def test_a_tenant_may_try_so_often_in_a_minute_and_then_nobody_signs_in(
    world: World, page: AccountPage, reader: TriedReader
) -> None:
    for _ in range(MOST_SIGN_INS):
        page.try_both(world.tenant_id, UPN)
    reader.signed_in.clear()
    with pytest.raises(RateLimited):
        page.try_both(world.tenant_id, UPN)
    assert reader.signed_in == []
    world.clock.move(minutes=1)
    assert page.try_both(world.tenant_id, UPN)
