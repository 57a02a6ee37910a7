"""Which members of services an attendant sees: one claim per mode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from shared.attendant.search.service_search import Teams
from shared.kernel.callers import Caller
from shared.kernel.errors import NotAllowed
from shared.tenants.models import Service, TenantWrite
from tests.core.world import World

ANNA = "aaaaaaaa-0000-4000-8000-00000000000a"
BEN = "aaaaaaaa-0000-4000-8000-00000000000b"
CARL = "aaaaaaaa-0000-4000-8000-00000000000c"


@dataclass(frozen=True)
class Somebody:
    user_id: str
    available: bool
    state: str
    upn: str | None = None
    display_name: str | None = None


class FakeAvailability:
    """Ben is in a call, everybody else is available."""

    def of_services(self, tenant_id: str, services: Sequence[Service]) -> dict[str, list[Somebody]]:
        return {
            service.upn: [
                Somebody(one, one != BEN, "InACall" if one == BEN else "Available") for one in service.members
            ]
            for service in services
        }


class Console:
    def __init__(self, world: World) -> None:
        self.world = world
        tenant = TenantWrite(display_name="Contoso", products=["AttendantConsole"])
        revision = frozenset({world.head.tenant.revision})
        world.tenants.put(world.tenant_id, lambda: tenant, versions=revision, by=world.by)
        world.put_service("desk@contoso.example", displayName="Desk", members=[ANNA, BEN])
        world.put_service("sales@contoso.example", displayName="Sales", members=[BEN])
        world.put_service("hr@contoso.example", displayName="People", members=[CARL])
        self.teams = Teams(world.directory, FakeAvailability())

    def see(self, visibility: str | None = None, *, as_: str = ANNA) -> dict[str, list[tuple[str, bool, str]]]:
        """Members shown by service, as the attendant sees them."""
        if visibility:
            self.world.set(attendantConsole={"teamVisibility": visibility})
        caller = Caller(self.world.tenant_id, as_, "Anna", frozenset({"Agent"}))
        page = self.teams.find(self.world.head, "", caller=caller, top=10, continuation=None)
        return {
            team.display_name: [(one.user_id, one.available, one.state) for one in team.members] for team in page.items
        }

    def find(self, text: str = "", *, top: int = 10, continuation: str | None = None) -> tuple[list[str], str | None]:
        page = self.teams.find(self.world.head, text, caller=self.world.by, top=top, continuation=continuation)
        return [team.display_name for team in page.items], page.continuation


@pytest.fixture
def console(world: World) -> Console:
    return Console(world)


def test_with_none_no_member_is_shown_of_any_service(console: Console) -> None:
    assert console.see("None") == {"Desk": [], "People": [], "Sales": []}


def test_with_own_members_only_those_of_the_attendants_services_who_are_available_are_shown(console: Console) -> None:
    shown = [(ANNA, True, "Available")]
    assert console.see("OwnMembers") == {"Desk": shown, "People": [], "Sales": []}
    assert console.see(as_=BEN.upper()) == {"Desk": shown, "People": [], "Sales": []}
    assert console.see(as_=CARL) == {"Desk": [], "People": [(CARL, True, "Available")], "Sales": []}
    assert console.see(as_="dddddddd-0000-4000-8000-00000000000d") == {"Desk": [], "People": [], "Sales": []}


def test_with_all_members_everybody_is_shown_with_their_availability(console: Console) -> None:
    assert console.see("AllMembers") == {
        "Desk": [(ANNA, True, "Available"), (BEN, False, "InACall")],
        "People": [(CARL, True, "Available")],
        "Sales": [(BEN, False, "InACall")],
    }


def test_an_owner_who_is_no_member_sees_none_as_own(console: Console) -> None:
    console.world.put_service("desk@contoso.example", displayName="Desk", members=[BEN, CARL], owners=[ANNA])
    assert console.see("OwnMembers")["Desk"] == []


def test_own_members_is_the_default(console: Console) -> None:
    assert console.see() == console.see("OwnMembers")


@pytest.mark.parametrize("visibility", ["None", "OwnMembers", "AllMembers"])
def test_how_available_a_service_is_shows_in_every_mode(console: Console, visibility: str) -> None:
    console.see(visibility)
    page = console.teams.find(console.world.head, "", caller=console.world.by, top=10, continuation=None)
    assert [(team.display_name, team.available, team.available_members) for team in page.items] == [
        ("Desk", True, 1),
        ("People", True, 1),
        ("Sales", False, 0),
    ]


def test_services_are_found_by_name_and_by_upn(console: Console) -> None:
    assert console.find("ESK")[0] == ["Desk"]
    assert console.find("hr@")[0] == ["People"]
    assert console.find("nobody")[0] == []


def test_the_list_goes_on_where_it_stopped(console: Console) -> None:
    names, following = console.find(top=2)
    assert (names, following) == (["Desk", "People"], "sales@contoso.example")
    assert console.find(top=2, continuation=following) == (["Sales"], None)


def test_a_tenant_without_the_product_is_told_so(world: World) -> None:
    with pytest.raises(NotAllowed) as refused:
        Teams(world.directory, FakeAvailability()).find(world.head, "", caller=world.by, top=1, continuation=None)
    assert refused.value.code == "AttendantConsoleDisabled"
