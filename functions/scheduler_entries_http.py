"""The connector's operations on scheduler entries.

Paths, casing and success codes are those of the published connector, so a flow made for it runs here.
"""

from __future__ import annotations

import azure.functions as func

from functions.http import web
from functions.http.problems import problem
from functions.wiring import core
from shared.kernel.callers import SERVICE_OWNER, TENANT_ADMIN
from shared.kernel.errors import Conflict, Invalid
from shared.outbound.admission.scheduler import Refused
from shared.outbound.tasks.events import SCHEDULER_ENTRY_EVENTS
from shared.outbound.tasks.models import SchedulerEntryWrite, read_entry
from shared.outbound.tasks.refusals import LIMIT_REACHED
from shared.outbound.tasks.task import SchedulerEntryEventData
from shared.outbound.tasks.value_lists import PRIORITIES, NameValue, named

bp = func.Blueprint()
_FLOWS = (TENANT_ADMIN, SERVICE_OWNER)
_ENTRY = "v1/scheduler-entries/{SchedulerEntryID}"


@web.route(bp, "POST", "v1/scheduler-entries", roles=_FLOWS, body=SchedulerEntryWrite, answer=SchedulerEntryEventData)
def create_scheduler_entry(call: web.Call) -> func.HttpResponse:
    """Schedule an outbound task. A full service answers 409 and keeps nothing."""
    outcome = core().outbound.scheduler.submit(call.head, read_entry(call.json), by=call.caller, source="http")
    if isinstance(outcome, Refused):
        return problem(_full(outcome), call.trace_id)
    return call.ok(outcome.entry.for_connector())


@web.route(
    bp,
    "GET",
    "v1/scheduler-entries",
    roles=_FLOWS,
    answer=list[SchedulerEntryEventData],
    query=("serviceUpn",),
    required=("serviceUpn",),
)
def list_scheduler_entries(call: web.Call) -> func.HttpResponse:
    """List the unfinished tasks of a service, next due first."""
    service_upn = call.query("serviceUpn")
    if service_upn is None:
        raise Invalid.field("serviceUpn", "say whose tasks you want: ?serviceUpn=", "Required")
    entries = core().outbound.entries.unfinished(call.tenant_id, service_upn, by=call.caller)
    return call.ok([entry.for_connector() for entry in entries])


@web.route(
    bp,
    "PUT",
    _ENTRY,
    roles=_FLOWS,
    body=SchedulerEntryWrite,
    answer=SchedulerEntryEventData,
)
def update_scheduler_entry(call: web.Call) -> func.HttpResponse:
    """Replace all of a task that is not with an agent yet; it starts over in its place."""
    entry_id = call.path("SchedulerEntryID")
    entry = core().outbound.entries.rewrite(call.head, entry_id, lambda: read_entry(call.json), by=call.caller)
    return call.ok(entry.for_connector())


@web.route(bp, "DELETE", _ENTRY, roles=_FLOWS)
def delete_scheduler_entry(call: web.Call) -> func.HttpResponse:
    """Cancel a task that is not with an agent yet."""
    core().outbound.entries.cancel(call.tenant_id, call.path("SchedulerEntryID"), by=call.caller)
    return call.nothing(200)


@web.route(bp, "GET", "v1/scheduler-entries/events", roles=_FLOWS, answer=list[NameValue])
def list_scheduler_entry_events(call: web.Call) -> func.HttpResponse:
    """List the events a trigger may wait for."""
    return call.ok(named(SCHEDULER_ENTRY_EVENTS))


@web.route(bp, "GET", "v1/scheduler-entries/service-contacts", roles=_FLOWS, answer=list[str])
def list_scheduler_entry_services(call: web.Call) -> func.HttpResponse:
    """List the services that may call out and that the caller may act for."""
    return call.ok(core().outbound.value_lists.services_that_call_out(call.head, call.caller))


@web.route(bp, "GET", "v1/scheduler-entries/distribution-priorities", roles=_FLOWS, answer=list[NameValue])
def list_distribution_priorities(call: web.Call) -> func.HttpResponse:
    """List the priorities of tasks."""
    return call.ok(named(PRIORITIES))


def _full(refused: Refused) -> Conflict:
    return Conflict(
        f"The service has {refused.scheduled + refused.in_progress} unfinished tasks; its limit is {refused.limit}. "
        "The task was not kept.",
        code=LIMIT_REACHED,
        limit=refused.limit,
        scheduled=refused.scheduled,
        inProgress=refused.in_progress,
    )
