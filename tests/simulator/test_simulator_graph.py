"""The simulated Graph asks for what Graph asks for."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.simulator.cloud_client import ALICE, BOB, CONTOSO, GRAPH, NIMBUS_APP, CloudClient, bearer

ADVANCED = {"ConsistencyLevel": "eventual"}


def read(cloud: CloudClient, ids: list[str], headers: dict[str, str]) -> requests.Response:
    url = f"{GRAPH}/v1.0/communications/getPresencesByUserId"
    return cloud.http.post(url, json={"ids": ids}, headers=headers, timeout=10)


def users(cloud: CloudClient, headers: dict[str, str], path: str = "users", **query: str) -> requests.Response:
    params = {f"${name}": value for name, value in query.items()}
    return cloud.http.get(f"{GRAPH}/v1.0/{path}", params=params, headers=headers, timeout=10)


def names(answer: requests.Response) -> list[str]:
    assert answer.ok, answer.text
    return [user["displayName"] for user in answer.json()["value"]]


def error(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


@pytest.fixture
def app(cloud: CloudClient) -> dict[str, str]:
    cloud.contoso()
    return cloud.graph_app(
        "Presence.Read.All",
        "User.Read.All",
        "GroupMember.Read.All",
        "Application.Read.All",
        "DelegatedPermissionGrant.Read.All",
    )


def test_presence_is_told_for_known_users_only(cloud: CloudClient, app: dict[str, str]) -> None:
    stranger = "bbbbbbbb-0000-4000-8000-000000000001"
    told = {
        ALICE: {"availability": "Busy", "activity": "InACall"},
        stranger: {"availability": "Away", "activity": "Away"},
    }
    cloud.control("PUT", f"presence/{CONTOSO}", told)
    nobody = "cccccccc-0000-4000-8000-000000000001"
    value = read(cloud, [ALICE.upper(), BOB, nobody, stranger], app).json()["value"]
    found = {row["id"]: (row["availability"], row["activity"]) for row in value}
    assert found == {ALICE: ("Busy", "InACall"), BOB: ("Offline", "Offline"), stranger: ("Away", "Away")}


def test_a_change_of_presence_sorts_after_the_one_before(cloud: CloudClient, app: dict[str, str]) -> None:
    stamps = []
    for word in ("Available", "Busy", "Available"):
        stamps.append(read(cloud, [ALICE], app).json()["value"][0]["sequenceNumber"])
        cloud.control("PUT", f"presence/{CONTOSO}", {ALICE: {"availability": word, "activity": word}})
    stamps.append(read(cloud, [ALICE], app).json()["value"][0]["sequenceNumber"])
    assert stamps == sorted(set(stamps))


def test_651_ids_are_too_many(cloud: CloudClient, app: dict[str, str]) -> None:
    ids = [f"{number:08d}-0000-4000-8000-000000000000" for number in range(651)]
    assert read(cloud, ids[:650], app).json()["value"] == []
    assert error(read(cloud, ids, app)) == (400, "BadRequest")


def test_one_users_presence_or_404(cloud: CloudClient, app: dict[str, str]) -> None:
    assert users(cloud, app, f"users/{ALICE}/presence").json()["availability"] == "Offline"
    missing = users(cloud, app, "users/cccccccc-0000-4000-8000-000000000001/presence")
    assert error(missing) == (404, "Request_ResourceNotFound")


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"audience": "api://nimbus-extensions"}, "audience"),
        ({"expiresIn": -1}, "expired"),
        ({"key": "unknown"}, "Signature"),
        ({"claims": {"iss": "https://sts.windows.net/other/"}}, "issuer"),
    ],
)
def test_a_token_that_proves_nothing_is_401(cloud: CloudClient, wish: dict[str, Any], message: str) -> None:
    told = {"audience": GRAPH, "scp": "Presence.Read.All", "upn": "presence1@nimbus.example", **wish}
    answer = read(cloud, [ALICE], bearer(cloud.token(**told)))
    assert error(answer) == (401, "InvalidAuthenticationToken")
    assert message in answer.json()["error"]["message"]


def test_no_token_and_rubbish_are_401(cloud: CloudClient) -> None:
    assert error(read(cloud, [ALICE], {})) == (401, "InvalidAuthenticationToken")
    assert error(read(cloud, [ALICE], bearer("rubbish"))) == (401, "InvalidAuthenticationToken")


def test_permissions_are_roles_of_an_app_and_scopes_of_a_user(cloud: CloudClient) -> None:
    cloud.contoso()
    assert read(cloud, [ALICE], cloud.graph_user("Presence.Read.All")).ok
    refused = read(cloud, [ALICE], cloud.graph_user("User.Read", roles=["Presence.Read.All"]))
    assert error(refused) == (403, "Authorization_RequestDenied")
    assert "innerError" in refused.json()["error"]
    assert error(read(cloud, [ALICE], cloud.graph_app("User.Read.All"))) == (403, "Authorization_RequestDenied")


def test_a_restricted_guest_is_refused_while_the_app_reads(cloud: CloudClient) -> None:
    cloud.contoso(guestRestricted=True)
    assert error(read(cloud, [ALICE], cloud.graph_user("Presence.Read.All")))[0] == 403
    assert read(cloud, [ALICE], cloud.graph_app("Presence.Read.All")).ok


def test_privacy_mode_hides_presence_from_guests(cloud: CloudClient) -> None:
    cloud.contoso(privacyMode=True)
    cloud.control("PUT", f"presence/{CONTOSO}", {ALICE: {"availability": "Available", "activity": "Available"}})
    guest = read(cloud, [ALICE], cloud.graph_user("Presence.Read.All")).json()["value"][0]
    own_app = read(cloud, [ALICE], cloud.graph_app("Presence.Read.All")).json()["value"][0]
    assert (guest["availability"], own_app["availability"]) == ("PresenceUnknown", "Available")


def test_users_are_filtered_as_the_directory_does(cloud: CloudClient, app: dict[str, str]) -> None:
    assert names(users(cloud, app, filter="department eq 'it'")) == ["Alice"]
    assert names(users(cloud, app, filter="startswith(displayName,'b') or department in ('IT','HR')")) == [
        "Alice",
        "Bob",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "department ne 'IT'",
        "not(department eq 'IT')",
        "endsWith(mail,'example')",
        "companyName eq 'Acme'",
        "city eq null",
    ],
)
def test_advanced_filters_ask_for_both_parameters(cloud: CloudClient, app: dict[str, str], text: str) -> None:
    assert error(users(cloud, app, filter=text)) == (400, "Request_UnsupportedQuery")
    assert error(users(cloud, app, filter=text, count="true")) == (400, "Request_UnsupportedQuery")
    assert error(users(cloud, app | ADVANCED, filter=text)) == (400, "Request_UnsupportedQuery")
    answer = users(cloud, app | ADVANCED, filter=text, count="true")
    assert answer.json()["@odata.count"] == len(names(answer))


@pytest.mark.parametrize("text", ["contains(displayName,'a')", "aboutMe eq 'x'", "startswith(state,'x')"])
def test_unsupported_filters_are_refused_even_so(cloud: CloudClient, app: dict[str, str], text: str) -> None:
    assert error(users(cloud, app | ADVANCED, filter=text, count="true")) == (400, "Request_UnsupportedQuery")


def test_a_filter_on_what_the_token_cannot_read_finds_nobody(cloud: CloudClient) -> None:
    cloud.contoso()
    basic = cloud.graph_user("User.ReadBasic.All")
    assert names(users(cloud, basic, filter="department eq 'IT'")) == []
    assert names(users(cloud, basic, filter="displayName eq 'Alice'")) == ["Alice"]
    assert users(cloud, basic, select="department").json()["value"] == [{"department": None}, {"department": None}]


def test_pages_are_followed_by_the_next_link(cloud: CloudClient) -> None:
    cloud.contoso(users=[{"userPrincipalName": f"u{number}@contoso.example"} for number in range(7)])
    header = cloud.graph_app("User.Read.All") | ADVANCED
    page = users(cloud, header, top="3", count="true", filter="endswith(mail,'example')", select="userPrincipalName")
    assert page.json()["@odata.count"] == 7
    found = []
    while True:
        found += [user["userPrincipalName"] for user in page.json()["value"]]
        link = page.json().get("@odata.nextLink")
        if link is None:
            break
        assert link.startswith(f"{GRAPH}/v1.0/users?")
        page = cloud.http.get(link, headers=header, timeout=10)
        assert "@odata.count" not in page.json()
    assert found == [f"u{number}@contoso.example" for number in range(7)]


def test_page_sizes_and_properties_are_checked(cloud: CloudClient, app: dict[str, str]) -> None:
    assert error(users(cloud, app, top="1000")) == (400, "Request_BadRequest")
    assert error(users(cloud, app, select="nonsense")) == (400, "BadRequest")
    assert error(users(cloud, app, filter="displayName eq")) == (400, "Request_BadRequest")


def test_search_needs_the_header_and_finds_words(cloud: CloudClient, app: dict[str, str]) -> None:
    assert error(users(cloud, app, search='"displayName:ali"')) == (400, "Request_UnsupportedQuery")
    found = users(cloud, app | ADVANCED, search='"displayName:ali" OR "mail:bob@"')
    assert names(found) == ["Alice", "Bob"]
    assert error(users(cloud, app | ADVANCED, search="ali")) == (400, "Request_BadRequest")


def test_a_user_is_found_by_id_and_by_name(cloud: CloudClient, app: dict[str, str]) -> None:
    for key in (ALICE, "ALICE@contoso.example"):
        assert users(cloud, app, f"users/{key}", select="displayName").json()["displayName"] == "Alice"
    assert error(users(cloud, app, "users/nobody@contoso.example")) == (404, "Request_ResourceNotFound")


def test_passwords_are_never_shown(cloud: CloudClient) -> None:
    cloud.contoso(users=[{"userPrincipalName": "x@contoso.example", "password": "pass-of-x"}])
    shown = users(cloud, cloud.graph_app("User.Read.All"), "users/x@contoso.example").text
    assert "pass-of-x" not in shown
    assert "pass-of-x" not in str(cloud.control("GET", f"tenants/{CONTOSO}"))


def test_members_of_a_group(cloud: CloudClient) -> None:
    group = "dddddddd-0000-4000-8000-000000000001"
    cloud.contoso(groups=[{"id": group, "members": [BOB]}])
    header = cloud.graph_app("GroupMember.Read.All")
    assert names(users(cloud, header, f"groups/{group}/members")) == ["Bob"]
    assert names(users(cloud, header, f"groups/{group}/members/microsoft.graph.user")) == ["Bob"]
    assert error(users(cloud, header, f"groups/{ALICE}/members")) == (404, "Request_ResourceNotFound")


def test_contacts_are_read_by_the_owner_and_by_an_app(cloud: CloudClient) -> None:
    mary = {"displayName": "Mary", "emailAddresses": [{"address": "mary@out.example"}]}
    cloud.contoso(contacts={ALICE: [mary, {"displayName": "Zoe"}]})
    own = cloud.graph_user("Contacts.Read", upn="alice@contoso.example")
    assert names(users(cloud, own, "me/contacts", filter="contains(displayName,'ar')")) == ["Mary"]
    by_mail = "emailAddresses/any(a:a/address eq 'mary@out.example')"
    assert names(users(cloud, cloud.graph_app("Contacts.Read"), f"users/{ALICE}/contacts", filter=by_mail)) == ["Mary"]
    assert error(users(cloud, cloud.graph_user("Contacts.Read"), f"users/{ALICE}/contacts"))[0] == 403


def test_a_meeting_needs_an_access_policy(cloud: CloudClient) -> None:
    cloud.contoso(accessPolicies={ALICE: [NIMBUS_APP]})
    header = cloud.graph_app("OnlineMeetings.ReadWrite.All")

    def make(user_id: str) -> requests.Response:
        url = f"{GRAPH}/v1.0/users/{user_id}/onlineMeetings"
        return cloud.http.post(url, json={"subject": "Check"}, headers=header, timeout=10)

    made = make(ALICE)
    assert made.status_code == 201
    assert made.json()["joinWebUrl"].startswith("https://teams.microsoft.com/l/meetup-join/")
    assert error(make(BOB)) == (403, "Unauthorized")
    assert make("cccccccc-0000-4000-8000-000000000001").status_code == 404
    gone = f"{GRAPH}/v1.0/users/{ALICE}/onlineMeetings/{made.json()['id']}"
    assert cloud.http.delete(gone, headers=header, timeout=10).status_code == 204
    assert cloud.http.delete(gone, headers=header, timeout=10).status_code == 404


def test_grants_are_shown_by_service_principals(cloud: CloudClient, app: dict[str, str]) -> None:
    mine = users(cloud, app, f"servicePrincipals(appId='{NIMBUS_APP}')", select="id").json()["id"]
    graph = users(cloud, app, "servicePrincipals(appId='00000003-0000-0000-c000-000000000000')").json()
    roles = {role["id"]: role["value"] for role in graph["appRoles"]}
    assigned = users(cloud, app, f"servicePrincipals/{mine}/appRoleAssignments").json()["value"]
    assert {roles[row["appRoleId"]] for row in assigned} == {"Presence.Read.All", "User.Read.All"}
    text = f"clientId eq '{mine}' and consentType eq 'AllPrincipals'"
    grants = users(cloud, app, "oauth2PermissionGrants", filter=text).json()["value"]
    assert [row["scope"] for row in grants] == ["Presence.Read.All User.Read User.ReadBasic.All"]


@pytest.mark.parametrize(
    ("path", "claims"),
    [
        ("users?$top=%C2%B2", {}),
        ("users?$skiptoken=eyJhdCI6LTF9", {}),
        ("users?$skiptoken=%FF", {}),
        ("users?$filter=%27", {}),
        ("users?$search=%22displayName:", {}),
        ("users/%ED%A0%80", {}),
        ("users", {"aud": [GRAPH]}),
        ("users", {"roles": [{}]}),
        ("users", {"tid": 5}),
    ],
)
def test_odd_requests_are_refused_not_crashed_on(cloud: CloudClient, path: str, claims: dict[str, Any]) -> None:
    header = cloud.graph_app("User.Read.All", claims=claims)
    assert cloud.http.get(f"{GRAPH}/v1.0/{path}", headers=header, timeout=10).status_code < 500


def test_a_delta_of_a_group_tells_who_came_and_who_left_since_its_link(cloud: CloudClient) -> None:
    group = "cccccccc-0000-4000-8000-000000000001"
    cloud.contoso(groups=[{"id": group, "members": [BOB]}])
    header = cloud.graph_app("GroupMember.Read.All")
    params = {"$filter": f"id eq '{group}'", "$select": "members", "$deltatoken": "latest"}
    first = cloud.http.get(f"{GRAPH}/v1.0/groups/delta", params=params, headers=header, timeout=10).json()
    assert first["value"] == []
    cloud.contoso(groups=[{"id": group, "members": [ALICE]}])
    later = cloud.http.get(first["@odata.deltaLink"], headers=header, timeout=10).json()
    (changed,) = later["value"]
    assert [(row["id"], "@removed" in row) for row in changed["members@delta"]] == [(ALICE, False), (BOB, True)]
    again = cloud.http.get(later["@odata.deltaLink"], headers=header, timeout=10).json()
    assert again["value"] == []
    forgotten = cloud.http.get(f"{GRAPH}/v1.0/groups/delta?$deltatoken=old", headers=header, timeout=10)
    assert error(forgotten) == (410, "syncStateNotFound")
    assert (
        cloud.http.get(first["@odata.deltaLink"], headers=cloud.graph_app("User.Read.All"), timeout=10).status_code
        == 403
    )


def test_an_invited_account_is_listed_where_guests_are_asked_for(cloud: CloudClient) -> None:
    cloud.contoso()
    header = cloud.graph_app("User.Read.All")
    guests = users(cloud, header, filter="userType eq 'Guest'", select="mail,externalUserState").json()["value"]
    assert [(row["mail"], row["externalUserState"]) for row in guests] == [("presence1@nimbus.example", "Accepted")]
    assert sorted(names(users(cloud, header))) == ["Alice", "Bob"]
