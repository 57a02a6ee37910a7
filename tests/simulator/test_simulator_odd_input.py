"""What no honest caller sends is refused in the words of the host it was sent to; the simulator never fails at it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.simulator.cloud_client import (
    ALICE,
    API_APP,
    CONTOSO,
    GRAPH,
    CloudClient,
    bearer,
    code_of,
)
from tests.simulator.test_simulator_acs import post

OBO = "urn:ietf:params:oauth:grant-type:jwt-bearer"
DEEP = "[" * 100_000
# Near the limit of the reader's stack, where reading passes and writing fails.
DEEPISH = "[" * 950 + "]" * 950
MANY_NINES = "9" * 5000
FLOW = "https://prod-01.westeurope.logic.azure.com/workflows/abc/triggers/manual/run"


def on_behalf_of(cloud: CloudClient, endpoint: str, **wish: Any) -> requests.Response:
    form = {"requested_token_use": "on_behalf_of", "username": "", "password": "", "scope": f"{GRAPH}/User.Read"}
    secret = "local-api-client-secret"
    return cloud.sign_in(
        endpoint, grant_type=OBO, client_id=API_APP, client_secret=secret, assertion=cloud.token(**wish), **form
    )


@pytest.mark.parametrize("endpoint", [CONTOSO, "common"])
@pytest.mark.parametrize("oid", [None, "", 5, {}])
@pytest.mark.parametrize("upn", ["stranger@contoso.example", "alice@contoso.example"])
def test_an_assertion_that_names_no_user_is_refused(cloud: CloudClient, endpoint: str, oid: Any, upn: str) -> None:
    cloud.contoso(consents=[{"clientId": API_APP, "scopes": ["User.Read"]}])
    answer = on_behalf_of(cloud, endpoint, upn=upn, claims={"oid": oid})
    assert (answer.status_code, answer.json()["error"], code_of(answer)) == (400, "invalid_grant", 50013)


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"tid": None}, 50013),
        ({"tid": 5}, 50013),
        ({"aud": None}, 500131),
        ({"aud": ["api://nimbus-extensions"]}, 500131),
        ({"exp": None}, 500133),
        ({"exp": 10**400}, 500133),
        ({"nbf": 10**400}, 500133),
        ({"scp": None}, 240002),
        ({"scp": None, "idtyp": None}, 240002),
        ({"scp": None, "idtyp": "app"}, 7000114),
    ],
)
@pytest.mark.parametrize("endpoint", [CONTOSO, "common"])
def test_an_assertion_with_odd_claims_is_refused(
    cloud: CloudClient, endpoint: str, claims: dict[str, Any], code: int
) -> None:
    cloud.contoso(consents=[{"clientId": API_APP, "scopes": ["User.Read"]}])
    assert code_of(on_behalf_of(cloud, endpoint, upn="alice@contoso.example", claims=claims)) == code


@pytest.mark.parametrize("claims", [{"amr": 5}, {"amr": "no-mfa"}, {"amr": [{}]}, {"name": 5}, {"upn": {}}])
def test_an_assertion_that_says_too_little_of_its_user_is_still_one(cloud: CloudClient, claims: dict[str, Any]) -> None:
    cloud.contoso(consents=[{"clientId": API_APP, "scopes": ["User.Read"]}])
    assert on_behalf_of(cloud, CONTOSO, upn="stranger@contoso.example", claims=claims).ok


@pytest.mark.parametrize("claims", [{"oid": None}, {"oid": 5}, {"aud": ["x"]}, {"exp": "1e400"}, {"exp": 10**400}])
def test_a_teams_users_odd_token_is_exchanged_for_nothing(cloud: CloudClient, claims: dict[str, Any]) -> None:
    audience = "https://auth.msft.communication.azure.com"
    token = cloud.token(audience=audience, scp="Teams.ManageCalls", oid=ALICE, clientId=API_APP, claims=claims)
    told = {"token": token, "appId": API_APP, "userId": claims.get("oid", ALICE)}
    refused = post(cloud, "teamsUser/:exchangeAccessToken", json.dumps(told))
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "Unauthorized")


HALVES = ["\\ud800", "x\\udfffy", "\\ud83d \\ude00"]


def raw(cloud: CloudClient, method: str, path: str, body: str | bytes) -> requests.Response:
    return cloud.http.request(method, f"{cloud.gateway}/_simulator/{path}", data=body, timeout=10)


def assert_a_sentence(answer: requests.Response) -> None:
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"].endswith(".")


#: The body around ODD.
CONTROLS = [
    ("POST", "token", f'{{"tenantId": "{CONTOSO}", "claims": ODD}}'),
    ("POST", "faults", '{"host": "x", "status": 500, "body": ODD}'),
    ("PUT", f"tenants/{CONTOSO}", f'{{"contacts": {{"{ALICE}": [{{"x": ODD}}]}}}}'),
    ("PUT", f"presence/{CONTOSO}", f'{{"{ALICE}": ODD}}'),
    ("PUT", "webhooks/behaviour", '{"body": ODD}'),
    ("PUT", f"apps/{API_APP}", '{"name": ODD}'),
    ("PUT", "acs/new.communication.azure.com", '{"accessKey": ODD}'),
    ("PUT", "limits", '{"presenceCalls": ODD}'),
    ("POST", "accounts/x@y.example", '{"displayName": ODD}'),
    ("POST", "devicecodes/ABC", '{"upn": ODD}'),
]


@pytest.mark.parametrize(("method", "path", "around"), CONTROLS)
def test_no_control_call_takes_json_that_is_too_deep_or_cannot_be_written(
    cloud: CloudClient, method: str, path: str, around: str
) -> None:
    for odd in (DEEP, DEEPISH, '{"a":' * 101 + "1" + "}" * 101, '"\\ud800"', "NaN", "-Infinity", MANY_NINES):
        assert_a_sentence(raw(cloud, method, path, around.replace("ODD", odd)))


@pytest.mark.parametrize("member", ["upn", "oid", "audience", "name", "scp", "clientId"])
@pytest.mark.parametrize("half", HALVES)
def test_a_token_is_not_made_of_half_a_character(cloud: CloudClient, member: str, half: str) -> None:
    assert_a_sentence(raw(cloud, "POST", "token", f'{{"tenantId": "{CONTOSO}", "{member}": "{half}"}}'))
    whole = raw(cloud, "POST", "token", f'{{"tenantId": "{CONTOSO}", "{member}": "\\ud83d\\ude00"}}')
    assert whole.ok


def test_half_a_character_in_raw_bytes_is_refused_and_nesting_that_people_need_is_not(cloud: CloudClient) -> None:
    assert_a_sentence(raw(cloud, "POST", "token", b'{"tenantId": "%s", "upn": "\xed\xa0\x80"}' % CONTOSO.encode()))
    nested = f'{{"tenantId": "{CONTOSO}", "claims": {{"x": {"[" * 90 + "]" * 90}}}}}'
    header = bearer(raw(cloud, "POST", "token", nested).json()["access_token"])
    assert cloud.http.get(f"{GRAPH}/v1.0/users", headers=header, timeout=10).status_code == 401


@pytest.mark.parametrize("member", ["expiresIn", "notBefore", "version"])
@pytest.mark.parametrize("number", ["9" * 4300, "-" + "9" * 4300, "9" * 400])
def test_a_number_beyond_all_reason_is_refused(cloud: CloudClient, member: str, number: str) -> None:
    assert_a_sentence(raw(cloud, "POST", "token", f'{{"tenantId": "{CONTOSO}", "{member}": {number}}}'))
    assert_a_sentence(raw(cloud, "POST", "faults", f'{{"host": "x", "delayMs": {number}}}'))


def test_members_of_a_group_are_a_list_of_ids(cloud: CloudClient) -> None:
    for members in (5, "x", [5], {"a": 1}):
        group = {"id": ALICE, "members": members}
        assert "'members'" in cloud.control("PUT", f"tenants/{CONTOSO}", {"groups": [group]}, status=400)["error"]


@pytest.mark.parametrize("top", [MANY_NINES, "\u0663", "-1", "1.5", "", "+1", "1_0"])
def test_a_count_is_a_few_digits_everywhere(cloud: CloudClient, top: str) -> None:
    header = cloud.graph_app("User.Read.All")
    refused = cloud.http.get(f"{GRAPH}/v1.0/users", params={"$top": top}, headers=header, timeout=10)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "Request_BadRequest")
    assert_a_sentence(cloud.http.get(f"{cloud.gateway}/_simulator/requests", params={"top": top}, timeout=10))
    assert [len(cloud.control("GET", f"requests?top={few}")) for few in ("0", "1", "999999999")] == [0, 1, 1]


def page_token(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize("text", [DEEP[:20_000], '{"at":1e999}', '{"at":Infinity}', '{"at":"5"}', "[]", '{"at":null}'])
def test_a_page_token_that_graph_never_gave_has_expired(cloud: CloudClient, text: str) -> None:
    url = f"{GRAPH}/v1.0/users?$skiptoken={page_token(text)}"
    refused = cloud.http.get(url, headers=cloud.graph_app("User.Read.All"), timeout=10)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "Directory_ExpiredPageToken")


@pytest.mark.parametrize(
    "query",
    [
        {"$filter": " or ".join(["id eq 'x'"] * 2000)},
        {"$filter": ("not " * 90 + "(") * 90 + "id eq 'x'" + ")" * 90},
        {"$search": "(" * 5000},
        {"$search": "(" * 200 + '"displayName:a"' + ")" * 200},
    ],
    ids=["chain", "negations", "open", "nested"],
)
def test_a_query_too_long_to_walk_is_refused(cloud: CloudClient, query: dict[str, str]) -> None:
    header = cloud.graph_app("User.Read.All") | {"ConsistencyLevel": "eventual"}
    refused = cloud.http.get(f"{GRAPH}/v1.0/users", params=query, headers=header, timeout=10)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "Request_BadRequest")
    fine = {"$filter": " or ".join(["displayName eq 'x'"] * 200), "$search": "(" * 50 + '"displayName:a"' + ")" * 50}
    assert cloud.http.get(f"{GRAPH}/v1.0/users", params=fine | {"$count": "true"}, headers=header, timeout=10).ok


def test_a_token_whose_json_is_too_deep_is_no_token(cloud: CloudClient) -> None:
    deep = base64.urlsafe_b64encode(DEEP[:20_000].encode()).decode()
    refused = cloud.http.get(f"{GRAPH}/v1.0/users", headers=bearer(f"{deep}.{deep}.{deep}"), timeout=10)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "InvalidAuthenticationToken")


def make_meeting(cloud: CloudClient, body: str) -> requests.Response:
    cloud.contoso(accessPolicies={ALICE: True})
    header = cloud.graph_app("OnlineMeetings.ReadWrite.All")
    return cloud.http.post(f"{GRAPH}/v1.0/users/{ALICE}/onlineMeetings", data=body, headers=header, timeout=10)


def make_identity(cloud: CloudClient, body: str) -> requests.Response:
    return post(cloud, "identities", body)


@pytest.mark.parametrize("send", [make_meeting, make_identity])
@pytest.mark.parametrize("odd", [DEEP, DEEPISH, '"\\ud800"', "NaN"])
def test_hosts_refuse_the_same_json_in_their_own_words(
    cloud: CloudClient, send: Callable[[CloudClient, str], requests.Response], odd: str
) -> None:
    refused = send(cloud, f'{{"subject": {odd}}}')
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "BadRequest")


def test_a_callback_that_is_no_json_is_kept_as_text(cloud: CloudClient) -> None:
    for body in (DEEPISH, '"\\ud800"', DEEP):
        assert cloud.http.post(FLOW, data=body, timeout=10).status_code == 202
    assert [row["body"] for row in cloud.control("GET", "webhooks")] == [DEEPISH, '"\\ud800"', DEEP]
