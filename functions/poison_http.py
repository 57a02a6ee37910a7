"""Queue messages that could not be worked on: listed, and sent again."""

from __future__ import annotations

import azure.functions as func

from functions.http import web
from functions.http.operator_calls import note_operator
from functions.wiring import core
from shared.kernel.callers import OPERATOR, TENANT_ADMIN
from shared.messaging.dead_letters import EVERYBODY, SetAside
from shared.tenants.models import Page

bp = func.Blueprint()
_ADMINS = (TENANT_ADMIN, OPERATOR)
_OF_TENANT = "api/tenants/{tenantId}/outbound/poison"
_OF_ALL = "api/outbound/poison"


@web.route(bp, "GET", _OF_TENANT, roles=_ADMINS, answer=Page[SetAside], query=("top", "continuation"))
def list_poison(call: web.Call) -> func.HttpResponse:
    """List queue messages of the tenant that could not be worked on, newest first."""
    return call.ok(core().poison.page(call.tenant_id, top=call.top, continuation=call.continuation))


@web.route(
    bp,
    "GET",
    _OF_ALL,
    roles=(OPERATOR,),
    answer=Page[SetAside],
    query=("top", "continuation"),
    tenant_must_exist=False,
)
def list_all_poison(call: web.Call) -> func.HttpResponse:
    """List the queue messages of all tenants, and of none, that could not be worked on, newest first."""
    return call.ok(core().poison.page(EVERYBODY, top=call.top, continuation=call.continuation))


@web.route(bp, "POST", _OF_TENANT + "/{id}/requeue", roles=_ADMINS, answer=SetAside)
def requeue_poison(call: web.Call) -> func.HttpResponse:
    """Send a message of the tenant again and strike it off the list."""
    return call.ok(core().poison.requeue(call.tenant_id, call.path("id")))


@web.route(bp, "POST", _OF_ALL + "/{id}/requeue", roles=(OPERATOR,), answer=SetAside, tenant_must_exist=False)
def requeue_any_poison(call: web.Call) -> func.HttpResponse:
    """Send a message of any tenant, or of none, again and strike it off the list."""
    poison, note_id = core().poison, call.path("id")
    tenant_id = poison.tenant_of(note_id)
    if tenant_id is not None:
        note_operator(call.req, call.endpoint, call.caller, tenant_id)
    return call.ok(poison.requeue(tenant_id or EVERYBODY, note_id))
