"""The published connector's requests, with all fields and all choices, as a flow sends them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.app.stack import AppStack, NewTenant
from tests.published import OPERATIONS, TYPES, everything, strays

URL = "https://hooks.logic.azure.com/connector/invoke?sig=not-for-others"
DUE = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


class Flow:
    """Calls operations by their name; each must succeed as published and answer in the published shape."""

    def __init__(self, stack: AppStack) -> None:
        self.tenant: NewTenant = stack.new_tenant(limit=50)
        self.service = self.tenant.services[0]

    def __call__(self, name: str, body: Any = None, *, query: str = "", **path: str) -> Any:
        (operation,) = (one for one in OPERATIONS if one["id"] == name)
        answer = self.tenant.call(operation["method"], operation["path"].format(**path) + query, body)
        assert answer.status_code == operation["status"], f"{name}: {answer.text}"
        if operation["answer"] is None:
            return answer
        assert strays(answer.json(), operation["answer"]) == []
        return answer.json()

    def values(self, name: str) -> list[str]:
        """A list the designer offers."""
        return [one["value"] for one in self(name)]


@pytest.fixture(scope="module")
def flow(stack: AppStack) -> Flow:
    return Flow(stack)


def test_scheduler_entries_with_all_fields_and_all_choices_come_back_as_sent(flow: Flow) -> None:
    assert flow("GetSchedulerEntryServices") == [flow.service]
    least = {"serviceUpn": flow.service, "destination": "customer@example.com", "dueDateTimeUtc": DUE}
    assert set(least) == set(TYPES["SchedulerEntryWriteData"]["required"])
    assert flow("CreateSchedulerEntry", least).items() >= least.items()
    for priority in flow.values("GetDistributionPriorities"):
        names = {"ReferenceId": f"Order {priority}", "distributionPriority": priority}
        sent = everything("SchedulerEntryWriteData", **least, **names)
        created = flow("CreateSchedulerEntry", sent)
        assert created.items() >= sent.items()
        sent["maxAttempts"] = 10
        changed = flow("UpdateSchedulerEntry", sent, SchedulerEntryID=created["schedulerEntryId"])
        assert changed.items() >= sent.items()
        assert changed in flow("GetSchedulerEntries", query=f"?serviceUpn={flow.service}")
        flow("DeleteSchedulerEntry", SchedulerEntryID=created["schedulerEntryId"])
    assert len(flow("GetSchedulerEntries", query=f"?serviceUpn={flow.service}")) == 1


def test_external_tasks_with_all_fields_and_all_choices_are_taken(flow: Flow) -> None:
    assert flow("GetServices") == flow("GetExternalTasksServices") == [flow.service]
    flow("AddExternalTask", {"serviceUpn": flow.service})
    preferred = [{"upn": f"agent{n}@contoso.example", "priority": 99 - n} for n in range(10)]
    for priority in flow.values("GetExternalTasksDistributionPriorities"):
        choices = {"serviceUpn": flow.service, "distributionPriority": priority, "preferredUsers": preferred}
        added = flow("AddExternalTask", everything("ExternalTaskWriteDto", **choices))
        assert added["preferredUsers"] == preferred
        flow("UpdateTask", everything("TaskInformation", preferredUsers=preferred), taskId=added["id"])
        flow("UpdateTask", taskId=added["id"])
        flow("RemoveExternalTask", externalTaskId=added["id"])
    refused = flow.tenant.call("POST", "/v1/ExternalTasks", choices | {"preferredUsers": [*preferred, preferred[0]]})
    assert refused.json()["errors"][0]["path"] == "preferredUsers"


def test_triggers_wait_for_all_the_events_there_are(flow: Flow) -> None:
    config = {"services": [flow.service], "url": URL}
    events = {"schedulerEntryEvents": flow.values("GetSchedulerEntriesEvents")}
    assert flow("RegisterSchedulerEntryTrigger", {"config": config | events}).headers["Location"]
    events = {
        "taskEvents": flow.values("GetTaskEvents"),
        "modalities": flow.values("GetTaskModalities"),
        "directions": flow.values("GetTaskDirections"),
    }
    hook = flow("RegisterTaskWebHook", {"config": config | events}).json()["id"]
    flow("DeleteTaskEventsTrigger", triggerId=hook)
    hook = flow("RegisterSchedulerEntryTrigger", {"config": config | {"schedulerEntryEvents": ["Queued"]}}).json()["id"]
    flow("DeleteSchedulerEntriesTrigger", triggerId=hook)


def test_contacts_with_all_fields_come_back_as_sent(flow: Flow) -> None:
    assert flow.tenant.call("PUT", f"/api/tenants/{flow.tenant.id}/address-books/leads", {"name": "Leads"}).ok
    assert flow("GetAddressBooks") == [{"id": "leads", "name": "Leads"}]
    sent = everything("ContactWriteDto", externalId="c-1")
    assert flow("AddContact", sent, AddressBook="leads") == sent
    assert flow("UpdateContact", sent, AddressBook="leads") == sent
    assert flow("AddContact", {"externalId": "c-2"}, AddressBook="leads") == {"externalId": "c-2"}
    assert flow("GetContacts", AddressBook="leads", query="?externalIds=c-1") == [sent]
    flow("RemoveContacts", ["c-1"], AddressBook="leads")
    flow("ClearContacts", AddressBook="leads")
    assert flow("GetContacts", AddressBook="leads") == []


def test_a_connection_is_tested_and_users_are_offered(flow: Flow) -> None:
    assert flow("TestConnection").content == b""
    user = {"upn": "ann@contoso.example", "displayName": "Ann", "licences": ["ContactCenter"]}
    assert flow.tenant.call("PUT", f"/api/tenants/{flow.tenant.id}/users/{uuid.uuid4()}", user).ok
    assert flow("GetUsersForPreferredRouting") == ["ann@contoso.example"]
