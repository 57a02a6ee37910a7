"""A tenant's grants, read from the simulated Microsoft and held against what it needs."""

from __future__ import annotations

import pytest

from shared.clients.graph.granted_reader import GrantedReader
from shared.kernel.errors import Broken, Denied, RateLimited, Throttled, Unreachable
from shared.permissions.checks import LAST
from tests.core.permission_world import CLIENT_IDS, READS, ROLES, SCOPES, PermissionWorld
from tests.core.world import World
from tests.simulator.cloud_client import NIMBUS_APP, CloudClient

SERVICE_PRINCIPALS = "/v1.0/servicePrincipals"
OTHERS = set(CLIENT_IDS) - {"Nimbus App"}


@pytest.fixture
def tenant(world: World, simulator: CloudClient) -> PermissionWorld:
    return PermissionWorld(world, simulator)


def fault(tenant: PermissionWorld, **how: object) -> None:
    tenant.cloud.control("POST", "faults", {"host": "graph.microsoft.com", "times": None, **how})


def test_a_tenant_that_granted_everything_is_complete(tenant: PermissionWorld) -> None:
    tenant.interact_on()
    found = tenant.check()
    assert {name: one.state for name, one in found.items()} == dict.fromkeys(CLIENT_IDS, "complete")
    assert [one.missing + one.extra for one in found.values()] == [[]] * 6
    assert found["Nimbus App"].missing_optional == [
        "Mail.ReadWrite",
        "Mail.Send",
        "Presence.Read.All (Delegated)",
        "OnlineMeetings.ReadWrite.All",
    ]
    assert found["Assistant App"].granted == [
        "Teams.ManageCalls",
        "Teams.ManageChats",
        "User.Read.All",
        "Presence.Read",
    ]


def test_grants_of_the_interact_app_are_too_much_while_interact_is_off(tenant: PermissionWorld) -> None:
    found = tenant.check()["Interact App"]
    assert (found.state, set(found.extra)) == ("complete", ROLES["Interact App"])


@pytest.mark.parametrize("component", sorted(OTHERS))
def test_an_app_that_is_not_in_the_tenant_lacks_all_it_needs(tenant: PermissionWorld, component: str) -> None:
    tenant.interact_on()
    tenant.roles.pop(component, None)
    tenant.scopes.pop(component, None)
    tenant.settle()
    expected = ROLES.get(component, set()) | SCOPES.get(component, set())
    assert tenant.gaps() == {(component, name) for name in expected}


def test_one_call_finds_the_apps_and_two_more_read_each(tenant: PermissionWorld) -> None:
    tenant.check()
    assert len(tenant.asked("GET")) == 1 + 2 * 6
    tenant.cloud.control("DELETE", "requests")
    del tenant.roles["Interact App"]
    tenant.settle()
    tenant.check()
    assert len(tenant.asked("GET")) == 1 + 2 * 5


def test_grants_on_several_pages_are_all_seen(tenant: PermissionWorld) -> None:
    tenant.roles["Calling Bot"] |= {f"Made.Up.{number}" for number in range(250)}
    tenant.settle()
    found = tenant.check()["Calling Bot"]
    assert (found.state, len(found.extra)) == ("complete", 250)


# where Graph refuses to tell


def test_refused_by_graph_the_nimbus_app_still_knows_itself(tenant: PermissionWorld) -> None:
    tenant.roles["Nimbus App"] -= READS | {"User.Read.All"}
    tenant.scopes["Nimbus App"].add("Presence.Read.All")  # without it no guest account signs in
    tenant.settle()
    found = tenant.check()
    assert {found[name].state for name in OTHERS} == {"unknown"}
    assert all("Application.Read.All" in str(found[name].remedy) for name in OTHERS)
    own = found["Nimbus App"]
    assert (own.state, own.missing) == ("gaps", ["User.Read.All"])
    assert {"Presence.Read.All", "User.Read", "User.ReadBasic.All"} <= set(own.granted)


def test_refused_by_graph_and_with_all_it_needs_the_nimbus_app_is_complete(tenant: PermissionWorld) -> None:
    tenant.roles["Nimbus App"] -= READS
    tenant.scopes["Nimbus App"].add("Presence.Read.All")
    tenant.settle()
    assert tenant.check()["Nimbus App"].state == "complete"


def test_refused_by_graph_and_without_a_guest_the_delegated_rows_are_unknown(tenant: PermissionWorld) -> None:
    tenant.roles["Nimbus App"] -= READS
    tenant.more = {"guests": []}
    tenant.settle()
    own = tenant.check()["Nimbus App"]
    assert (own.state, own.missing) == ("unknown", [])
    assert "User.Read" not in own.granted
    assert "guest" in str(own.remedy)


def test_with_app_roles_readable_and_delegated_grants_not_each_kind_is_judged_alone(tenant: PermissionWorld) -> None:
    tenant.roles["Nimbus App"].remove("DelegatedPermissionGrant.Read.All")
    tenant.scopes["Nimbus App"].add("Presence.Read.All")
    tenant.roles["Calling Bot"].remove("Calls.Initiate.All")
    tenant.settle()
    found = tenant.check()
    assert (found["Calling Bot"].state, found["Calling Bot"].missing) == ("gaps", ["Calls.Initiate.All"])
    assert found["Media Bot"].state == "complete"
    assert found["Attendant Console"].state == "unknown"
    assert found["Nimbus App"].state == "complete"


@pytest.mark.parametrize("last", sorted(READS))
def test_the_right_to_read_granted_a_moment_ago_counts_at_once(tenant: PermissionWorld, last: str) -> None:
    tenant.roles["Nimbus App"].remove(last)
    tenant.settle()
    assert tenant.check()["Attendant Console"].state == "unknown"
    tenant.roles["Nimbus App"].add(last)
    tenant.settle()
    assert {one.state for one in tenant.check().values()} == {"complete"}


def test_a_tenant_without_the_nimbus_app_lacks_all_of_it_and_the_rest_is_unknown(tenant: PermissionWorld) -> None:
    del tenant.roles["Nimbus App"], tenant.scopes["Nimbus App"]
    tenant.settle()
    found = tenant.check()
    assert found["Nimbus App"].state == "gaps"
    assert len(found["Nimbus App"].missing) == 6
    assert {found[name].state for name in OTHERS} == {"unknown"}


# where Microsoft fails


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ({"status": 503}, Unreachable),
        ({"status": 429, "retryAfter": 7}, Throttled),
        ({"status": 500}, Broken),
        ({"status": 200, "body": "<html>"}, Broken),
        ({"status": 200, "body": {"value": 5}}, Broken),
        ({"status": 200, "body": {"value": [], "@odata.nextLink": "https://evil.example/"}}, Broken),
        ({"drop": True}, Unreachable),
    ],
)
def test_an_outage_is_an_error_of_ours(tenant: PermissionWorld, how: dict[str, object], error: type) -> None:
    fault(tenant, pathPrefix=SERVICE_PRINCIPALS, **how)
    with pytest.raises(error):
        tenant.check()


def test_a_refused_sign_in_is_told_with_entras_code(tenant: PermissionWorld) -> None:
    fault(tenant, host="login.microsoftonline.com", aadsts="AADSTS7000215")
    with pytest.raises(Denied, match="AADSTS7000215") as refused:
        tenant.check()
    assert refused.value.reason == "AADSTS7000215"
    assert "operator" in str(refused.value.members["remedy"])


def test_an_app_that_the_tenant_disabled_is_not_told_as_an_app_without_permissions(tenant: PermissionWorld) -> None:
    fault(tenant, host="login.microsoftonline.com", aadsts="AADSTS7000112")
    with pytest.raises(Denied) as refused:
        tenant.check()
    assert "Enabled for users to sign in" in str(refused.value.members["remedy"])


@pytest.mark.parametrize("status", [429, 500, 503])
def test_where_one_answer_is_missing_only_its_rows_are_unknown(tenant: PermissionWorld, status: int) -> None:
    fault(tenant, pathPrefix="/v1.0/oauth2PermissionGrants", status=status)
    found = tenant.check()
    assert found["Calling Bot"].state == "complete"
    assert (found["Attendant Console"].state, found["Attendant Console"].granted) == ("unknown", [])
    assert "Try again" in str(found["Attendant Console"].remedy)


def test_a_cloud_that_hangs_is_given_up_in_time(tenant: PermissionWorld) -> None:
    reader = GrantedReader(tenant.sign_ins, tenant.grants, [], NIMBUS_APP, patience=0.3)
    fault(tenant, pathPrefix="/v1.0/oauth2PermissionGrants", delayMs=1500)
    found = reader.read(tenant.tenant_id, CLIENT_IDS.values())
    assert {one.why for one in found.values()} == {"NoAnswer"}


# what is kept for the overview


def test_before_the_first_check_nothing_is_claimed(tenant: PermissionWorld) -> None:
    assert tenant.checks.last(tenant.world.head).as_json() == {"state": "unknown", "gaps": [], "checkedAt": None}


def test_the_last_check_is_kept_with_its_time_and_costs_no_call(tenant: PermissionWorld) -> None:
    tenant.roles["Media Bot"] = {"Calls.AccessMedia.All"}
    tenant.settle()
    tenant.check()
    tenant.cloud.control("DELETE", "requests")
    told = tenant.checks.last(tenant.world.head).as_json()
    assert told["state"] == "gaps"
    assert told["gaps"] == [{"component": "Media Bot", "missing": ["Calls.JoinGroupCall.All"]}]
    assert told["checkedAt"] == "2026-03-01T12:00:00.000Z"
    assert tenant.asked("GET") == []


def test_what_was_found_is_held_against_what_is_needed_today(tenant: PermissionWorld) -> None:
    del tenant.roles["Interact App"]
    tenant.settle()
    tenant.check()
    assert tenant.checks.last(tenant.world.head).as_json()["state"] == "complete"
    tenant.interact_on()
    told = tenant.checks.last(tenant.world.head).as_json()
    assert [(gap["component"], len(gap["missing"])) for gap in told["gaps"]] == [("Interact App", 5)]


@pytest.mark.parametrize("earlier", [0, 1])
def test_a_slower_check_does_not_write_over_a_faster_one(tenant: PermissionWorld, earlier: int) -> None:
    for _ in range(earlier):
        tenant.check()
    slow = tenant.world.head
    tenant.check()
    del tenant.roles["Media Bot"]
    tenant.settle()
    tenant.world.clock.move(minutes=1)
    tenant.checks.check(slow)
    assert tenant.checks.last(tenant.world.head).as_json()["state"] == "complete"
    tenant.check()
    assert tenant.checks.last(tenant.world.head).as_json()["state"] == "gaps"


def test_an_outage_does_not_erase_what_an_older_check_found(tenant: PermissionWorld) -> None:
    tenant.check()
    fault(tenant, pathPrefix="/v1.0/oauth2PermissionGrants", status=503)
    tenant.check()
    assert tenant.checks.last(tenant.world.head).as_json()["state"] == "complete"


def test_what_is_kept_stays_small_however_much_was_granted(tenant: PermissionWorld) -> None:
    tenant.roles["Calling Bot"] |= {f"Made.Up.{number}" for number in range(500)}
    tenant.settle()
    tenant.check()
    assert len(str(tenant.world.head.rows[LAST].values)) < 3000


def test_a_check_beyond_the_pace_signs_nobody_in(tenant: PermissionWorld) -> None:
    tenant.pace.left = 1
    tenant.check()
    asked = len(tenant.asked("GET"))
    with pytest.raises(RateLimited):
        tenant.check()
    assert len(tenant.asked("GET")) == asked
