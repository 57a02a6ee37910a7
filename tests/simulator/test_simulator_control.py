"""Faults, journal, webhooks and the manners of the control API."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.simulator.cloud_client import (
    ALICE,
    BOB,
    CONTOSO,
    FABRIKAM,
    GRAPH,
    NIMBUS_APP,
    PRESENCE1,
    CloudClient,
    code_of,
)

FLOW = "https://prod-01.westeurope.logic.azure.com/workflows/abc/triggers/manual/run?sig=secret-of-the-flow&sp=x"


def read_users(cloud: CloudClient, headers: dict[str, str]) -> requests.Response:
    return cloud.http.get(f"{GRAPH}/v1.0/users", headers=headers, timeout=10)


def test_faults_strike_in_the_order_they_were_told(cloud: CloudClient) -> None:
    header = cloud.graph_app("User.Read.All")
    host = "graph.microsoft.com"
    cloud.control("POST", "faults", {"host": host, "status": 429, "retryAfter": 7, "times": 2})
    cloud.control("POST", "faults", {"host": host, "status": 503, "body": {"odd": True}, "times": 1})
    answers = [read_users(cloud, header) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [429, 429, 503, 200]
    assert answers[0].headers["Retry-After"] == "7"
    assert answers[0].json()["error"]["code"] == "TooManyRequests"
    assert answers[2].json() == {"odd": True}
    assert cloud.control("GET", "faults") == []


def test_a_fault_is_for_one_path_and_one_account(cloud: CloudClient) -> None:
    told = {"host": "graph.microsoft.com", "pathPrefix": "/v1.0/users", "account": PRESENCE1, "status": 418, "times": 9}
    cloud.control("POST", "faults", told)
    meant = cloud.graph_user("User.ReadBasic.All", upn=PRESENCE1)
    other = cloud.graph_user("User.ReadBasic.All", upn="presence2@nimbus.example")
    assert read_users(cloud, other).ok
    assert read_users(cloud, meant).status_code == 418
    elsewhere = cloud.http.post(f"{GRAPH}/v1.0/communications/getPresencesByUserId", headers=meant, timeout=10)
    assert elsewhere.json()["error"]["message"] == "Insufficient privileges to complete the operation."
    cloud.control("DELETE", "faults")
    assert read_users(cloud, meant).ok


def test_a_sign_in_fault_speaks_aadsts(cloud: CloudClient) -> None:
    cloud.control(
        "POST", "faults", {"host": "login.microsoftonline.com", "aadsts": "AADSTS53003", "account": PRESENCE1}
    )
    answer = cloud.sign_in()
    assert (answer.status_code, code_of(answer), answer.json()["error"]) == (400, 53003, "interaction_required")
    assert cloud.sign_in().ok


def test_a_dropped_connection_has_no_answer(cloud: CloudClient) -> None:
    cloud.control("POST", "faults", {"host": "graph.microsoft.com", "drop": True, "times": 1})
    with pytest.raises(requests.ConnectionError):
        read_users(cloud, {})
    assert cloud.control("GET", "requests")[-1]["status"] == 0


def test_a_delay_alone_only_delays(cloud: CloudClient) -> None:
    cloud.control("POST", "faults", {"host": "graph.microsoft.com", "delayMs": 30, "times": 1})
    assert read_users(cloud, cloud.graph_app("User.Read.All")).ok
    assert cloud.control("GET", "requests")[-1]["durationMs"] >= 30


def test_a_wildcard_host_and_an_endless_fault(cloud: CloudClient) -> None:
    cloud.control("POST", "faults", {"host": "*.logic.azure.com", "status": 500, "times": None})
    assert [cloud.http.post(FLOW, timeout=10).status_code for _ in range(3)] == [500, 500, 500]


def test_the_journal_says_who_asked_what(cloud: CloudClient) -> None:
    tokens = cloud.sign_in().json()
    cloud.sign_in(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    cloud.sign_in(grant_type="client_credentials", scope=f"{GRAPH}/.default")
    read_users(cloud, {"Authorization": f"Bearer {tokens['access_token']}"})
    read_users(cloud, cloud.graph_app("User.Read.All"))
    rows = cloud.control("GET", "requests")
    assert [row["account"] for row in rows] == [PRESENCE1, PRESENCE1, None, PRESENCE1, None]
    assert {row["tenantId"] for row in rows} == {CONTOSO}
    members = {"time", "method", "host", "path", "query", "account", "tenantId", "status", "durationMs"}
    assert set(rows[0]) == members
    assert rows[3]["path"] == "/v1.0/users"
    assert "presence1-password" not in str(rows)
    assert len(cloud.control("GET", f"requests?host=graph.microsoft.com&account={PRESENCE1}")) == 1
    cloud.control("DELETE", "requests")
    assert cloud.control("GET", "requests") == []


def test_callbacks_are_caught_and_answered_as_told(cloud: CloudClient) -> None:
    told = {"pathPrefix": "/workflows/abc", "status": 503, "times": 1}
    cloud.control("PUT", "webhooks/behaviour", told)
    statuses = [cloud.http.post(FLOW, json={"event": number}, timeout=10).status_code for number in range(2)]
    assert statuses == [503, 202]
    rows = cloud.control("GET", "webhooks")
    assert [(row["body"], row["status"]) for row in rows] == [({"event": 0}, 503), ({"event": 1}, 202)]
    assert rows[0]["path"] == "/workflows/abc/triggers/manual/run"
    assert rows[0]["query"] == "sig=secret-of-the-flow&sp=x"
    assert cloud.control("GET", "requests")[-1]["query"] == "sig=***&sp=x"
    cloud.control("DELETE", "webhooks")
    assert cloud.control("GET", "webhooks") == []


def test_power_platform_hosts_are_caught_too(cloud: CloudClient) -> None:
    url = "https://default1.01.environment.api.powerplatform.com:443/powerautomate/automations/direct/workflows/x"
    assert cloud.http.post(url, data="plain", timeout=10).status_code == 202
    assert cloud.control("GET", "webhooks")[0]["body"] == "plain"


def test_an_unknown_host_is_not_served(cloud: CloudClient) -> None:
    assert cloud.http.get("https://evil.example/x", timeout=10).status_code == 502


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "token", {}),
        ("POST", "token", {"tenantId": "not-a-guid"}),
        ("POST", "token", {"tenantId": CONTOSO, "version": 3}),
        ("POST", "token", {"tenantId": CONTOSO, "roles": "TenantAdmin"}),
        ("POST", "token", {"tenantId": CONTOSO, "rols": []}),
        ("POST", "token", []),
        ("POST", "faults", {"host": "graph.microsoft.com"}),
        ("POST", "faults", {"status": 500}),
        ("POST", "faults", {"host": "x", "aadsts": "nonsense"}),
        ("POST", "faults", {"host": "x", "status": 500, "times": 0}),
        ("PUT", f"tenants/{CONTOSO}", {"users": [{"displayName": "no upn"}]}),
        ("PUT", f"tenants/{CONTOSO}", {"users": [{"userPrincipalName": "a@b.c"}, {"userPrincipalName": "A@b.c"}]}),
        ("PUT", f"tenants/{CONTOSO}", {"consents": [{"clientId": "x"}]}),
        ("PUT", f"tenants/{CONTOSO}", {"guests": "presence1"}),
        ("PUT", f"tenants/{CONTOSO}", {"contacts": {ALICE: "none"}}),
        ("PUT", f"tenants/{CONTOSO}", {"accessPolicies": {ALICE: "yes"}}),
        ("PUT", f"tenants/{CONTOSO}", {"groups": [{"id": 5}]}),
        ("PUT", f"tenants/{CONTOSO}", {"users": [{"userPrincipalName": "a@b.c", "mfa": "yes"}]}),
        ("PUT", "tenants/contoso", {}),
        ("PUT", f"presence/{CONTOSO}", {ALICE: {"availability": "Busy"}}),
        ("PUT", f"presence/{CONTOSO}", []),
        ("PUT", "acs/evil.example", {"accessKey": "AAAA"}),
        ("PUT", "acs/platform.communication.azure.com", {"state": "sleepy"}),
        ("PUT", "acs/new.communication.azure.com", {}),
        ("PUT", "webhooks/behaviour", {"status": "500"}),
        ("POST", "accounts/nobody@nowhere.example", {"mfa": True}),
        ("GET", "requests?top=many", None),
    ],
)
def test_what_cannot_be_understood_is_a_400_with_a_sentence(
    cloud: CloudClient, method: str, path: str, body: Any
) -> None:
    assert cloud.control(method, path, body, status=400)["error"].endswith((".", ";", "'"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "x", CONTOSO, ALICE, "a@b.example", "ok"]),
    lambda part: (
        st.lists(part, max_size=3) | st.dictionaries(st.sampled_from([*"abc", CONTOSO, "id"]), part, max_size=3)
    ),
)
MEMBERS = {
    f"PUT tenants/{FABRIKAM}": "users guests consents grants contacts groups privacyMode accessPolicies displayName",
    f"PUT presence/{FABRIKAM}": f"{ALICE} {BOB}",
    "POST token": "tenantId oid upn name roles scp audience appOnly version expiresIn notBefore claims clientId key",
    "POST faults": "host pathPrefix account status aadsts retryAfter delayMs drop body times",
    "POST accounts/x@y.example": "password mfa locked disabled passwordExpired revokeTokens tenantId displayName",
    f"PUT apps/{FABRIKAM}": "name secret audience scopes roles",
    "PUT acs/new.communication.azure.com": "accessKey state",
    "PUT webhooks/behaviour": "pathPrefix status delayMs times body",
    "POST devicecodes/ABC": "upn deny",
    "PUT limits": "presenceCalls",
}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_body_makes_the_control_api_fail(cloud: CloudClient, data: st.DataObject) -> None:
    call = data.draw(st.sampled_from(sorted(MEMBERS)))
    members = st.dictionaries(st.sampled_from(MEMBERS[call].split()), JSON, max_size=4)
    # What helps a call past its first check, so that the later ones are met too.
    helped = members.map(lambda body: {"tenantId": CONTOSO, **body} if call == "POST token" else body)
    users = st.lists(
        st.dictionaries(st.sampled_from(["id", "upn", "userType", "mfa", "displayName"]), JSON), max_size=2
    )
    listed = st.tuples(helped, users).map(lambda pair: {**pair[0], "users": pair[1]})
    body = data.draw(listed if call.startswith("PUT tenants") else helped | JSON)
    method, path = call.split()
    answer = cloud.http.request(method, f"{cloud.gateway}/_simulator/{path}", json=body, timeout=10)
    assert answer.status_code in (200, 201, 400, 404), (call, body, answer.text)


def test_a_body_that_is_not_json_is_a_400(cloud: CloudClient) -> None:
    answer = cloud.http.post(f"{cloud.gateway}/_simulator/token", data="{nonsense", timeout=10)
    assert answer.status_code == 400


def test_reset_brings_back_the_start(cloud: CloudClient) -> None:
    start = cloud.control("GET", f"tenants/{CONTOSO}")
    assert start["guests"] == [PRESENCE1, "presence2@nimbus.example"]
    assert start["grants"] == [{"clientId": NIMBUS_APP, "roles": ["Presence.Read.All", "User.Read.All"]}]
    cloud.contoso(guests=[])
    cloud.control("POST", "reset")
    assert cloud.control("GET", f"tenants/{CONTOSO}") == start


def test_a_tenant_can_be_put_back_as_it_was_read(cloud: CloudClient) -> None:
    cloud.contoso(contacts={ALICE: [{"displayName": "Mary"}]}, accessPolicies=[ALICE], privacyMode=True)
    read = cloud.control("GET", f"tenants/{CONTOSO}")
    cloud.control("PUT", f"tenants/{CONTOSO}", read)
    assert cloud.control("GET", f"tenants/{CONTOSO}") == read
