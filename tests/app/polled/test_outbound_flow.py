"""From a flow's call to an agent's finished task, over HTTP, with presence from Graph and the app's own timers."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.app.stack import AppStack, NewTenant, entry
from tests.devhost.stack import eventually


class Crew:
    """A tenant whose one service has members in front of their computers."""

    def __init__(self, stack: AppStack, size: int) -> None:
        self.stack = stack
        self.tenant: NewTenant = stack.new_tenant()
        self.service = self.tenant.services[0]
        self.members = [str(uuid.uuid4()) for _ in range(size)]
        self.tokens = [stack.token(self.tenant.id, "Agent", oid=member) for member in self.members]
        users = [
            {"id": member, "userPrincipalName": self.upn(number), "displayName": f"Agent {number}"}
            for number, member in enumerate(self.members)
        ]
        granted = [{"clientId": "a0000000-0000-4000-8000-000000000002", "roles": ["Presence.Read.All"]}]
        stack.control("PUT", f"tenants/{self.tenant.id}", {"users": users, "grants": granted})
        for number, member in enumerate(self.members):
            body = {"upn": self.upn(number), "displayName": f"Agent {number}", "licences": ["ContactCenter"]}
            assert self.admin("PUT", f"users/{member}", body).status_code == 201
        path = f"services/{self.service}"
        found = self.admin("GET", path)
        body = {name: value for name, value in found.json().items() if name != "upn"} | {"members": self.members}
        assert self.tenant.call("PUT", self.path(path), body, etag=found.headers["ETag"]).status_code == 200

    def upn(self, number: int) -> str:
        return f"agent{number}@{self.tenant.id[:8]}.example"

    def path(self, rest: str) -> str:
        return f"/api/tenants/{self.tenant.id}/{rest}"

    def admin(self, method: str, rest: str, body: Any = None) -> Any:
        return self.tenant.call(method, self.path(rest), body)

    def are(self, availability: str, *numbers: int) -> None:
        states = {self.members[n]: {"availability": availability, "activity": availability} for n in numbers}
        self.stack.control("PUT", f"presence/{self.tenant.id}", states)

    def tasks(self, number: int) -> list[dict[str, Any]]:
        answer = self.stack.call("GET", "/api/me/tasks", token=self.tokens[number])
        assert answer.status_code == 200
        found: list[dict[str, Any]] = answer.json()["items"]
        return found

    def answer(self, number: int, task: str, how: str) -> Any:
        return self.stack.call("POST", f"/api/me/tasks/{task}/{how}", token=self.tokens[number])

    def call_now(self, **changes: Any) -> str:
        due = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        created = self.tenant.call(
            "POST", "/v1/scheduler-entries", entry(self.service) | {"dueDateTimeUtc": due} | changes
        )
        assert created.status_code == 200, created.text
        return str(created.json()["schedulerEntryId"])

    def holder(self, task: str, *numbers: int) -> int:
        """Who is offered the task, sooner or later."""

        def somebody() -> int | None:
            return next((n for n in numbers if task in [one["id"] for one in self.tasks(n)]), None)

        found = eventually(lambda: [one] if (one := somebody()) is not None else None, "somebody is offered it", 30)
        return int(found[0])


@pytest.fixture(scope="module")
def crew(stack: AppStack) -> Crew:
    crew = Crew(stack, 2)
    crew.are("Available", 0, 1)
    return crew


def test_a_due_task_reaches_an_available_agent_who_finishes_it(crew: Crew) -> None:
    task = crew.call_now()
    first = crew.holder(task, 0, 1)
    (shown,) = crew.tasks(first)
    assert (shown["state"], shown["destination"], shown["serviceUpn"]) == (
        "Offered",
        "customer@example.com",
        crew.service,
    )
    assert shown["agentUserId"] == crew.members[first]
    assert crew.answer(1 - first, task, "accept").json()["code"] == "OfferGone"
    assert crew.answer(first, task, "decline").json()["state"] == "Queued"
    second = crew.holder(task, 1 - first)
    accepted = crew.answer(second, task, "accept")
    assert (accepted.json()["state"], accepted.json()["attempt"]) == ("InProgress", 1)
    entries = crew.admin("GET", f"outbound/entries?serviceUpn={crew.service}&state=InProgress").json()["items"]
    assert [one["id"] for one in entries] == [task]
    assert crew.tenant.call("DELETE", f"/v1/scheduler-entries/{task}").json()["code"] == "OutboundTaskInProgress"
    assert crew.answer(second, task, "complete").json()["state"] == "Completed"
    assert crew.tasks(second) == []
    history = crew.admin("GET", f"outbound/entries/{task}").json()
    assert [step["event"] for step in history["history"]] == [
        "Scheduled", "Queued", "Offered", "Queued", "Offered", "Accepted", "Completed",
    ]  # fmt: skip
    assert history["completionReason"] == "Completed"


def test_who_is_off_duty_is_not_asked_and_is_after_coming_back(crew: Crew) -> None:
    for number in (0, 1):
        off = crew.stack.call("PUT", "/api/me/active", {"active": False}, token=crew.tokens[number])
        assert off.json() == {"active": False}
    task = crew.call_now()
    eventually(lambda: crew.admin("GET", f"outbound/entries/{task}").json()["state"] == "Queued", "it is due")
    reasons = crew.admin("GET", f"services/{crew.service}/available-users").json()["items"]
    assert all("NotActive" in one["because"] for one in reasons)
    assert crew.tasks(0) == crew.tasks(1) == []
    crew.stack.call("PUT", "/api/me/active", {"active": True}, token=crew.tokens[1])
    assert crew.holder(task, 1) == 1
    table = crew.stack.call("GET", f"/api/me/tasks?serviceUpn={crew.service}", token=crew.tokens[0]).json()["items"]
    assert [(one["id"], one["state"]) for one in table] == [(task, "Offered")]
    released = crew.admin("POST", f"outbound/entries/{task}/release", {"reason": "a test is over"})
    assert released.json()["state"] == "Released"
    crew.stack.call("PUT", "/api/me/active", {"active": True}, token=crew.tokens[0])


def test_an_external_task_goes_to_the_preferred_user_and_takes_no_place(crew: Crew) -> None:
    preferred = [{"upn": crew.upn(1), "priority": 1}]
    body = {"serviceUpn": crew.service, "customerIdentifier": "C-1", "preferredUsers": preferred}
    created = crew.tenant.call("POST", "/v1/ExternalTasks", body)
    assert created.status_code == 200
    assert (created.json()["modality"], created.json()["isAnonymous"]) == ("ExternalTask", False)
    task = created.json()["id"]
    assert crew.holder(task, 0, 1) == 1
    assert crew.admin("GET", "outbound").json()["items"][0]["scheduled"] == 0
    assert crew.answer(1, task, "accept").status_code == 200
    information = {"customer": {"firstName": "Rosa"}}
    assert crew.tenant.call("PUT", f"/v1/tasks/{task}", information).status_code == 200
    assert crew.answer(1, task, "fail").json()["state"] == "AttemptsExhausted"


def test_a_batch_goes_through_the_queue_and_says_what_became_of_each(stack: AppStack) -> None:
    tenant = stack.new_tenant(limit=1)
    good = entry(tenant.services[0])
    bodies = [good, good, {"serviceUpn": tenant.services[0]}, entry("nobody@contoso.example")]
    accepted = tenant.call("POST", f"/api/tenants/{tenant.id}/outbound/batch", {"entries": bodies})
    assert (accepted.status_code, accepted.json()["accepted"]) == (202, 4)

    def decided() -> Any:
        items = tenant.call("GET", accepted.json()["statusUrl"]).json()["items"]
        return None if any(item["state"] == "pending" for item in items) else items

    items = eventually(decided, "all is decided", 30)
    assert [item["index"] for item in items] == [0, 1, 2, 3]
    assert sorted(item["state"] for item in items[:2]) == ["admitted", "refused"]
    assert {item["code"] for item in items[:2]} == {None, "OutboundTaskLimitReached"}
    assert (items[2]["state"], items[2]["code"]) == ("invalid", "Required")
    assert (items[3]["state"], items[3]["code"]) == ("refused", "ServiceNotFound")
    occupancy = tenant.call("GET", f"/api/tenants/{tenant.id}/outbound").json()["items"]
    assert [(one["scheduled"], one["free"], one["refusedToday"]) for one in occupancy] == [(1, 0, 1)]


def test_an_entry_is_rewritten_in_its_place(stack: AppStack) -> None:
    tenant = stack.new_tenant(limit=1)
    created = tenant.submit().json()
    path = f"/v1/scheduler-entries/{created['schedulerEntryId']}"
    changed = tenant.call("PUT", path, entry(tenant.services[0], destination="other@example.com", maxAttempts=3))
    assert changed.status_code == 200
    assert changed.json()["schedulerEntryId"] == created["schedulerEntryId"]
    assert (changed.json()["event"], changed.json()["destination"], changed.json()["maxAttempts"]) == (
        "Rescheduled",
        "other@example.com",
        3,
    )
    elsewhere = tenant.call("PUT", path, entry("other@contoso.example"))
    assert (elsewhere.status_code, elsewhere.json()["errors"][0]["path"]) == (422, "serviceUpn")
    assert tenant.submit().status_code == 409


def test_the_drop_downs_of_the_designer_are_filled(stack: AppStack) -> None:
    tenant = stack.new_tenant()
    for path in ("scheduler-entries/service-contacts", "tasks/service-contacts", "ExternalTasks/service-contacts"):
        assert tenant.call("GET", f"/v1/{path}").json() == tenant.services
    priorities = [{"name": name, "value": name} for name in ("High", "Normal", "Low")]
    for path in ("scheduler-entries/distribution-priorities", "ExternalTasks/distribution-priorities"):
        assert tenant.call("GET", f"/v1/{path}").json() == priorities
    events = [one["value"] for one in tenant.call("GET", "/v1/scheduler-entries/events").json()]
    assert {"Scheduled", "Completed", "Rejected"} <= set(events)
    assert tenant.call("GET", "/v1/tasks/users-for-preferred-routing").json() == []
    assert tenant.call("GET", "/v1/diagnostics/testconnection").status_code == 200
    agent = stack.token(tenant.id, "Agent")
    assert stack.call("GET", "/v1/diagnostics/testconnection", token=agent).status_code == 403
