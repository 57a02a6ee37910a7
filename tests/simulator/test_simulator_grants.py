"""Writing service principals and grants, refused and repeated as Graph does it."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.simulator.cloud_client import CONTOSO, GRAPH, NIMBUS_APP, CloudClient

BOT = "a0000000-0000-4000-8000-000000000011"
GRAPH_APP = "00000003-0000-0000-c000-000000000000"
ACS_APP = "1fd5118e-2576-4263-8130-9503064c837a"
INITIATE = "284383ee-7f6e-4e40-a2a8-e85dcb029101"
READ = ("Application.Read.All", "DelegatedPermissionGrant.Read.All")
ALL = (*READ, "Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All", "DelegatedPermissionGrant.ReadWrite.All")


class Admin:
    """Somebody with these permissions, calling Graph in Contoso."""

    def __init__(self, cloud: CloudClient, *permissions: str) -> None:
        self._cloud = cloud
        self._header = cloud.graph_user(" ".join(permissions), "admin@contoso.example")

    def call(self, method: str, path: str, body: Any = None) -> requests.Response:
        return self._cloud.http.request(method, f"{GRAPH}/v1.0/{path}", json=body, headers=self._header, timeout=10)

    def principal(self, client_id: str) -> str:
        return str(self.call("GET", f"servicePrincipals(appId='{client_id}')?$select=id").json()["id"])

    def add(self, client_id: str) -> requests.Response:
        return self.call("POST", "servicePrincipals", {"appId": client_id})

    def assign(self, principal: str, role: str = INITIATE) -> requests.Response:
        graph = self.principal(GRAPH_APP)
        body = {"principalId": principal, "resourceId": graph, "appRoleId": role}
        return self.call("POST", f"servicePrincipals/{graph}/appRoleAssignedTo", body)

    def grant(self, principal: str, resource: str, scope: str) -> requests.Response:
        body = {"clientId": principal, "consentType": "AllPrincipals", "resourceId": resource, "scope": scope}
        return self.call("POST", "oauth2PermissionGrants", body)


@pytest.fixture
def admin(cloud: CloudClient) -> Admin:
    cloud.contoso()
    return Admin(cloud, *ALL)


def code(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["error"]["code"])


def described(cloud: CloudClient) -> dict[str, dict[str, list[str]]]:
    tenant = cloud.control("GET", f"tenants/{CONTOSO}")
    return {
        "grants": {row["clientId"]: row["roles"] for row in tenant["grants"]},
        "consents": {row["clientId"]: row["scopes"] for row in tenant["consents"]},
    }


def test_an_app_is_added_once_and_an_unknown_one_never(admin: Admin) -> None:
    made = admin.add(BOT)
    assert (made.status_code, made.json()["appId"], made.json()["displayName"]) == (201, BOT, "Calling Bot")
    assert code(admin.add(BOT)) == (409, "Request_MultipleObjectsWithSameKeyValue")
    assert code(admin.add(NIMBUS_APP)) == (409, "Request_MultipleObjectsWithSameKeyValue")
    assert code(admin.add("a0000000-0000-4000-8000-0000000000ff")) == (400, "Request_BadRequest")


def test_a_role_is_assigned_once_listed_and_taken_away(cloud: CloudClient, admin: Admin) -> None:
    bot = admin.add(BOT).json()["id"]
    made = admin.assign(bot)
    assert made.status_code == 201
    again = admin.assign(bot)
    assert "already exists on the object" in again.json()["error"]["message"]
    assert code(again) == (400, "Request_BadRequest")
    assert described(cloud)["grants"][BOT] == ["Calls.Initiate.All"]
    path = f"servicePrincipals/{bot}/appRoleAssignments/{made.json()['id']}"
    assert admin.call("DELETE", path).status_code == 204
    assert admin.call("DELETE", path).status_code == 404
    assert described(cloud)["grants"][BOT] == []


def test_a_grant_is_made_once_per_resource_widened_and_taken_away(cloud: CloudClient, admin: Admin) -> None:
    bot, graph = admin.add(BOT).json()["id"], admin.principal(GRAPH_APP)
    acs = admin.add(ACS_APP).json()["id"]
    first, second = admin.grant(bot, graph, "User.Read"), admin.grant(bot, acs, "Teams.ManageCalls")
    assert (first.status_code, second.status_code) == (201, 201)
    assert code(admin.grant(bot, graph, "Mail.Send")) == (409, "Request_MultipleObjectsWithSameKeyValue")
    assert admin.grant(bot, acs, "Mail.Send").status_code in (400, 409)
    path = f"oauth2PermissionGrants/{first.json()['id']}"
    assert admin.call("PATCH", path, {"scope": "User.Read Mail.Send"}).status_code == 204
    assert described(cloud)["consents"][BOT] == ["Mail.Send", "Teams.ManageCalls", "User.Read"]
    assert admin.call("DELETE", path).status_code == 204
    assert described(cloud)["consents"][BOT] == ["Teams.ManageCalls"]
    assert admin.call("PATCH", path, {"scope": "User.Read"}).status_code == 404


def test_word_of_a_new_app_spreads_request_by_request(cloud: CloudClient, admin: Admin) -> None:
    cloud.contoso(replicationLag=2)
    bot = admin.add(BOT).json()["id"]
    # The look-up of Graph's own principal is the first request, the assignment the second.
    assert code(admin.assign(bot)) == (404, "Request_ResourceNotFound")
    assert admin.assign(bot).status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("POST", "servicePrincipals", ["Application.ReadWrite.All"]),
        ("POST", "servicePrincipals/x/appRoleAssignedTo", ["AppRoleAssignment.ReadWrite.All", "Application.Read.All"]),
        ("DELETE", "servicePrincipals/x/appRoleAssignments/y", ["AppRoleAssignment.ReadWrite.All", READ[0]]),
        ("POST", "oauth2PermissionGrants", ["DelegatedPermissionGrant.ReadWrite.All"]),
        ("PATCH", "oauth2PermissionGrants/x", ["DelegatedPermissionGrant.ReadWrite.All"]),
        ("DELETE", "oauth2PermissionGrants/x", ["DelegatedPermissionGrant.ReadWrite.All"]),
        ("GET", "servicePrincipals", ["Application.Read.All"]),
        ("GET", "oauth2PermissionGrants", ["DelegatedPermissionGrant.Read.All"]),
    ],
)
def test_each_call_needs_its_own_permission(cloud: CloudClient, method: str, path: str, needed: list[str]) -> None:
    cloud.contoso()
    assert Admin(cloud, *needed).call(method, path, {}).status_code != 403
    for missing in needed:
        others = {*ALL, "User.Read"} - {missing, missing.replace("Read.", "ReadWrite.")}
        others -= {"Application.ReadWrite.All"} if missing.startswith("Application") else set()
        assert Admin(cloud, *others).call(method, path, {}).status_code == 403


@pytest.mark.parametrize("body", [None, [], "x", {}, {"appId": 5}, {"appId": " "}])
def test_bodies_that_make_no_sense_are_refused(admin: Admin, body: Any) -> None:
    for path in ("servicePrincipals", "oauth2PermissionGrants", "servicePrincipals/x/appRoleAssignedTo"):
        assert 400 <= admin.call("POST", path, body).status_code < 500
    assert admin.call("PATCH", "oauth2PermissionGrants", {}).status_code == 405
