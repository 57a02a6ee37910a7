"""Service principals and grants of Graph, whatever it answers."""

from __future__ import annotations

import pytest
import requests

from shared.clients.entra.sign_in import SignIns
from shared.clients.graph.granted_reader import GrantedReader
from shared.clients.graph.grants import MOST_PAGES, Grants, NotReplicated, Principal, RoleAssignment, ScopeGrant
from shared.clients.graph.graph import TokenRefused
from shared.kernel.components import RESOURCE_CLIENT_IDS
from shared.kernel.errors import AppError, Broken, Denied, Throttled, Unreachable
from tests.clients.fake_cloud import CLOUD, TENANT, Answer, Asked, FakeCloud, TurnedClock

ROOT = "/graph.microsoft.com/v1.0"
APP = "a0000000-0000-4000-8000-000000000011"
A = "bbbbbbbb-0000-4000-8000-00000000000a"
B = "bbbbbbbb-0000-4000-8000-00000000000b"
ROLE = "284383ee-7f6e-4e40-a2a8-e85dcb029101"


@pytest.fixture
def grants(session: requests.Session, clock: TurnedClock) -> Grants:
    return Grants(session, CLOUD, clock)


def test_apps_are_found_with_the_roles_they_offer_and_nonsense_is_dropped(cloud: FakeCloud, grants: Grants) -> None:
    roles = [{"id": ROLE.upper(), "value": "Calls.Initiate.All"}, {"id": A, "value": None}, 5, {}]
    rows = [
        {"id": A, "appId": APP.upper(), "appRoles": roles},
        {"id": B, "appId": B, "appRoles": []},  # not asked for
        {"id": "../x", "appId": APP},
        {"id": A},
        None,
        "row",
    ]
    cloud.on(f"{ROOT}/servicePrincipals", Answer(body={"value": rows}))
    assert grants.principals("token", [APP]) == {APP: Principal(A, APP, {ROLE: "Calls.Initiate.All"})}


def test_assignments_and_grants_that_make_no_sense_are_dropped(cloud: FakeCloud, grants: Grants) -> None:
    rows = [{"resourceId": B, "appRoleId": ROLE, "resourceDisplayName": None}, {"resourceId": 5}, []]
    cloud.on(f"{ROOT}/servicePrincipals/{A}/appRoleAssignments", Answer(body={"value": rows}))
    assert grants.roles("token", A) == [RoleAssignment(B, "another API", ROLE)]
    rows = [{"id": "g1", "resourceId": B, "scope": " User.Read  Mail.Send "}, {"id": "g2", "resourceId": B}, {}]
    cloud.on(f"{ROOT}/oauth2PermissionGrants", Answer(body={"value": rows}))
    assert grants.scopes("token", A) == [ScopeGrant("g1", B, frozenset({"User.Read", "Mail.Send"}))]


def test_pages_without_an_end_are_given_up(cloud: FakeCloud, grants: Grants) -> None:
    path = f"{ROOT}/servicePrincipals/{A}/appRoleAssignments"
    again = f"https://graph.microsoft.com/v1.0/servicePrincipals/{A}/appRoleAssignments"
    cloud.on(path, Answer(body={"value": [], "@odata.nextLink": again}))
    with pytest.raises(Broken):
        grants.roles("token", A)
    assert cloud.count(path) == MOST_PAGES


@pytest.mark.parametrize(
    "link", ["https://evil.example/x", "https://graph.microsoft.com.evil.example/v1.0/", "//x", 5, ["x"]]
)
def test_the_token_follows_no_link_to_elsewhere(cloud: FakeCloud, grants: Grants, link: object) -> None:
    cloud.on(f"{ROOT}/oauth2PermissionGrants", Answer(body={"value": [], "@odata.nextLink": link}))
    with pytest.raises(Broken):
        grants.scopes("token", A)
    assert len(cloud.asked) == 1


@pytest.mark.parametrize(
    ("answer", "done"),
    [
        (Answer(201, {"id": A}), True),
        (Answer(409, {"error": {"code": "Request_MultipleObjectsWithSameKeyValue"}}), False),
        (Answer(400, {"error": {"message": "Permission being assigned already exists on the object"}}), False),
    ],
)
def test_what_is_there_already_is_an_answer(cloud: FakeCloud, grants: Grants, answer: Answer, done: bool) -> None:
    cloud.on(f"{ROOT}/servicePrincipals/{B}/appRoleAssignedTo", answer)
    assert grants.assign_role("token", A, B, ROLE) is done
    assert cloud.asked[0].json() == {"principalId": A, "resourceId": B, "appRoleId": ROLE}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(401), TokenRefused),
        (Answer(403, {"error": {"code": "Authorization_RequestDenied"}}), Denied),
        (Answer(404), NotReplicated),
        (Answer(429, headers={"Retry-After": "3"}), Throttled),
        (Answer(503), Unreachable),
        (Answer(400, {"error": {"message": "The appId does not reference a valid application object."}}), Broken),
        (Answer(500, b"<html>"), Broken),
        (Answer(201, b"<html>"), Broken),
        (Answer(302, headers={"Location": "https://evil.example/"}), Broken),
        (Answer(drop=True), Unreachable),
    ],
)
def test_everything_else_is_one_of_our_errors(
    cloud: FakeCloud, grants: Grants, answer: Answer, error: type[AppError]
) -> None:
    cloud.on(f"{ROOT}/servicePrincipals", answer)
    with pytest.raises(error) as raised:
        grants.add_principal("secret-token", APP)
    assert "secret-token" not in raised.value.detail


def test_a_grants_id_stays_one_segment_of_the_path(cloud: FakeCloud, grants: Grants) -> None:
    def answer(asked: Asked) -> Answer:
        return Answer(204, b"") if asked.json() == {"scope": "A.Read B.Read"} else Answer(400)

    cloud.on(f"{ROOT}/oauth2PermissionGrants/a%2Fb%3Fc", answer)
    grants.rewrite_grant("token", "a/b?c", ["B.Read", "A.Read"])


class SignedIn(SignIns):
    """As the Nimbus App, with a token at hand."""

    def __init__(self) -> None:
        pass

    def app_token(self, tenant_id: str, *, fresh: bool = False) -> str:
        return "token"


def test_a_permission_of_another_api_is_not_taken_for_one_of_graph(cloud: FakeCloud, grants: Grants) -> None:
    graph, other = "cccccccc-0000-4000-8000-00000000000a", "cccccccc-0000-4000-8000-00000000000b"
    roles = [{"id": ROLE, "value": "Calls.Initiate.All"}]
    apps = [
        {"id": A, "appId": APP, "appRoles": []},
        {"id": graph, "appId": RESOURCE_CLIENT_IDS["Microsoft Graph"], "appRoles": roles},
    ]
    assigned = [{"resourceId": one, "appRoleId": ROLE, "resourceDisplayName": "Files"} for one in (graph, other)]
    consented = [{"id": one, "resourceId": one, "scope": "User.Read"} for one in (graph, other)]
    cloud.on(f"{ROOT}/servicePrincipals", Answer(body={"value": apps}))
    cloud.on(f"{ROOT}/servicePrincipals/{A}/appRoleAssignments", Answer(body={"value": assigned}))
    cloud.on(f"{ROOT}/oauth2PermissionGrants", Answer(body={"value": consented}))
    found = GrantedReader(SignedIn(), grants, [], APP).read(TENANT, [APP])[APP]
    assert found.roles == frozenset({"Calls.Initiate.All", f"Files: {ROLE}"})
    assert found.scopes == frozenset({"User.Read", "another API: User.Read"})
    (consented[0]["scope"], consented[1]["scope"]) = ("", "Mail.Send")
    assert GrantedReader(SignedIn(), grants, [], APP).read(TENANT, [APP])[APP].scopes == frozenset(
        {"another API: Mail.Send"}
    )
