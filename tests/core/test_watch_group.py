"""The user directory in step with a security group of the simulated Microsoft."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from shared.clients.entra.sign_in import SignIns
from shared.clients.graph.graph import Graph
from shared.clients.graph.groups import GroupChanges, GroupMember, GroupReader
from shared.http.gateway import open_session
from shared.kernel.callers import Caller
from shared.kernel.clouds import CLOUDS
from shared.kernel.errors import NotFound
from shared.outbound.distribution.duty_switch import Duty, DutySwitch
from shared.presence.guest_accounts.token_cache import TokenShelf
from shared.presence.watch_group import Groups, WatchGroups, WatchGroupWrite
from shared.storage.queues import Queue
from shared.tenants.models import UserWrite
from tests.core.world import LaterPolls, World
from tests.simulator.cloud_client import NIMBUS_APP, NIMBUS_SECRET, CloudClient, running

GROUP, OTHER = "cccccccc-0000-4000-8000-000000000001", "cccccccc-0000-4000-8000-000000000002"
ANA, BEN, CLEO = (f"aaaaaaaa-0000-4000-8000-{number:012}" for number in range(1, 4))
DIRECTORY = "/v1.0/groups"


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudClient]:
    with running(tmp_path_factory.mktemp("simulator")) as client:
        yield client


@pytest.fixture
def cloud(started: CloudClient) -> CloudClient:
    started.control("POST", "reset")
    return started


@pytest.fixture
def groups(world: World, cloud: CloudClient) -> Iterator[WatchGroups]:
    with open_session(cloud.gateway) as session:
        shelf = TokenShelf(world.account.table("signins"), world.secrets, world.clock)
        sign_ins = SignIns(session, CLOUDS["public"], NIMBUS_APP, NIMBUS_SECRET, world.clock, shelf)
        reader = GroupReader(sign_ins, Graph(session, CLOUDS["public"]))
        yield watching(world, reader)


def watching(world: World, reader: Groups, looks: Queue | None = None) -> WatchGroups:
    looks = looks or world.account.queue("watch-groups")
    return WatchGroups(world.account.table("presence"), world.tenants, world.directory, reader, looks, world.clock)


def tell(
    world: World, cloud: CloudClient, *members: str, roles: tuple[str, ...] = ("GroupMember.Read.All", "User.Read.All")
) -> None:
    """All three are users at Microsoft; these are in the group."""
    users = [{"id": user, "userPrincipalName": f"u{user[-1]}@contoso.example"} for user in (ANA, BEN, CLEO)]
    body = {
        "users": users,
        "groups": [{"id": GROUP, "members": list(members)}, {"id": OTHER, "members": [CLEO]}],
        "grants": [{"clientId": NIMBUS_APP, "roles": list(roles)}],
    }
    cloud.control("PUT", f"tenants/{world.tenant_id}", body)


def choose(world: World, groups: WatchGroups, group: str = GROUP) -> None:
    groups.choose(world.tenant_id, WatchGroupWrite(group_id=group), world.by)
    groups.sync(world.tenant_id)


def watched(world: World) -> list[str]:
    return world.directory.user_ids(world.tenant_id)


def test_members_are_brought_in_and_later_only_changes_are_read(
    world: World, cloud: CloudClient, groups: WatchGroups
) -> None:
    tell(world, cloud, ANA, BEN)
    choose(world, groups)
    assert watched(world) == [ANA, BEN]
    assert world.directory.user(world.tenant_id, ANA).value.upn == "u1@contoso.example"
    generation = world.directory.generation(world.tenant_id)
    cloud.control("DELETE", "requests")
    groups.sync(world.tenant_id)
    asked = [row["path"] for row in cloud.control("GET", "requests") if row["host"] == "graph.microsoft.com"]
    assert asked == [f"{DIRECTORY}/delta"]
    assert world.directory.generation(world.tenant_id) == generation, "nothing changed, so no poll cuts blocks anew"
    tell(world, cloud, BEN, CLEO)
    groups.sync(world.tenant_id)
    assert watched(world) == [BEN, CLEO]
    assert (groups.read(world.tenant_id).brought, groups.read(world.tenant_id).removed) == (1, 1)


def test_who_an_admin_put_there_stays_when_leaving_the_group(
    world: World, cloud: CloudClient, groups: WatchGroups
) -> None:
    world.put_user(ANA, "ana@contoso.example")
    tell(world, cloud, ANA, BEN)
    choose(world, groups)
    mine = UserWrite(upn="u2@contoso.example", display_name="Ben", licences=["ContactCenter"])
    versions = frozenset({world.directory.user(world.tenant_id, BEN).revision})
    world.directory.put_user(world.tenant_id, BEN, lambda: mine, versions=versions, by=world.by)
    tell(world, cloud)
    groups.sync(world.tenant_id)
    assert watched(world) == [ANA, BEN]
    assert world.directory.user(world.tenant_id, ANA).value.upn == "ana@contoso.example"


def test_an_agents_own_duty_switch_leaves_the_group_in_charge(
    world: World, cloud: CloudClient, groups: WatchGroups
) -> None:
    tell(world, cloud, ANA, BEN)
    choose(world, groups)
    duty = Duty(world.directory, world.agents, world.clock)
    duty.set(
        world.tenant_id, lambda: DutySwitch(active=False), Caller(world.tenant_id, ANA, "Ana", frozenset({"Agent"}))
    )
    tell(world, cloud, BEN)
    groups.sync(world.tenant_id)
    assert watched(world) == [BEN]


def test_a_sync_that_was_killed_is_done_again_in_full(world: World, cloud: CloudClient, groups: WatchGroups) -> None:
    tell(world, cloud, ANA, CLEO)
    choose(world, groups)
    tell(world, cloud, ANA, BEN)
    # As a killed one leaves it: users are there, and no link yet.
    groups.choose(world.tenant_id, WatchGroupWrite(group_id=GROUP), world.by)
    groups.sync(world.tenant_id)
    assert watched(world) == [ANA, BEN]


def test_a_link_microsoft_has_forgotten_leads_to_a_full_read(
    world: World, cloud: CloudClient, groups: WatchGroups
) -> None:
    tell(world, cloud, ANA)
    choose(world, groups)
    cloud.control("POST", "reset")
    tell(world, cloud, BEN)
    groups.sync(world.tenant_id)
    assert watched(world) == [BEN]


def test_a_group_that_cannot_be_read_changes_nobody_and_says_why(
    world: World, cloud: CloudClient, groups: WatchGroups
) -> None:
    tell(world, cloud, ANA)
    choose(world, groups)
    world.clock.move(hours=2)
    tell(world, cloud, BEN, roles=("User.Read.All",))
    groups.sync(world.tenant_id)
    assert watched(world) == [ANA]
    assert groups.read(world.tenant_id).problem == "Authorization_RequestDenied"


def test_without_a_group_nothing_is_synced_and_who_was_brought_stays(
    world: World, cloud: CloudClient, groups: WatchGroups
) -> None:
    tell(world, cloud, ANA)
    choose(world, groups)
    groups.forget(world.tenant_id, world.by)
    groups.sync(world.tenant_id)
    assert watched(world) == [ANA]
    with pytest.raises(NotFound):
        groups.read(world.tenant_id)


def test_whom_an_earlier_choice_brought_is_an_admins_even_if_the_same_group_is_chosen_again(
    world: World, cloud: CloudClient, groups: WatchGroups
) -> None:
    tell(world, cloud, ANA, BEN)
    choose(world, groups)
    choose(world, groups, OTHER)
    assert watched(world) == [ANA, BEN, CLEO]
    tell(world, cloud, BEN)
    choose(world, groups)
    assert watched(world) == [ANA, BEN, CLEO]
    groups.forget(world.tenant_id, world.by)
    tell(world, cloud)
    choose(world, groups)
    assert watched(world) == [ANA, BEN, CLEO]


class FakeGroups:
    """Says what it was told to say next."""

    def __init__(self) -> None:
        self.next = GroupChanges([], [], True, "link")
        self.links: list[str] = []

    def changes(self, tenant_id: str, group_id: str, link: str) -> GroupChanges:
        self.links.append(link)
        return self.next


def test_members_without_names_are_not_taken_for_gone_and_the_problem_is_told(world: World) -> None:
    reader = FakeGroups()
    groups = watching(world, reader)
    ana, ben = (GroupMember(one, f"u{one[-1]}@contoso.example", "U") for one in (ANA, BEN))
    reader.next = GroupChanges([ana, ben], [], True, "link")
    choose(world, groups)
    reader.next = GroupChanges([ana, GroupMember(BEN, "", ""), GroupMember(CLEO, "", "")], [], True, "link")
    groups.sync(world.tenant_id)
    assert watched(world) == [ANA, BEN]
    assert groups.read(world.tenant_id).problem == "MembersWithoutNames"
    reader.next = GroupChanges([ana], [], True, "link")
    groups.sync(world.tenant_id)
    assert (watched(world), groups.read(world.tenant_id).problem) == ([ANA], None)
    assert reader.links == ["", "link", ""], "everybody is read again, not only who came since"


def test_who_left_and_came_back_between_two_looks_stays(world: World) -> None:
    reader = FakeGroups()
    groups = watching(world, reader)
    ana = GroupMember(ANA, "u1@contoso.example", "Ana")
    reader.next = GroupChanges([ana], [], True, "link")
    choose(world, groups)
    reader.next = GroupChanges([ana], [ANA], False, "link")
    groups.sync(world.tenant_id)
    assert watched(world) == [ANA]


def test_the_nightly_look_is_for_every_tenant_with_a_group_and_for_no_other(world: World) -> None:
    with_group, without = world, World(world.account, world.clock, str(uuid.uuid4()))
    looks = LaterPolls()
    nightly = watching(world, FakeGroups(), looks)
    nightly.choose(with_group.tenant_id, WatchGroupWrite(group_id=GROUP), world.by)
    looks.take()
    nightly.plan()
    asked = [message["tenantId"] for message, _ in looks.take()]
    assert (asked.count(with_group.tenant_id), asked.count(without.tenant_id)) == (1, 0)
