"""Webhooks from outside: a flow registers, is called, and unsubscribes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from devhost.settings import storage_connection
from shared.kernel import clock
from shared.messaging.job_schedule import Agenda
from shared.outbound.tasks.events import Event
from shared.outbound.tasks.job_kinds import DELIVER
from shared.outbound.webhooks.outbox import HookOutbox
from shared.outbound.webhooks.registrations import Webhooks
from shared.outbound.webhooks.store import HookStore
from shared.storage.account import StorageAccount
from shared.storage.secrets import SecretBox
from tests.app.stack import CONTOSO, DESK, FABRIKAM, HOME, OWNER, AppStack, NewTenant
from tests.devhost.stack import eventually

URL = "https://hooks.logic.azure.com/{}/invoke?api-version=2016-10-01&sig=not-for-others"


def body(service: str, name: str, **changes: Any) -> dict[str, Any]:
    return {"config": {"services": [service], "schedulerEntryEvents": ["Queued"], "url": URL.format(name)} | changes}


def publish(stack: AppStack, tenant: NewTenant, *events: tuple[str, int]) -> None:
    """What a visit to the service does, from a process of its own."""
    account = StorageAccount(storage_connection(stack.storage_port), None, "")
    table, unused = account.table("outbound"), SecretBox([("unused", bytes(32))])
    agenda = Agenda(account.table("agenda"), {DELIVER: account.queue("webhook-deliveries")}, clock.now)
    directory: Any = None
    webhooks = Webhooks(HookStore(table, unused), HookOutbox(table), directory, agenda, (), clock.now)
    webhooks.publish(
        [
            Event(tenant.id, tenant.services[0], task, n, "Queued", "Outbound", "Audio", {"n": n, "task": task}, {})
            for task, n in events
        ]
    )


def caught(stack: AppStack, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = stack.control("GET", "webhooks")
    return [row for row in rows if row["path"] == f"/{name}/invoke"]


def listed(tenant: NewTenant) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = tenant.call("GET", f"/api/tenants/{tenant.id}/outbound/webhooks").json()["items"]
    return items


def call(stack: AppStack, tenant: NewTenant, hook_id: str) -> None:
    """Call the appointment without waiting for the agenda."""
    message = {"kind": DELIVER, "tenantId": tenant.id, "subject": hook_id}
    stack.send("webhook-deliveries", json.dumps(message))


def test_a_flow_registers_is_called_in_order_and_unsubscribes(stack: AppStack) -> None:
    tenant = stack.new_tenant()
    answer = tenant.call("POST", "/v1/triggers/scheduler-entries", body(tenant.services[0], "flow1"))
    assert answer.status_code == 201, answer.text
    location = answer.headers["Location"]
    hook_id = answer.json()["id"]
    assert re.fullmatch(rf"https?://[^/]+/v1/triggers/scheduler-entries/{hook_id}", location)
    publish(stack, tenant, ("t", 1), ("t", 2), ("t", 3))
    publish(stack, tenant, ("t", 1), ("t", 2), ("t", 3))
    call(stack, tenant, hook_id)
    call(stack, tenant, hook_id)
    rows = eventually(lambda: found if len(found := caught(stack, "flow1")) >= 3 else None, "events arrive")
    assert [row["body"] for row in rows] == [{"n": n, "task": "t"} for n in (1, 2, 3)]
    assert rows[0]["query"].endswith("sig=not-for-others")
    assert len({row["headers"]["x-nimbus-event-id"] for row in rows}) == 3
    (state,) = eventually(lambda: items if _is_noted(items := listed(tenant)) else None, "all is noted")
    assert (state["state"], state["lastStatus"], state["url"]) == (
        "active",
        202,
        "https://hooks.logic.azure.com/flow1",
    )
    assert re.fullmatch(r"[0-9a-f]{16}", state["fingerprint"])
    path = location.split("/v1/", maxsplit=1)[1]
    assert tenant.call("DELETE", f"/v1/{path.replace('scheduler-entries', 'tasks')}").status_code == 404
    assert tenant.call("DELETE", f"/v1/{path}").status_code == 204
    assert tenant.call("DELETE", f"/v1/{path}").json()["code"] == "WebhookNotFound"
    assert listed(tenant) == []


def test_a_failing_receiver_is_visible_and_a_gone_one_is_removed(stack: AppStack) -> None:
    tenant = stack.new_tenant()
    stack.control("PUT", "webhooks/behaviour", [{"pathPrefix": "/flow2", "status": 500, "times": 1}])
    stack.control("PUT", "webhooks/behaviour", [{"pathPrefix": "/flow3", "status": 410}])
    ids = {
        name: tenant.call("POST", "/v1/triggers/scheduler-entries", body(tenant.services[0], name)).json()["id"]
        for name in ("flow2", "flow3")
    }
    publish(stack, tenant, ("t", 1))
    for hook_id in ids.values():
        call(stack, tenant, hook_id)
    (state,) = eventually(
        lambda: items if len(items := listed(tenant)) == 1 and items[0]["state"] == "failing" else None, "one is left"
    )
    assert (state["id"], state["lastStatus"], state["pending"]) == (ids["flow2"], 500, 1)
    assert state["nextTry"] > state["failingSince"]


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "https://10.0.0.1/", "http://hooks.logic.azure.com/", "x", ""])
def test_a_callback_to_elsewhere_is_422_and_names_the_field(stack: AppStack, url: str) -> None:
    answer = stack.call("POST", "/v1/triggers/scheduler-entries", body(DESK, "x", url=url, schedulerEntryEvents=["?"]))
    assert answer.status_code == 422
    paths = [finding["path"] for finding in answer.json()["errors"]]
    assert paths == ["config.schedulerEntryEvents.0", "config.url"]


def test_who_may_register_is_told_apart_in_the_contracts_order(stack: AppStack) -> None:
    owner, stranger = (stack.token(CONTOSO, "ServiceOwner", oid=oid) for oid in (OWNER, OWNER.replace("a", "9")))

    def outcome(token: str | None, sent: Any, **more: Any) -> tuple[int, str]:
        answer = stack.call("POST", "/v1/triggers/tasks", sent, token=token, **more)
        return answer.status_code, answer.json().get("code", "")

    config = {"services": [DESK], "taskEvents": ["Completed"], "url": URL.format("tasks"), "modalities": ["Audio"]}
    good, unknown = {"config": config}, {"config": config | {"services": ["nobody@contoso.example"]}}
    assert outcome(None, good) == (401, "TokenMissing")
    assert outcome(stack.token(CONTOSO, "Agent"), good) == (403, "RoleMissing")
    assert outcome(stranger, None, data="x", headers={"Content-Type": "text/plain"})[0] == 415
    assert outcome(stranger, None, data="{", headers={"Content-Type": "application/json"})[0] == 400
    assert outcome(stranger, {"config": {}}) == (422, "InvalidContent")
    assert outcome(stranger, unknown) == (404, "ServiceNotFound")
    assert outcome(stranger, good) == (403, "NotServiceOwner")
    assert outcome(stack.token(FABRIKAM), good) == (404, "ServiceNotFound")
    answer = stack.call("POST", "/v1/triggers/tasks", good, token=owner)
    assert answer.status_code == 201
    path = "/v1/triggers/tasks/" + answer.json()["id"]
    assert stack.call("DELETE", path, token=stack.token(FABRIKAM)).status_code == 404
    assert stack.call("DELETE", path, token=stranger).json()["code"] == "NotServiceOwner"
    assert stack.call("DELETE", path, token=owner).status_code == 204


def test_only_admins_see_the_list(stack: AppStack) -> None:
    path = f"/api/tenants/{CONTOSO}/outbound/webhooks"
    assert stack.call("GET", path, token=stack.token(CONTOSO, "ServiceOwner", oid=OWNER)).status_code == 403
    assert stack.call("GET", path, token=stack.token(FABRIKAM)).status_code == 403
    assert stack.call("GET", path, token=stack.token(HOME, "Operator")).status_code == 200
    assert set(stack.call("GET", path + "?top=1").json()) == {"items", "continuation"}


def _is_noted(items: list[dict[str, Any]]) -> bool:
    """Nothing waits, and the last answer was written down; the one comes before the other."""
    return items[0]["pending"] == 0 and items[0]["lastStatus"] is not None
