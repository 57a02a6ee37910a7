"""The settings document of a tenant."""

from __future__ import annotations

from typing import Any

import azure.functions as func

from functions import web
from functions.wiring import core
from shared.callers import INTEGRATION, OPERATOR, TENANT_ADMIN
from shared.tenants.models import Stored, Tenant
from shared.tenants.settings import Settings, effects

bp = func.Blueprint()


@web.route(
    bp,
    "GET",
    "api/tenants/{tenantId}/settings",
    roles=(TENANT_ADMIN, INTEGRATION, OPERATOR),
    answer=Settings,
)
def get_settings(call: web.Call) -> func.HttpResponse:
    """Read the settings; the ETag names the version a later write replaces."""
    return _answer(call, call.head.settings.stored)


@web.route(
    bp,
    "PUT",
    "api/tenants/{tenantId}/settings",
    roles=(TENANT_ADMIN, OPERATOR),
    body=Settings,
    answer=Settings,
)
def put_settings(call: web.Call) -> func.HttpResponse:
    """Replace the settings (If-Match). What is left out goes back to its default."""
    saved = core().tenants.replace_settings(call.head, call.json, versions=call.versions, by=call.caller)
    return _answer(call, saved)


@web.route(
    bp,
    "PATCH",
    "api/tenants/{tenantId}/settings",
    roles=(TENANT_ADMIN, OPERATOR),
    body=Settings,
    answer=Settings,
)
def patch_settings(call: web.Call) -> func.HttpResponse:
    """Change what the merge patch names (RFC 7396, If-Match). null goes back to the default."""
    saved = core().tenants.patch_settings(call.head, call.json, versions=call.versions, by=call.caller)
    return _answer(call, saved)


def _answer(call: web.Call, stored: Stored[Settings]) -> func.HttpResponse:
    tenant: Tenant = call.head.tenant.value
    beside: dict[str, Any] = {"effective": effects(tenant.products), "warnings": []}
    return call.ok(stored.value.as_json() | beside, etag=stored.revision)
