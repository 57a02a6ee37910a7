"""What Microsoft has to allow: the catalogue, and a tenant's grants held against it."""

from __future__ import annotations

import azure.functions as func

from functions.http import web
from functions.wiring import core
from shared.kernel.callers import OPERATOR, TENANT_ADMIN
from shared.permissions.catalogue import Permission, catalogue, chosen
from shared.permissions.checks import PermissionCheck
from shared.tenants.models import Page

bp = func.Blueprint()
_ADMINS = (TENANT_ADMIN, OPERATOR)


@web.route(
    bp,
    "GET",
    "api/permissions",
    roles=_ADMINS,
    answer=Page[Permission],
    query=("product", "component", "type"),
    tenant_must_exist=False,
)
def get_permissions(call: web.Call) -> func.HttpResponse:
    """List the permissions the product's apps may need, by product, component and type."""
    call.require_onboarded()
    rows = chosen(product=call.query("product"), component=call.query("component"), kind=call.query("type"))
    known = catalogue()
    about = {"version": known.version, "source": known.source, "components": known.components}
    return call.ok({"items": rows, "continuation": None, **about, "misspelt": known.misspelt})


@web.route(bp, "GET", "api/tenants/{tenantId}/permissions", roles=_ADMINS, answer=PermissionCheck, asks_microsoft=True)
def get_tenant_permissions(call: web.Call) -> func.HttpResponse:
    """Hold what the tenant granted each app against what it needs, with the link that grants the rest."""
    return call.ok(core().permissions.check(call.head))
