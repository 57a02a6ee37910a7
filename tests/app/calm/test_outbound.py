"""Outbound tasks over HTTP and over the queue, on two worker processes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from devhost.settings import storage_connection
from shared.kernel import clock
from shared.outbound.admission.batches import Batches
from shared.storage.account import StorageAccount
from tests.app.partition import walk
from tests.app.stack import ADMIN, CONTOSO, DESK, FABRIKAM, HOME, OWNER, AppStack, entry
from tests.devhost.stack import eventually
from tests.scale import scaled


class Kept:
    """A queue that keeps what was sent to itself."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def send(self, message: Mapping[str, object]) -> None:
        self.texts.append(json.dumps(message))


@pytest.mark.parametrize("repetition", range(scaled(4, 20)))
def test_of_64_parallel_submissions_exactly_20_get_in(stack: AppStack, repetition: int) -> None:
    tenant = stack.new_tenant()
    with ThreadPoolExecutor(64) as pool:
        statuses = sorted(answer.status_code for answer in pool.map(lambda _: tenant.submit(), range(64)))
    assert statuses == [200] * 20 + [409] * 44
    assert len(tenant.unfinished()) == 20
    assert walk(stack, tenant.id) == 20


def test_a_full_service_answers_409_with_the_figures_and_keeps_nothing(stack: AppStack) -> None:
    tenant = stack.new_tenant(limit=1)
    assert tenant.submit().status_code == 200
    refused = tenant.submit()
    problem = refused.json()
    assert refused.status_code == 409
    assert refused.headers["Content-Type"].startswith("application/problem+json")
    assert problem["code"] == problem["error"]["code"] == "OutboundTaskLimitReached"
    assert (problem["limit"], problem["scheduled"], problem["inProgress"]) == (1, 1, 0)
    assert "Retry-After" not in refused.headers
    listed = tenant.call("GET", f"/api/tenants/{tenant.id}/outbound/refusals").json()["items"]
    assert [(row["code"], row["source"]) for row in listed] == [("OutboundTaskLimitReached", "http")]


def test_a_changed_limit_holds_for_the_next_submission(stack: AppStack) -> None:
    tenant = stack.new_tenant(limit=1)
    assert [tenant.submit().status_code for _ in range(2)] == [200, 409]
    tenant.set(outbound={"maxScheduledTasksPerService": 2})
    assert [tenant.submit().status_code for _ in range(2)] == [200, 409]
    tenant.set(outbound={"maxScheduledTasksPerService": 1})
    assert len(tenant.unfinished()) == 2
    assert tenant.submit().status_code == 409
    (shown,) = tenant.call("GET", f"/api/tenants/{tenant.id}/outbound").json()["items"]
    assert (shown["limit"], shown["scheduled"], shown["free"], shown["refusedToday"]) == (1, 2, 0, 3)


def test_cancelling_frees_the_slot(stack: AppStack) -> None:
    tenant = stack.new_tenant(limit=1)
    created = tenant.submit().json()
    path = f"/v1/scheduler-entries/{created['schedulerEntryId']}"
    assert tenant.call("DELETE", path).status_code == 200
    assert tenant.call("DELETE", path).json()["code"] == "OutboundTaskFinished"
    assert tenant.submit().status_code == 200


def test_the_same_reference_brings_the_same_task_even_when_full(stack: AppStack) -> None:
    tenant = stack.new_tenant(limit=1)
    body = entry(tenant.services[0], ReferenceId="order 17")
    first, again = (tenant.call("POST", "/v1/scheduler-entries", body) for _ in range(2))
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json()["schedulerEntryId"] == again.json()["schedulerEntryId"]
    other = tenant.call("POST", "/v1/scheduler-entries", body | {"maxAttempts": 5})
    assert (other.status_code, other.json()["code"]) == (409, "ReferenceIdConflict")


def test_all_fields_come_back_in_the_connectors_casing(stack: AppStack) -> None:
    tenant = stack.new_tenant()
    sent: dict[str, Any] = entry(
        tenant.services[0],
        ReferenceId="ref-1",
        distributionPriority="High",
        maxAttempts=3,
        attemptTimeoutInSeconds=60,
        maxQueueTimeInSeconds=30,
        ronaTimeoutInSeconds=10,
        customCallContextParameters=[{"name": "order", "value": "17"}],
        customer={"firstName": "Ann", "UPN": "ann@example.com", "telNumbers": [{"name": "home", "value": "1"}]},
    )
    answer = tenant.call("POST", "/v1/scheduler-entries", sent).json()
    del sent["dueDateTimeUtc"]
    assert {name: answer[name] for name in sent} == sent
    assert (answer["event"], answer["direction"], answer["modality"]) == ("Scheduled", "Outbound", "Audio")
    assert "completionReason" not in answer
    assert answer["dueDateTimeUtc"].endswith("Z")


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"dueDateTimeUtc": "2020-01-01T00:00:00Z"}, "dueDateTimeUtc"),
        ({"dueDateTimeUtc": "2999-01-01T00:00:00Z"}, "dueDateTimeUtc"),
        ({"dueDateTimeUtc": "2026-11-22T10:00:00"}, "dueDateTimeUtc"),
        ({"dueDateTimeUtc": "2026-11-22T10:00:00+01:00"}, "dueDateTimeUtc"),
        ({"dueDateTimeUtc": 5}, "dueDateTimeUtc"),
        ({"destination": "0041"}, "destination"),
        ({"destination": "+41791234567"}, "destination"),  # the service has no number
        ({"ReferenceId": "a\u0007b"}, "ReferenceId"),
        ({"maxAttempts": 11}, "maxAttempts"),
        ({"maxAttempts": "3"}, "maxAttempts"),
        ({"customCallContextParameters": [{"name": "n"}] * 10_000}, "customCallContextParameters"),
        ({"customer": {"firstName": "x" * 1025}}, "customer.firstName"),
        ({"customer": {"telNumbers": [{"value": "1"}]}}, "customer.telNumbers.0.name"),
        ({"distributionPriority": "Urgent"}, "distributionPriority"),
    ],
)
def test_bad_content_is_422_and_names_the_field(stack: AppStack, changes: dict[str, Any], path: str) -> None:
    tenant = stack.new_tenant()
    answer = tenant.submit(**changes)
    assert answer.status_code == 422, answer.text
    assert path in [finding["path"] for finding in answer.json()["errors"]]
    assert tenant.unfinished() == []


def test_who_may_submit_is_told_apart_in_the_contracts_order(stack: AppStack) -> None:
    body = entry(DESK)
    owner, stranger = (stack.token(CONTOSO, "ServiceOwner", oid=oid) for oid in (OWNER, ADMIN.replace("1", "9")))

    def status(token: str | None, sent: Any = body) -> tuple[int, str]:
        answer = stack.call("POST", "/v1/scheduler-entries", sent, token=token)
        return answer.status_code, answer.json().get("code", "")

    assert status(None)[0] == 401
    assert status(stack.token(CONTOSO, "Agent")) == (403, "RoleMissing")
    assert status(stranger, {}) == (422, "InvalidContent")
    assert status(stranger, entry("nobody@contoso.example")) == (404, "ServiceNotFound")
    assert status(stranger) == (403, "NotServiceOwner")
    assert status(owner)[0] == 200
    assert status(stack.token(FABRIKAM)) == (404, "ServiceNotFound")
    assert status(owner, entry(DESK, destination="+41791234567"))[0] == 200


def test_a_service_without_licence_is_refused(stack: AppStack) -> None:
    answer = stack.call("POST", "/v1/scheduler-entries", entry("hr@contoso.example"))
    assert (answer.status_code, answer.json()["code"]) == (422, "ServiceNotLicensed")


def test_a_task_of_another_tenant_is_not_found(stack: AppStack) -> None:
    tenant = stack.new_tenant()
    created = tenant.submit().json()
    stranger = stack.call("DELETE", f"/v1/scheduler-entries/{created['schedulerEntryId']}", token=stack.token(FABRIKAM))
    assert stranger.status_code == 404
    assert len(tenant.unfinished()) == 1


def test_the_queue_admits_by_the_same_rule_and_refusals_end_there(stack: AppStack) -> None:
    tenant = stack.new_tenant(limit=2)
    for _ in range(5):
        stack.send("outbound-requests", json.dumps(entry(tenant.services[0]) | {"tenantId": tenant.id}))
    path = f"/api/tenants/{tenant.id}/outbound/refusals"
    refusals = eventually(
        lambda: items if len(items := tenant.call("GET", path).json()["items"]) == 3 else None, "three are refused"
    )
    assert {row["source"] for row in refusals} == {"queue"}
    assert len(tenant.unfinished()) == 2
    assert tenant.call("GET", f"/api/tenants/{tenant.id}/outbound/poison").json()["items"] == []


def test_a_malformed_message_is_listed_with_its_reason(stack: AppStack) -> None:
    tenant = stack.new_tenant()
    stack.send("outbound-requests", json.dumps({"tenantId": tenant.id, "serviceUpn": tenant.services[0]}))
    stack.send("outbound-requests", "not JSON at all")
    path = f"/api/tenants/{tenant.id}/outbound/poison"
    (row,) = eventually(lambda: tenant.call("GET", path).json()["items"], "the message is listed")
    assert "dueDateTimeUtc" in row["reason"]
    assert row["queue"] == "outbound-requests"
    operator = stack.token(HOME, "Operator")

    def listed() -> list[str]:
        found = stack.call("GET", "/api/outbound/poison", token=operator).json()["items"]
        return [item["reason"] for item in found if "JSON" in item["reason"]]

    assert eventually(listed, "operators see the other")


def test_a_message_that_is_not_base64_or_names_nobody_is_listed_and_an_operator_sends_it_again(stack: AppStack) -> None:
    operator = stack.token(HOME, "Operator")
    tenant = stack.new_tenant()

    def listed(mark: str) -> list[dict[str, Any]]:
        found = stack.call("GET", "/api/outbound/poison", token=operator).json()["items"]
        return [item for item in found if mark in item["reason"]]

    stack.send("outbound-requests", "neither this nor that!", plain=True)
    (item,) = eventually(lambda: listed("base64"), "it is listed")
    assert tenant.call("POST", f"/api/outbound/poison/{item['id']}/requeue").status_code == 403
    path = f"/api/outbound/poison/{item['id']}/requeue"
    assert stack.call("POST", path, token=operator).json() == item
    assert stack.call("POST", path, token=operator).json()["code"] == "PoisonNotFound"
    eventually(lambda: listed("not JSON") and not listed("base64"), "it came in again, in base64 now")


def test_a_message_of_any_queue_that_failed_too_often_goes_to_the_list_and_back(stack: AppStack) -> None:
    tenant = stack.new_tenant()
    stack.send("presence-polls-poison", json.dumps({"tenantId": tenant.id, "tick": "2026"}))
    path = f"/api/tenants/{tenant.id}/outbound/poison"
    (item,) = eventually(lambda: tenant.call("GET", path).json()["items"], "it is listed")
    assert (item["queue"], item["attempts"]) == ("presence-polls", 5)
    assert stack.call("POST", f"{path}/{item['id']}/requeue").status_code == 403
    assert tenant.call("POST", f"{path}/{item['id']}/requeue").status_code == 200
    assert tenant.call("POST", f"{path}/{item['id']}/requeue").status_code == 404
    assert tenant.call("GET", path).json()["items"] == []


def test_an_item_whose_message_failed_five_times_says_so_and_comes_in_when_it_is_sent_again(stack: AppStack) -> None:
    tenant = stack.new_tenant()
    account, sent = StorageAccount(storage_connection(stack.storage_port), None, ""), Kept()
    nobody: Any = SimpleNamespace(wake=lambda *_: None)  # would send the item again
    batch = Batches(account.table("journal"), sent, nobody, clock.now).submit(tenant.id, [entry(tenant.services[0])])
    (text,) = sent.texts

    def item() -> dict[str, Any]:
        (found,) = tenant.call("GET", f"/api/tenants/{tenant.id}/outbound/batch/{batch}").json()["items"]
        return dict(found)

    assert item()["state"] == "pending"
    stack.send("outbound-requests-poison", text)
    eventually(lambda: item()["state"] != "pending", "somebody says what became of it")
    assert (item()["state"], item()["code"]) == ("invalid", "MessageSetAside")
    path = f"/api/tenants/{tenant.id}/outbound/poison"
    (row,) = tenant.call("GET", path).json()["items"]
    assert tenant.call("POST", f"{path}/{row['id']}/requeue").status_code == 200
    eventually(lambda: item()["state"] != "invalid", "it came in")
    assert (item()["state"], item()["code"]) == ("admitted", None)
    assert [one["schedulerEntryId"] for one in tenant.unfinished()] == [item()["schedulerEntryId"]]
