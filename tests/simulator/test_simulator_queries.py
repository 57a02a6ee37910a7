"""The simulated Graph reads query options as strictly as Graph does."""

from __future__ import annotations

import pytest
import requests

from simulator.graph_filter import matches
from simulator.graph_filter_parser import parse
from tests.simulator.cloud_client import ALICE, BOB, GRAPH, NIMBUS_APP, CloudClient

ADVANCED = {"ConsistencyLevel": "eventual"}
SKU = "184efa21-98c3-4e5d-95ab-d07053a96e67"
GROUP = "dddddddd-0000-4000-8000-000000000001"
INCOMPATIBLE = "Invalid filter clause: A binary operator with incompatible types was detected."


def get(cloud: CloudClient, path: str, query: list[tuple[str, str]], headers: dict[str, str]) -> requests.Response:
    return cloud.http.get(f"{GRAPH}/v1.0/{path}", params=query, headers=headers, timeout=10)


def found(cloud: CloudClient, header: dict[str, str], text: str, path: str = "users") -> list[str]:
    answer = get(cloud, path, [("$filter", text), ("$count", "true")], header | ADVANCED)
    assert answer.ok, answer.text
    return [row["displayName"] for row in answer.json()["value"]]


def refusal(answer: requests.Response) -> tuple[int, str, str]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["message"]


@pytest.fixture
def app(cloud: CloudClient) -> dict[str, str]:
    alice = {
        "id": ALICE,
        "userPrincipalName": "alice@contoso.example",
        "displayName": "Alice",
        "createdDateTime": "2024-05-01T09:00:00Z",
        "assignedLicenses": [{"skuId": SKU}],
    }
    bob = {"id": BOB, "userPrincipalName": "bob@contoso.example", "displayName": "Bob", "accountEnabled": False}
    contact = {"displayName": "Mary", "birthday": "1980-02-03T00:00:00Z"}
    cloud.contoso(users=[alice, bob], contacts={ALICE: [contact]}, groups=[{"id": GROUP, "members": [ALICE, BOB]}])
    return cloud.graph_app(
        "User.Read.All",
        "Contacts.Read",
        "GroupMember.Read.All",
        "Application.Read.All",
        "DelegatedPermissionGrant.Read.All",
    )


@pytest.mark.parametrize(
    ("text", "property_type", "literal_type"),
    [
        ("accountEnabled eq 1", "Boolean", "Int64"),
        ("accountEnabled eq 'true'", "Boolean", "String"),
        ("accountEnabled in (true, 'x')", "Boolean", "String"),
        ("displayName eq 5", "String", "Int64"),
        ("displayName eq true", "String", "Boolean"),
        ("not(displayName in ('Alice', 2.5))", "String", "Double"),
        ("createdDateTime ge '2020'", "DateTimeOffset", "String"),
        ("createdDateTime ge 2020", "DateTimeOffset", "Int64"),
        ("displayName eq 'x' or displayName eq 2020-01-01T00:00:00Z", "String", "DateTimeOffset"),
        (f"id eq {ALICE}", "String", "Guid"),
        (f"assignedLicenses/any(l:l/skuId eq '{SKU}')", "Guid", "String"),
        ("assignedLicenses/$count eq false", "Int64", "Boolean"),
        ("otherMails/any(m:m eq 5)", "String", "Int64"),
    ],
)
def test_a_literal_of_another_type_than_its_property_is_refused(
    cloud: CloudClient, app: dict[str, str], text: str, property_type: str, literal_type: str
) -> None:
    status, code, message = refusal(get(cloud, "users", [("$filter", text), ("$count", "true")], app | ADVANCED))
    assert (status, code) == (400, "BadRequest")
    assert message.startswith(f"{INCOMPATIBLE} Found operand types 'Edm.{property_type}' and 'Edm.{literal_type}'")


@pytest.mark.parametrize(
    "text",
    [
        "createdDateTime ge 2020-13-45T00:00:00Z",
        "createdDateTime ge 2020-02-30T00:00:00Z",
        "createdDateTime ge 2020-01-01T25:00:00Z",
        "createdDateTime ge 2020-01-01T00:00:00",
        "createdDateTime ge 2020-01-01T1:2:3Z",
    ],
)
def test_a_moment_that_is_none_is_refused(cloud: CloudClient, app: dict[str, str], text: str) -> None:
    assert refusal(get(cloud, "users", [("$filter", text)], app))[:2] == (400, "Request_BadRequest")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("accountEnabled eq true", ["Alice"]),
        ("accountEnabled eq false", ["Bob"]),
        ("createdDateTime ge 2024-05-01T11:00:00+02:00", ["Alice"]),
        ("createdDateTime eq 2024-05-01T09:00:00.0000000z", ["Alice"]),
        ("createdDateTime gt 2024-05-01T09:00Z", []),
        ("createdDateTime eq null", ["Bob"]),
        (f"id in ('{ALICE}')", ["Alice"]),
        (f"assignedLicenses/any(l:l/skuId eq {SKU.upper()})", ["Alice"]),
    ],
)
def test_a_literal_of_the_right_type_finds_whom_it_means(
    cloud: CloudClient, app: dict[str, str], text: str, names: list[str]
) -> None:
    assert found(cloud, app, text) == names


def test_truth_is_not_the_number_one_and_not_null() -> None:
    assert matches(parse("a ne 1 and a ne 1.0 and a ne null and not (a eq 1 or a in (1, null))"), {"a": True})
    assert matches(parse("a eq 1 and a ne true and a eq 1.0"), {"a": 1})


def test_contacts_and_grants_have_types_too(cloud: CloudClient, app: dict[str, str]) -> None:
    contacts, mine = f"users/{ALICE}/contacts", f"servicePrincipals(appId='{NIMBUS_APP}')"
    assert found(cloud, app, "birthday lt 1980-02-03T00:00:01Z", contacts) == ["Mary"]
    for path, text, code in (
        (contacts, "displayName eq 5", "RequestBroker--ParseUri"),
        (contacts, "birthday gt '1980'", "RequestBroker--ParseUri"),
        ("servicePrincipals", "accountEnabled eq 1", "BadRequest"),
        ("oauth2PermissionGrants", f"clientId eq {ALICE}", "BadRequest"),
        (f"{mine}/appRoleAssignments", f"resourceId eq '{ALICE}'", "BadRequest"),
    ):
        status, told, message = refusal(get(cloud, path, [("$filter", text)], app))
        assert (status, told, INCOMPATIBLE in message) == (400, code, True), path
    status, code, message = refusal(get(cloud, contacts, [("$filter", "startswith(birthday,'1')")], app))
    assert (status, code, "No function signature" in message) == (400, "RequestBroker--ParseUri", True)


@pytest.mark.parametrize("path", ["users", f"users/{ALICE}/contacts", "servicePrincipals"])
@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ([("$foo", "1")], "Request_BadRequest", "Unrecognized query argument specified: '$foo'."),
        ([("$top", "1"), ("$top", "1")], "BadRequest", "Query option '$top/top' was specified more than once"),
        (
            [("$filter", "displayName eq 'Alice'"), ("$Filter", "displayName eq 'Bob'")],
            "BadRequest",
            "Query option '$filter/filter' was specified more than once, but it must be specified at most once.",
        ),
    ],
)
def test_unknown_and_doubled_options_are_refused(
    cloud: CloudClient, app: dict[str, str], path: str, query: list[tuple[str, str]], code: str, message: str
) -> None:
    status, told, words = refusal(get(cloud, path, query, app))
    assert (status, told) == (400, code)
    assert words.startswith(message)


@pytest.mark.parametrize("path", ["users", f"groups/{GROUP}/members", "servicePrincipals", "oauth2PermissionGrants"])
def test_lists_of_the_directory_cannot_be_skipped_into(cloud: CloudClient, app: dict[str, str], path: str) -> None:
    told = refusal(get(cloud, path, [("$skip", "1")], app))
    assert told == (400, "Request_BadRequest", "'$skip' is not supported by the service.")


def test_options_in_any_case_and_parameters_without_a_dollar_are_taken(cloud: CloudClient, app: dict[str, str]) -> None:
    answer = get(cloud, "users", [("$Top", "1"), ("$SELECT", "id"), ("x", "1"), ("x", "2")], app)
    assert answer.json()["value"] == [{"id": ALICE}]
    assert len(get(cloud, answer.json()["@odata.nextLink"].partition("/v1.0/")[2], [], app).json()["value"]) == 1
