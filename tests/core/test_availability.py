"""Who can take a task now, and why each of the others cannot."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kernel.clock import to_wire
from shared.presence.availability import Availability, Member, member
from shared.presence.states import MOST_OCCUPIED_FIRST, State, deliverable
from shared.presence.views import Presence, Presences
from shared.tenants.models import Distribution, Service, User, UserWrite
from tests.core.world import SERVICE, Row, World

ANA, BEN, CLEO, DAN, EVE = (f"aaaaaaaa-0000-4000-8000-{number:012}" for number in range(1, 6))
DESK = Service(upn=SERVICE, display_name="Desk", licence="ContactCenter", members=[ANA])
AGENT = User(user_id=ANA, upn="ana@contoso.example", display_name="Ana", licences=["ContactCenter"])


def seen(state: State, *, stale: bool = False) -> Presence:
    return Presence(user_id=ANA, state=state, stale=stale)


def put_user(world: World, user_id: str, name: str, **changes: Any) -> None:
    wanted: dict[str, Any] = {"licences": ["ContactCenter"], **changes}
    user = UserWrite(upn=f"{name}@contoso.example", display_name=name.capitalize(), **wanted)
    world.directory.put_user(world.tenant_id, user_id, lambda: user, versions=None, by=world.by)


def of_desk(world: World, *held: str) -> dict[str, Member]:
    availability = Availability(world.presences, world.directory, lambda tenant_id: set(held))
    service = world.directory.service(world.tenant_id, SERVICE).value
    return {one.user_id: one for one in availability.of_service(world.tenant_id, service)}


def test_each_member_is_available_or_says_why_not(world: World) -> None:
    put_user(world, ANA, "ana")
    put_user(world, BEN, "ben")
    put_user(world, CLEO, "cleo", active=False, licences=["AdvancedRouting"])
    put_user(world, DAN, "dan")
    world.put_service(SERVICE, members=[ANA, BEN, CLEO, DAN, EVE])
    for person, word in ((ANA, "Available"), (BEN, "InACall"), (CLEO, "Available")):
        world.reader.says[person] = Row(person, "Busy" if word == "InACall" else word, word)
    world.set(presenceTracking={"trackOverGuestAccounts": True})
    assert world.poller.poll(world.tenant_id, to_wire(world.clock()))
    found = of_desk(world, DAN)
    assert {user: one.because for user, one in found.items()} == {
        ANA: [],
        BEN: ["PresenceInACall"],
        CLEO: ["NotActive", "NotLicensed"],
        DAN: ["HoldsTask", "PresenceStale"],
        EVE: ["NotInDirectory"],
    }
    assert [user for user, one in found.items() if one.available] == [ANA]
    assert (found[ANA].upn, found[ANA].display_name) == ("ana@contoso.example", "Ana")
    assert (found[EVE].upn, found[EVE].display_name) == (None, None)


def test_with_tracking_off_a_call_shows_as_busy(world: World) -> None:
    put_user(world, ANA, "ana")
    world.put_service(SERVICE, members=[ANA], distribution={"whileBusy": True})
    world.reader.says[ANA] = Row(ANA, "Busy", "InACall")
    assert world.poller.poll(world.tenant_id, to_wire(world.clock()))
    assert (of_desk(world)[ANA].state, of_desk(world)[ANA].available) == ("Busy", True)


def test_a_member_whose_reading_is_too_old_is_not_available(world: World) -> None:
    put_user(world, ANA, "ana")
    world.put_service(SERVICE, members=[ANA])
    world.reader.says[ANA] = Row(ANA, "Available", "Available")
    assert world.poller.poll(world.tenant_id, to_wire(world.clock()))
    assert of_desk(world)[ANA].available
    world.clock.move(seconds=91)
    assert (of_desk(world)[ANA].available, of_desk(world)[ANA].because) == (False, ["PresenceStale"])


class CountingPresences(Presences):
    def __init__(self, inner: Presences) -> None:
        self.__dict__.update(inner.__dict__)
        self.asked: list[list[str]] = []

    def of_users(self, tenant_id: str, user_ids: Collection[str]) -> dict[str, Presence]:
        self.asked.append(sorted(user_ids))
        return super().of_users(tenant_id, user_ids)


def test_many_services_are_answered_as_each_alone_and_presence_and_tasks_are_read_once(world: World) -> None:
    put_user(world, ANA, "ana")
    put_user(world, BEN, "ben", licences=["ContactCenter", "AdvancedRouting"])
    for person in (ANA, BEN):
        world.reader.says[person] = Row(person, "Available", "Available")
    assert world.poller.poll(world.tenant_id, to_wire(world.clock()))
    presences, asked = CountingPresences(world.presences), list[str]()

    def held(tenant_id: str) -> set[str]:
        asked.append(tenant_id)
        return {CLEO}

    availability = Availability(presences, world.directory, held)
    services = [
        DESK.model_copy(update={"members": [ANA, BEN]}),
        DESK.model_copy(update={"upn": "hr@contoso.example", "licence": "AdvancedRouting", "members": [EVE, BEN, ANA]}),
        DESK.model_copy(update={"upn": "empty@contoso.example", "members": []}),
    ]
    found = availability.of_services(world.tenant_id, services)
    assert (presences.asked, asked) == ([[ANA, BEN]], [world.tenant_id])
    assert found == {one.upn: availability.of_service(world.tenant_id, one) for one in services}
    assert [(one.user_id, one.because) for one in found["hr@contoso.example"]] == [
        (EVE, ["NotInDirectory"]),
        (BEN, []),
        (ANA, ["NotLicensed"]),
    ]


def test_a_service_without_members_has_nobody(world: World) -> None:
    assert of_desk(world) == {}


def test_a_manual_away_says_that_a_call_may_be_hidden() -> None:
    presence = Presence(user_id=ANA, state="Away", call_state_hidden=True, stale=False)
    assert member(DESK, ANA, AGENT, presence, holds_task=False).call_state_hidden


@given(
    state=st.sampled_from([*MOST_OCCUPIED_FIRST, "Unknown"]),
    stale=st.booleans(),
    active=st.booleans(),
    licensed=st.booleans(),
    held=st.booleans(),
    distribution=st.fixed_dictionaries({n: st.booleans() for n in ("while_busy", "while_in_meeting", "while_away")}),
)
def test_nobody_is_available_with_a_reason_against_it(
    state: State, stale: bool, active: bool, licensed: bool, held: bool, distribution: dict[str, bool]
) -> None:
    service = DESK.model_copy(update={"distribution": Distribution(**distribution)})
    user = AGENT.model_copy(update={"active": active, "licences": ["ContactCenter"] if licensed else []})
    found = member(service, ANA, user, seen(state, stale=stale), holds_task=held)
    may = active and licensed and not held and not stale and deliverable(state, service.distribution)
    assert found.available == may
    assert bool(found.because) != may


@pytest.mark.parametrize("state", [*MOST_OCCUPIED_FIRST, "Unknown"])
def test_a_state_against_a_task_is_named(state: State) -> None:
    because = member(DESK, ANA, AGENT, seen(state), holds_task=False).because
    assert because == ([] if state == "Available" else [f"Presence{state}"])
