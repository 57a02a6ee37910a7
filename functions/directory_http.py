"""The services and users of a tenant."""

from __future__ import annotations

import azure.functions as func

from functions.http import web
from functions.wiring import core
from shared.kernel.callers import OPERATOR, TENANT_ADMIN
from shared.tenants.models import Page, Service, ServiceWrite, User, UserWrite

bp = func.Blueprint()
_ADMINS = (TENANT_ADMIN, OPERATOR)
_SERVICE = "api/tenants/{tenantId}/services/{serviceUpn}"
_USER = "api/tenants/{tenantId}/users/{userId}"


@web.route(
    bp,
    "GET",
    "api/tenants/{tenantId}/services",
    roles=_ADMINS,
    answer=Page[Service],
    query=("top", "continuation"),
)
def list_services(call: web.Call) -> func.HttpResponse:
    """List the services of the tenant."""
    return call.ok(core().directory.services(call.tenant_id, top=call.top, continuation=call.continuation))


@web.route(bp, "GET", _SERVICE, roles=_ADMINS, answer=Service, etag=True)
def get_service(call: web.Call) -> func.HttpResponse:
    """Read a service."""
    return call.stored(core().directory.service(call.tenant_id, call.path("serviceUpn")))


@web.route(bp, "PUT", _SERVICE, roles=_ADMINS, body=ServiceWrite, answer=Service, versioned=True)
def put_service(call: web.Call) -> func.HttpResponse:
    """Create a service, or replace it (If-Match)."""
    _ = call.json
    saved = core().directory.put_service(
        call.tenant_id,
        call.path("serviceUpn"),
        lambda: call.body(ServiceWrite),
        versions=call.versions,
        by=call.caller,
    )
    return call.stored(saved)


@web.route(bp, "DELETE", _SERVICE, roles=_ADMINS, status=204, versioned=True)
def delete_service(call: web.Call) -> func.HttpResponse:
    """Delete a service that has no unfinished tasks."""
    core().directory.delete_service(call.tenant_id, call.path("serviceUpn"), versions=call.versions, by=call.caller)
    return call.nothing()


@web.route(
    bp,
    "GET",
    "api/tenants/{tenantId}/users",
    roles=_ADMINS,
    answer=Page[User],
    query=("top", "continuation"),
)
def list_users(call: web.Call) -> func.HttpResponse:
    """List the users of the tenant."""
    return call.ok(core().directory.users(call.tenant_id, top=call.top, continuation=call.continuation))


@web.route(bp, "GET", _USER, roles=_ADMINS, answer=User, etag=True)
def get_user(call: web.Call) -> func.HttpResponse:
    """Read a user."""
    return call.stored(core().directory.user(call.tenant_id, call.path("userId").lower()))


@web.route(bp, "PUT", _USER, roles=_ADMINS, body=UserWrite, answer=User, versioned=True)
def put_user(call: web.Call) -> func.HttpResponse:
    """Create a user, or replace it (If-Match)."""
    _ = call.json
    saved = core().directory.put_user(
        call.tenant_id,
        call.path("userId").lower(),
        lambda: call.body(UserWrite),
        versions=call.versions,
        by=call.caller,
    )
    return call.stored(saved)


@web.route(bp, "DELETE", _USER, roles=_ADMINS, status=204, versioned=True)
def delete_user(call: web.Call) -> func.HttpResponse:
    """Delete a user."""
    core().directory.delete_user(call.tenant_id, call.path("userId").lower(), versions=call.versions, by=call.caller)
    return call.nothing()
