"""The connector's triggers: a flow registers the URL it wants to be called at, and takes it back.

Paths, casing and success codes are those of the published connector. The platform finds the way back in ``Location``.
"""

from __future__ import annotations

import azure.functions as func

from functions.http import web
from functions.wiring import core
from shared.kernel.callers import OPERATOR, SERVICE_OWNER, TENANT_ADMIN
from shared.kernel.wire import Wire
from shared.outbound.webhooks.models import HookState, Kind, SchedulerEntryTrigger, TaskTrigger
from shared.tenants.models import Page

bp = func.Blueprint()
_FLOWS = (TENANT_ADMIN, SERVICE_OWNER)


class Registered(Wire):
    id: str


@web.route(
    bp, "POST", "v1/triggers/scheduler-entries", roles=_FLOWS, body=SchedulerEntryTrigger, answer=Registered, status=201
)
def register_scheduler_entry_trigger(call: web.Call) -> func.HttpResponse:
    """Have a URL called when something happens to scheduler entries of some services."""
    return _register(call, "scheduler-entries")


@web.route(bp, "POST", "v1/triggers/tasks", roles=_FLOWS, body=TaskTrigger, answer=Registered, status=201)
def register_task_web_hook(call: web.Call) -> func.HttpResponse:
    """Have a URL called when something happens to tasks of some services."""
    return _register(call, "tasks")


@web.route(bp, "DELETE", "v1/triggers/scheduler-entries/{triggerId}", roles=_FLOWS, status=204)
def delete_scheduler_entries_trigger(call: web.Call) -> func.HttpResponse:
    """Stop calling a URL about scheduler entries."""
    core().outbound.webhooks.remove(call.tenant_id, "scheduler-entries", call.path("triggerId"), by=call.caller)
    return call.nothing()


@web.route(bp, "DELETE", "v1/triggers/tasks/{triggerId}", roles=_FLOWS, status=204)
def delete_task_events_trigger(call: web.Call) -> func.HttpResponse:
    """Stop calling a URL about tasks."""
    core().outbound.webhooks.remove(call.tenant_id, "tasks", call.path("triggerId"), by=call.caller)
    return call.nothing()


@web.route(
    bp,
    "GET",
    "api/tenants/{tenantId}/outbound/webhooks",
    roles=(TENANT_ADMIN, OPERATOR),
    answer=Page[HookState],
    query=("top", "continuation"),
)
def list_webhooks(call: web.Call) -> func.HttpResponse:
    """List the registered URLs, without their signatures, and how calling them fares."""
    return call.ok(core().outbound.webhooks.page(call.tenant_id, top=call.top, continuation=call.continuation))


def _register(call: web.Call, kind: Kind) -> func.HttpResponse:
    hook = core().outbound.webhooks.register(call.tenant_id, kind, call.json, by=call.caller)
    response = call.ok(Registered(id=hook.id))
    response.headers["Location"] = f"{core().public_base_url}/v1/triggers/{kind}/{hook.id}"
    return response
