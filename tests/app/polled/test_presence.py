"""The timer, the queue and two guest accounts, seen in the simulator's journal."""

from __future__ import annotations

import uuid
from typing import Any

from tests.app.stack import AppStack, NewTenant
from tests.devhost.stack import eventually

GRAPH_CALL = "/v1.0/communications/getPresencesByUserId"


def test_account_2_stands_in_for_account_1_and_each_change_is_one_line(stack: AppStack) -> None:
    tenant = stack.new_tenant()
    user = watched_user(stack, tenant, {"availability": "Busy", "activity": "InACall"})
    tenant.set(presenceTracking={"trackOverGuestAccounts": True})
    presence = eventually(lambda: read(tenant, user, source="account1"), "account 1 reads")
    assert (presence["state"], presence["activity"]) == ("InACall", "InACall")

    fault = {"host": "graph.microsoft.com", "account": "presence1@nimbus.example", "status": 403, "times": 50}
    stack.control("POST", "faults", fault)
    eventually(lambda: read(tenant, user, source="account2"), "account 2 stands in")
    assert order_of_readers(stack, tenant)[-2:] == [
        ("presence1@nimbus.example", 403),
        ("presence2@nimbus.example", 200),
    ]
    read_again = len(graph_calls(stack, tenant)) + 2
    eventually(lambda: len(graph_calls(stack, tenant)) >= read_again, "two more polls go by")
    assert len(changes(stack, tenant, "does not work")) == 1
    stack.control("DELETE", "faults")


def test_without_tracking_the_state_is_the_simple_one(stack: AppStack) -> None:
    tenant = stack.new_tenant()
    user = watched_user(stack, tenant, {"availability": "Busy", "activity": "InACall"})
    presence = eventually(lambda: read(tenant, user, source="application"), "the application reads")
    assert presence["state"] == "Busy"


def test_a_graph_outage_leaves_everything_else_working(stack: AppStack) -> None:
    tenant = stack.new_tenant()
    watched_user(stack, tenant, {"availability": "Available", "activity": "Available"})
    stack.control("POST", "faults", {"host": "graph.microsoft.com", "status": 500, "times": 50})
    eventually(lambda: [row for row in graph_calls(stack, tenant) if row["status"] == 500], "Graph fails")
    health = f"/api/tenants/{tenant.id}/presence/health"
    eventually(lambda: tenant.call("GET", health).json()["problem"], "health says so")
    assert tenant.submit().status_code == 200
    tenant.set(outbound={"maxScheduledTasksPerService": 7})
    assert stack.call("GET", "/api/health/ready", token=None).status_code == 200
    stack.control("DELETE", "faults")


def watched_user(stack: AppStack, tenant: NewTenant, presence: dict[str, str]) -> str:
    """A user of the directory whom the simulator knows too, in a tenant with both guests and consent."""
    user, client = str(uuid.uuid4()), "a0000000-0000-4000-8000-000000000002"
    scopes = ["Presence.Read.All", "User.Read", "User.ReadBasic.All"]
    directory = {
        "users": [{"id": user, "userPrincipalName": f"u@{tenant.id[:8]}.example", "displayName": "U"}],
        "guests": ["presence1@nimbus.example", "presence2@nimbus.example"],
        "consents": [{"clientId": client, "scopes": scopes}],
        "grants": [{"clientId": client, "roles": ["Presence.Read.All"]}],
    }
    stack.control("PUT", f"tenants/{tenant.id}", directory)
    stack.control("PUT", f"presence/{tenant.id}", {user: presence})
    body = {"upn": f"u@{tenant.id[:8]}.example", "displayName": "U"}
    assert tenant.call("PUT", f"/api/tenants/{tenant.id}/users/{user}", body).status_code == 201
    return user


def read(tenant: NewTenant, user: str, source: str) -> dict[str, Any] | None:
    answer: dict[str, Any] = tenant.call("GET", f"/api/tenants/{tenant.id}/presence?userId={user}").json()
    return answer if answer.get("source") == source and not answer["stale"] else None


def graph_calls(stack: AppStack, tenant: NewTenant) -> list[dict[str, Any]]:
    journal = stack.control("GET", "requests")
    rows = journal["items"] if isinstance(journal, dict) else journal
    return [row for row in rows if row["path"] == GRAPH_CALL and row["tenantId"] == tenant.id]


def changes(stack: AppStack, tenant: NewTenant, what: str) -> list[str]:
    return [line for line in stack.logged(f"presence account {what}") if tenant.id in line]


def order_of_readers(stack: AppStack, tenant: NewTenant) -> list[tuple[str, int]]:
    """Who read and what Graph said, up to the first success of account 2."""
    rows = graph_calls(stack, tenant)
    last = next(
        n for n, row in enumerate(rows) if (row["account"] or "").startswith("presence2") and row["status"] == 200
    )
    return [(row["account"], row["status"]) for row in rows[: last + 1]]
