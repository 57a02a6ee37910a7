"""Tenants, for the platform's operators."""

from __future__ import annotations

import azure.functions as func

from functions.http import web
from functions.wiring import core
from shared.kernel.callers import OPERATOR
from shared.tenants.models import Page, Tenant, TenantLeaving, TenantWrite

bp = func.Blueprint()


@web.route(
    bp,
    "GET",
    "api/tenants",
    roles=(OPERATOR,),
    answer=Page[Tenant],
    query=("top", "continuation"),
    tenant_must_exist=False,
)
def list_tenants(call: web.Call) -> func.HttpResponse:
    """List tenants, in the order of their ids."""
    return call.ok(core().tenants.page(top=call.top, continuation=call.continuation))


@web.route(bp, "GET", "api/tenants/{tenantId}", roles=(OPERATOR,), answer=Tenant, etag=True)
def get_tenant(call: web.Call) -> func.HttpResponse:
    """Read a tenant with its licensed products."""
    return call.stored(call.head.tenant.stored)


@web.route(
    bp,
    "PUT",
    "api/tenants/{tenantId}",
    roles=(OPERATOR,),
    body=TenantWrite,
    answer=Tenant,
    tenant_must_exist=False,
    versioned=True,
)
def put_tenant(call: web.Call) -> func.HttpResponse:
    """Create a tenant, or change its name, products or cluster (If-Match)."""
    _ = call.json
    saved = core().tenants.put(call.tenant_id, lambda: call.body(TenantWrite), versions=call.versions, by=call.caller)
    return call.stored(saved)


@web.route(
    bp,
    "DELETE",
    "api/tenants/{tenantId}",
    roles=(OPERATOR,),
    answer=TenantLeaving,
    status=202,
    tenant_must_exist=False,
)
def delete_tenant(call: web.Call) -> func.HttpResponse:
    """Offboard a tenant: it is closed at once, its data goes in the background. Ask again for the progress."""
    return call.ok(core().offboarding.start(call.tenant_id, by=call.caller))
