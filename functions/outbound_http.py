"""What admins see of outbound tasks, and what they may do about them."""

from __future__ import annotations

import azure.functions as func

from functions.http import web
from functions.wiring import core
from shared.kernel.callers import OPERATOR, TENANT_ADMIN
from shared.kernel.errors import Invalid
from shared.outbound.admission.batches import Batch, BatchAccepted, BatchStatus
from shared.outbound.distribution.supervision import EntryHistory, EntryView, Occupancy, Release
from shared.outbound.tasks.refusals import Refusal
from shared.outbound.tasks.task import STATES, State
from shared.tenants.models import Page

bp = func.Blueprint()
_ADMINS = (TENANT_ADMIN, OPERATOR)
_OUTBOUND = "api/tenants/{tenantId}/outbound"
_PAGED = ("serviceUpn", "top", "continuation")


@web.route(bp, "GET", _OUTBOUND, roles=_ADMINS, answer=Page[Occupancy], query=_PAGED)
def get_occupancy(call: web.Call) -> func.HttpResponse:
    """Read how full each service is, or the one named."""
    named = call.query("serviceUpn")
    page = core().outbound.supervision.occupancy(
        call.head, service_upn=named, top=call.top, continuation=call.continuation
    )
    return call.ok(page)


@web.route(bp, "GET", f"{_OUTBOUND}/entries", roles=_ADMINS, answer=Page[EntryView], query=(*_PAGED, "state"))
def list_outbound_entries(call: web.Call) -> func.HttpResponse:
    """List tasks, finished ones of the last 30 days too."""
    page = core().outbound.supervision.entries(
        call.tenant_id,
        service_upn=call.query("serviceUpn"),
        state=_state(call),
        top=call.top,
        continuation=call.continuation,
    )
    return call.ok(page)


@web.route(bp, "GET", f"{_OUTBOUND}/entries/{{entryId}}", roles=_ADMINS, answer=EntryHistory)
def get_outbound_entry(call: web.Call) -> func.HttpResponse:
    """Read a task with its transitions."""
    return call.ok(core().outbound.supervision.entry(call.tenant_id, call.path("entryId")))


@web.route(bp, "POST", f"{_OUTBOUND}/entries/{{entryId}}/release", roles=_ADMINS, body=Release, answer=EntryHistory)
def release_outbound_entry(call: web.Call) -> func.HttpResponse:
    """Free a stuck task and its place; the reason is kept."""
    entry_id = call.path("entryId")
    return call.ok(
        core().outbound.supervision.release(call.tenant_id, entry_id, lambda: call.body(Release), by=call.caller)
    )


@web.route(bp, "POST", f"{_OUTBOUND}/batch", roles=_ADMINS, body=Batch, answer=BatchAccepted, status=202)
def submit_outbound_batch(call: web.Call) -> func.HttpResponse:
    """Take up to 100 tasks in; each is admitted or refused for itself."""
    entries = call.body(Batch).entries
    batch_id = core().outbound.batches.submit(call.tenant_id, entries)
    status_url = f"/api/tenants/{call.tenant_id}/outbound/batch/{batch_id}"
    return call.ok(BatchAccepted(accepted=len(entries), status_url=status_url))


@web.route(bp, "GET", f"{_OUTBOUND}/batch/{{batchId}}", roles=_ADMINS, answer=BatchStatus)
def get_outbound_batch(call: web.Call) -> func.HttpResponse:
    """Read what became of each task of a batch."""
    return call.ok(core().outbound.batches.status(call.tenant_id, call.path("batchId")))


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
    return call.ok(core().outbound.refusals.page(call.tenant_id, top=call.top, continuation=call.continuation))


def _state(call: web.Call) -> State | None:
    named = call.query("state")
    if named is not None and named not in STATES:
        raise Invalid.field("state", f"is none of {', '.join(STATES)}", "InvalidValue")
    return named
