"""The settings document of a tenant."""

from __future__ import annotations

import azure.functions as func

from functions.http import web
from functions.wiring import core
from shared.kernel.callers import INTEGRATION, OPERATOR, ROLES, TENANT_ADMIN
from shared.kernel.errors import Invalid
from shared.operations.overview import OverviewAnswer
from shared.tenants.audit import AuditEntry, as_csv
from shared.tenants.models import Page, Stored
from shared.tenants.setting_catalogue import Settings, schema
from shared.tenants.settings.read_models import SectionAnswer, SettingsAnswer
from shared.tenants.settings.write_models import SettingsPatch, SettingsWrite

bp = func.Blueprint()
_PATH = "api/tenants/{tenantId}/settings"
_ADMINS = (TENANT_ADMIN, OPERATOR)
_READERS = (TENANT_ADMIN, INTEGRATION, OPERATOR)


@web.route(bp, "GET", _PATH, roles=_READERS, answer=SettingsAnswer, etag=True)
def get_settings(call: web.Call) -> func.HttpResponse:
    """Read the settings; the ETag names the version a later write replaces."""
    return _answer(call, call.head.settings.stored)


@web.route(
    bp, "PUT", _PATH, roles=_ADMINS, body=SettingsWrite, answer=SettingsAnswer, always_there=True, versioned=True
)
def put_settings(call: web.Call) -> func.HttpResponse:
    """Replace the settings (If-Match). What is left out goes back to its default; a secret left out stays."""
    return _answer(call, core().settings.replace(call.head, call.json, versions=call.versions, by=call.caller))


@web.route(
    bp, "PATCH", _PATH, roles=_ADMINS, body=SettingsPatch, answer=SettingsAnswer, always_there=True, versioned=True
)
def patch_settings(call: web.Call) -> func.HttpResponse:
    """Change what the merge patch names (RFC 7396, If-Match). null goes back to the default."""
    return _answer(call, core().settings.patch(call.head, call.json, versions=call.versions, by=call.caller))


@web.route(bp, "DELETE", _PATH, roles=_ADMINS, answer=SettingsAnswer, always_there=True, versioned=True)
def delete_settings(call: web.Call) -> func.HttpResponse:
    """Go back to the defaults (If-Match). Secrets are cleared, the widget key is kept."""
    return _answer(call, core().settings.reset(call.head, versions=call.versions, by=call.caller))


@web.route(
    bp,
    "GET",
    _PATH + "/history",
    roles=_ADMINS,
    answer=Page[AuditEntry],
    texts=("text/csv",),
    query=("top", "continuation", "section", "by", "format"),
)
def get_settings_history(call: web.Call) -> func.HttpResponse:
    """List changes, newest first, as JSON or (format=csv) for a spreadsheet."""
    if call.query("format") not in (None, *web.FORMATS):
        raise Invalid.field("format", "is neither json nor csv")
    page = core().settings.history(
        call.tenant_id,
        top=call.top,
        continuation=call.continuation,
        section=call.query("section"),
        by=call.query("by"),
    )
    return call.csv(as_csv(page.items), page.continuation) if call.query("format") == "csv" else call.ok(page)


@web.route(bp, "GET", _PATH + "/{section}", roles=_READERS, answer=SectionAnswer, etag=True)
def get_settings_section(call: web.Call) -> func.HttpResponse:
    """Read one section of the settings."""
    return call.ok(core().settings.section(call.head, call.path("section")), etag=call.head.settings.revision)


@web.route(bp, "GET", "api/settings/schema", roles=ROLES, answer=dict, tenant_must_exist=False)
def get_settings_schema(call: web.Call) -> func.HttpResponse:
    """Read the JSON Schema of the settings: titles, texts, bounds and defaults."""
    call.require_onboarded()
    return call.ok(schema())


@web.route(bp, "GET", "api/tenants/{tenantId}/overview", roles=_ADMINS, answer=OverviewAnswer)
def get_overview(call: web.Call) -> func.HttpResponse:
    """Read what a home page shows: sections, presence, outbound, recent changes, recommendations."""
    return call.ok(core().overview.of(call.head))


def _answer(call: web.Call, stored: Stored[Settings]) -> func.HttpResponse:
    return call.ok(core().settings.shown(call.head, stored.value), etag=stored.revision)
