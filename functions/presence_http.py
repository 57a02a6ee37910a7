"""Presence, as routing and the portal read it."""

from __future__ import annotations

import azure.functions as func

from functions import web
from functions.wiring import core
from shared.callers import INTEGRATION, OPERATOR, TENANT_ADMIN
from shared.presence.availability import Member
from shared.presence.views import Presence
from shared.tenants.models import Page

bp = func.Blueprint()


@web.route(
    bp,
    "GET",
    "api/tenants/{tenantId}/presence",
    roles=(TENANT_ADMIN, INTEGRATION, OPERATOR),
    answer=Page[Presence],
    query=("userId", "upn", "top", "continuation"),
)
def get_presence(call: web.Call) -> func.HttpResponse:
    """Read the presence of one user (userId or upn), or of all, paged."""
    presences = core().presences
    if user_id := call.query("userId"):
        return call.ok(presences.of_user(call.tenant_id, user_id.lower()))
    if upn := call.query("upn"):
        return call.ok(presences.of_upn(call.tenant_id, upn))
    return call.ok(presences.page(call.tenant_id, top=call.top, continuation=call.continuation))


@web.route(
    bp,
    "GET",
    "api/tenants/{tenantId}/services/{serviceUpn}/available-users",
    roles=(TENANT_ADMIN, INTEGRATION, OPERATOR),
    answer=Page[Member],
)
def get_available_users(call: web.Call) -> func.HttpResponse:
    """Read who of a service can take a task now, and why each other member cannot."""
    service = core().directory.service(call.tenant_id, call.path("serviceUpn")).value
    return call.ok(Page(core().availability.of_service(call.tenant_id, service), None))
