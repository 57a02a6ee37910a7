"""The connector's operations on scheduler entries, and what admins see of refusals.

Paths, casing and success codes are those of the published connector, so a flow made for it runs here.
"""

from __future__ import annotations

import azure.functions as func

from functions import web
from functions.problems import problem
from functions.wiring import core
from shared.callers import OPERATOR, SERVICE_OWNER, TENANT_ADMIN
from shared.errors import Conflict, Invalid
from shared.outbound.models import Entry, SchedulerEntryWrite, read_entry
from shared.outbound.refusals import Refusal
from shared.outbound.scheduler import Refused
from shared.tenants.models import Page

bp = func.Blueprint()
_FLOWS = (TENANT_ADMIN, SERVICE_OWNER)


@web.route(bp, "POST", "v1/scheduler-entries", roles=_FLOWS, body=SchedulerEntryWrite, answer=Entry)
def create_scheduler_entry(call: web.Call) -> func.HttpResponse:
    """Schedule an outbound task. A full service answers 409 and keeps nothing."""
    outcome = core().scheduler.submit(call.head, read_entry(call.json), by=call.caller, source="http")
    if isinstance(outcome, Refused):
        return problem(_full(outcome), call.trace_id)
    return call.ok(outcome.entry.for_connector())


@web.route(
    bp, "GET", "v1/scheduler-entries", roles=_FLOWS, answer=list[Entry], query=("serviceUpn",), required=("serviceUpn",)
)
def list_scheduler_entries(call: web.Call) -> func.HttpResponse:
    """List the unfinished tasks of a service, next due first."""
    service_upn = call.query("serviceUpn")
    if service_upn is None:
        raise Invalid.field("serviceUpn", "say whose tasks you want: ?serviceUpn=", "Required")
    entries = core().scheduler.entries(call.tenant_id, service_upn, by=call.caller)
    return call.ok([entry.for_connector() for entry in entries])


@web.route(bp, "DELETE", "v1/scheduler-entries/{schedulerEntryId}", roles=_FLOWS)
def delete_scheduler_entry(call: web.Call) -> func.HttpResponse:
    """Cancel a task that is not with an agent yet."""
    core().scheduler.cancel(call.tenant_id, call.path("schedulerEntryId"), by=call.caller)
    return call.nothing(200)


@web.route(
    bp,
    "GET",
    "api/tenants/{tenantId}/outbound/refusals",
    roles=(TENANT_ADMIN, OPERATOR),
    answer=Page[Refusal],
    query=("top", "continuation"),
)
def list_refusals(call: web.Call) -> func.HttpResponse:
    """List the tasks refused in the last 24 hours, newest first."""
    return call.ok(core().refusals.page(call.tenant_id, top=call.top, continuation=call.continuation))


def _full(refused: Refused) -> Conflict:
    return Conflict(
        f"The service has {refused.scheduled + refused.in_progress} unfinished tasks; its limit is {refused.limit}. "
        "The task was not kept.",
        code="OutboundTaskLimitReached",
        limit=refused.limit,
        scheduled=refused.scheduled,
        inProgress=refused.in_progress,
    )
