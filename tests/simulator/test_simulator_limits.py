"""Graph's limit of presence calls: 1,500 in 30 seconds from one app in one tenant."""

from __future__ import annotations

from simulator.graph_limits import CallLimit
from tests.simulator.cloud_client import ALICE, API_APP, BOB, CONTOSO, FABRIKAM, GRAPH, CloudClient

APP, TENANT = "app", "tenant"


def status(cloud: CloudClient, header: dict[str, str], path: str = f"users/{ALICE}/presence") -> int:
    return cloud.http.get(f"{GRAPH}/v1.0/{path}", headers=header, timeout=10).status_code


def test_the_1501st_call_waits_for_the_next_window() -> None:
    limit = CallLimit()
    assert {limit.count(APP, TENANT, 1000 + number / 100) for number in range(1500)} == {0}
    assert [limit.count(APP, TENANT, moment) for moment in (1015.0, 1029.5, 1029.999)] == [15, 1, 1]
    assert {limit.count(APP, TENANT, 1030.0) for _ in range(1500)} == {0}
    assert limit.count(APP, TENANT, 1030.0) == 30


def test_a_clock_that_is_set_back_locks_nobody_out() -> None:
    limit = CallLimit(1)
    assert limit.count(APP, TENANT, 5000) == 0
    assert limit.count(APP, TENANT, 1000) == 0
    assert limit.count(APP, TENANT, 1001) == 29


def test_a_call_too_many_is_told_when_to_come_again(cloud: CloudClient) -> None:
    cloud.contoso()
    cloud.control("PUT", "limits", {"presenceCalls": 2})
    header = cloud.graph_app("Presence.Read.All")
    url = f"{GRAPH}/v1.0/communications/getPresencesByUserId"
    answers = [cloud.http.post(url, json={"ids": [ALICE, BOB]}, headers=header, timeout=10) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 0 < int(answers[2].headers["Retry-After"]) <= 30
    error = answers[2].json()["error"]
    assert (error["code"], set(error)) == ("TooManyRequests", {"code", "message", "innerError"})
    assert [row["status"] for row in cloud.control("GET", "requests")] == [200, 200, 429]


def test_every_way_to_read_presence_counts_and_nothing_else_does(cloud: CloudClient) -> None:
    cloud.contoso()
    cloud.control("PUT", "limits", {"presenceCalls": 3})
    header = cloud.graph_user("Presence.Read.All User.ReadBasic.All", oid=ALICE, upn="alice@contoso.example")
    paths = ["users", "me/presence", f"communications/presences/{BOB}", f"users/{ALICE}/presence", "me/presence"]
    assert [status(cloud, header, path) for path in [*paths, "users"]] == [200, 200, 200, 200, 429, 200]


def test_an_app_is_limited_in_one_tenant_and_leaves_other_apps_their_calls(cloud: CloudClient) -> None:
    cloud.contoso()
    cloud.control("PUT", f"tenants/{FABRIKAM}", {"users": [{"id": ALICE, "userPrincipalName": "a@fabrikam.example"}]})
    cloud.control("PUT", "limits", {"presenceCalls": 1})
    mine = cloud.graph_app("Presence.Read.All")
    theirs = cloud.graph_app("Presence.Read.All", clientId=API_APP)
    there = cloud.graph_app("Presence.Read.All", tenantId=FABRIKAM)
    assert [status(cloud, header) for header in (mine, theirs, there, mine)] == [200, 200, 200, 429]


def test_the_limit_can_be_lifted_and_comes_back_with_a_reset(cloud: CloudClient) -> None:
    cloud.contoso()
    cloud.control("PUT", "limits", {"presenceCalls": 0})
    header = cloud.graph_app("Presence.Read.All")
    assert status(cloud, header) == 429
    cloud.control("PUT", "limits", {"presenceCalls": None})
    assert status(cloud, header) == 200
    assert "presenceCalls" in cloud.control("PUT", "limits", {}, status=400)["error"]
    cloud.control("PUT", "limits", {"presenceCalls": 0})
    cloud.control("POST", "reset")
    cloud.control("PUT", f"presence/{CONTOSO}", {ALICE: {"availability": "Away", "activity": "Away"}})
    assert status(cloud, header) == 200
