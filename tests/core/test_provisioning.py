"""Provisioning closes the gaps a check names, does nothing twice, and can be stopped anywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from shared.kernel.errors import Denied, Unreachable
from shared.permissions.provisioning import Step
from tests.core.permission_world import ADMIN_SCOPES, CLIENT_IDS, READS, PermissionWorld
from tests.core.world import World
from tests.simulator.cloud_client import CloudClient

Gaps = set[tuple[str, str]]


@pytest.fixture
def tenant(world: World, simulator: CloudClient) -> PermissionWorld:
    return PermissionWorld(world, simulator)


def role(component: str, *names: str) -> Gaps:
    return {(component, name) for name in names}


def nothing_but_routing(tenant: PermissionWorld) -> None:
    tenant.license(["ContactCenter"])


def everything(tenant: PermissionWorld) -> None:
    tenant.interact_on()


def with_guests(tenant: PermissionWorld) -> None:
    tenant.world.set(presenceTracking={"trackOverGuestAccounts": True})


def no_change(_: PermissionWorld) -> None:
    """Every product, Interact off."""


# Who is licensed for what, which grants are taken away, and the gaps that must show: those of them that are needed.
FIVE_TENANTS: dict[str, tuple[Callable[[PermissionWorld], None], Gaps, Gaps]] = {
    "one role of one app": (
        no_change,
        role("Calling Bot", "Calls.Initiate.All"),
        role("Calling Bot", "Calls.Initiate.All"),
    ),
    "scopes of three apps on two resources": (
        no_change,
        role("Assistant App", "Teams.ManageChats", "User.Read.All")
        | role("Attendant Console", "Contacts.Read.Shared")
        | role("Nimbus App", "User.ReadBasic.All"),
        role("Assistant App", "Teams.ManageChats", "User.Read.All")
        | role("Attendant Console", "Contacts.Read.Shared")
        | role("Nimbus App", "User.ReadBasic.All"),
    ),
    "whole apps": (
        everything,
        role("Media Bot", "*") | role("Interact App", "*") | role("Assistant App", "*"),
        role("Media Bot", "Calls.AccessMedia.All", "Calls.JoinGroupCall.All")
        | role(
            "Interact App",
            "Calls.InitiateGroupCall.All",
            "Calls.JoinGroupCall.All",
            "OnlineMeetingArtifact.Read.All",
            "OnlineMeetings.Read.All",
            "OnlineMeetings.ReadWrite.All",
        )
        | role("Assistant App", "Teams.ManageCalls", "Teams.ManageChats", "User.Read.All", "Presence.Read"),
    ),
    "gaps that nobody needs": (
        nothing_but_routing,
        role("Interact App", "*") | role("Assistant App", "*") | role("Nimbus App", "GroupMember.Read.All"),
        role("Nimbus App", "GroupMember.Read.All"),
    ),
    "presence over guests": (
        with_guests,
        role("Nimbus App", "Presence.Read.All"),
        role("Nimbus App", "Presence.Read.All", "Presence.Read.All (Delegated)"),
    ),
}


def plant(tenant: PermissionWorld, gone: Gaps) -> None:
    for component, name in gone:
        for granted in (tenant.roles, tenant.scopes):
            if name == "*":
                granted.pop(component, None)
            else:
                granted.get(component, set()).discard(name)
    tenant.settle()


@pytest.mark.parametrize("name", FIVE_TENANTS)
def test_check_names_exactly_the_planted_gaps_provision_closes_them_and_a_second_run_does_nothing(
    tenant: PermissionWorld, name: str
) -> None:
    prepare, gone, gaps = FIVE_TENANTS[name]
    prepare(tenant)
    plant(tenant, gone)
    assert tenant.gaps() == gaps

    steps = tenant.provision()
    assert "failed" not in {step.outcome for step in steps}
    granted = {
        (step.component, step.permission, step.kind) for step in steps if step.outcome == "granted" and step.kind
    }
    assert {(component, name) for component, name, _ in granted} == {
        (component, name.removesuffix(" (Delegated)")) for component, name in gaps
    }
    assert len(granted) == len(gaps)
    assert tenant.gaps() == set()

    tenant.cloud.control("DELETE", "requests")
    assert {step.outcome for step in tenant.provision()} == {"there"}
    assert tenant.asked("POST", "PATCH", "DELETE") == []


def test_a_dry_run_tells_the_same_steps_and_changes_nothing(tenant: PermissionWorld) -> None:
    everything(tenant)
    plant(tenant, FIVE_TENANTS["whole apps"][1])
    planned = tenant.provision(dry_run=True)
    assert tenant.asked("POST", "PATCH", "DELETE") == []
    assert Counter(step.outcome for step in planned)["granted"] == 0
    done = tenant.provision()
    assert [(s.component, s.permission, s.kind) for s in planned] == [(s.component, s.permission, s.kind) for s in done]
    assert [s.outcome == "planned" for s in planned] == [s.outcome == "granted" for s in done]


def test_optional_permissions_are_granted_only_when_asked_for(tenant: PermissionWorld) -> None:
    assert not [step for step in tenant.provision() if step.permission.startswith("Mail.")]
    tenant.provision(optional=True)
    assert tenant.check()["Nimbus App"].missing_optional == []


def test_a_grant_that_lacks_some_scopes_is_widened_in_one_call(tenant: PermissionWorld) -> None:
    plant(tenant, role("Attendant Console", "Contacts.Read", "Calendars.Read"))
    tenant.provision()
    assert tenant.asked("POST") == []
    assert len(tenant.asked("PATCH")) == 1


def test_what_is_too_much_stays(tenant: PermissionWorld) -> None:
    tenant.roles["Calling Bot"].add("Directory.Read.All")
    tenant.scopes["Attendant Console"] = {"Files.Read.All"}
    tenant.settle()
    tenant.provision()
    found = tenant.check()
    assert found["Calling Bot"].extra == ["Directory.Read.All"]
    assert (found["Attendant Console"].state, found["Attendant Console"].extra) == ("complete", ["Files.Read.All"])


def test_an_app_that_does_not_show_yet_is_waited_for(tenant: PermissionWorld) -> None:
    plant(tenant, role("Media Bot", "*") | role("Assistant App", "*"))
    tenant.more["replicationLag"] = 4
    tenant.settle()
    assert "failed" not in {step.outcome for step in tenant.provision()}
    assert tenant.slept
    assert tenant.gaps() == set()


def test_an_app_that_never_shows_fails_alone_and_in_time(tenant: PermissionWorld) -> None:
    plant(tenant, role("Media Bot", "*") | role("Attendant Console", "Contacts.Read"))
    tenant.more["replicationLag"] = 10_000
    tenant.settle()
    # A pause of 2 s does not fit into half a second.
    failed = [step for step in tenant.provision(patience=0.5) if step.outcome == "failed"]
    assert [(step.component, step.permission) for step in failed] == [("Media Bot", "the app")]
    assert "run this again" in failed[0].detail
    assert tenant.check()["Attendant Console"].state == "complete"


class Stop(BaseException):
    """A person's Ctrl-C."""


@pytest.mark.parametrize("after", [1, 4, 7, 11])
def test_a_run_that_was_stopped_anywhere_goes_on_where_it_was(tenant: PermissionWorld, after: int) -> None:
    everything(tenant)
    plant(tenant, FIVE_TENANTS["whole apps"][1])
    told: list[Step] = []

    def stop(step: Step) -> None:
        told.extend([step] if step.outcome == "granted" else [])
        if len(told) == after:
            raise Stop

    with pytest.raises(Stop):
        tenant.provision(stop)
    again = [step for step in tenant.provision() if step.outcome == "granted"]
    assert not {(s.component, s.permission, s.kind) for s in told} & {
        (s.component, s.permission, s.kind) for s in again
    }
    assert tenant.gaps() == set()


def test_two_runs_at_once_lose_nothing(tenant: PermissionWorld) -> None:
    """The second one runs to its end between any two steps of the first."""
    everything(tenant)
    plant(tenant, FIVE_TENANTS["whole apps"][1])
    other: list[Any] = []

    def meanwhile(step: Step) -> None:
        if not other and step.component == "Media Bot":
            other.append(tenant.provision())

    tenant.provision(meanwhile)
    assert other
    assert tenant.gaps() == set()


def test_a_run_that_meets_what_another_one_granted_since_it_looked_takes_it_as_there(tenant: PermissionWorld) -> None:
    """Roles answer 400, delegated grants 409; a scope somebody else granted meanwhile stays."""
    plant(
        tenant, role("Nimbus App", "Channel.ReadBasic.All", "GroupMember.Read.All", "User.Read", "User.ReadBasic.All")
    )
    other: list[Any] = []

    def meanwhile(step: Step) -> None:
        if not other and step.outcome == "granted":
            other.append(tenant.provision())
            tenant.grant_more("Nimbus App", "Files.Read.All")

    outcomes = {(s.permission, s.kind): s.outcome for s in tenant.provision(meanwhile) if s.component == "Nimbus App"}
    assert outcomes["Channel.ReadBasic.All", "Application"] == "granted"
    assert outcomes["GroupMember.Read.All", "Application"] == "there"
    found = tenant.check()["Nimbus App"]
    assert (found.state, found.extra) == ("complete", ["Files.Read.All"])


@pytest.mark.parametrize("missing", ["AppRoleAssignment.ReadWrite.All", "DelegatedPermissionGrant.ReadWrite.All"])
def test_an_administrator_who_may_not_grant_is_told_which_role_may(tenant: PermissionWorld, missing: str) -> None:
    plant(tenant, role("Calling Bot", "Calls.Initiate.All") | role("Assistant App", "Presence.Read"))
    steps = tenant.provision(scopes={*ADMIN_SCOPES, "DelegatedPermissionGrant.Read.All"} - {missing})
    (failed,) = [step for step in steps if step.outcome == "failed"]
    assert "Privileged Role Administrator" in failed.detail


def test_without_the_right_to_read_nothing_is_tried(tenant: PermissionWorld) -> None:
    with pytest.raises(Denied):
        tenant.provision(scopes=["User.Read"])
    assert tenant.asked("POST", "PATCH") == []


def test_an_app_nobody_registered_fails_alone(tenant: PermissionWorld) -> None:
    plant(tenant, role("Media Bot", "*"))
    ids = CLIENT_IDS | {"Media Bot": "a0000000-0000-4000-8000-0000000000ff"}
    del ids["Assistant App"]
    failed = {step.component: step.detail for step in tenant.provision(client_ids=ids) if step.outcome == "failed"}
    assert failed.keys() == {"Media Bot", "Assistant App"}
    assert "does not reference a valid application" in failed["Media Bot"]
    assert "COMPONENT_CLIENT_IDS" in failed["Assistant App"]


def test_throttling_in_the_middle_is_waited_out(tenant: PermissionWorld) -> None:
    plant(tenant, role("Calling Bot", "Calls.Initiate.All"))
    throttled = {"host": "graph.microsoft.com", "pathPrefix": "/v1.0/servicePrincipals", "status": 429, "retryAfter": 3}
    tenant.cloud.control("POST", "faults", throttled | {"times": 2})
    tenant.provision()
    assert tenant.slept == [3, 3]
    assert tenant.gaps() == set()


def test_an_outage_at_the_start_is_an_error_and_later_a_failed_step(tenant: PermissionWorld) -> None:
    down = {"host": "graph.microsoft.com", "status": 503, "times": None}
    tenant.cloud.control("POST", "faults", down | {"pathPrefix": "/v1.0/oauth2PermissionGrants"})
    assert {step.outcome for step in tenant.provision()} >= {"failed"}
    tenant.cloud.control("POST", "faults", down)
    with pytest.raises(Unreachable):
        tenant.provision()


def test_what_reads_grants_is_not_granted_on_the_way(tenant: PermissionWorld) -> None:
    tenant.roles["Nimbus App"] -= READS
    tenant.settle()
    assert not [step for step in tenant.provision() if step.permission in READS]
