"""Interact as an admin sets it up: the widget's key, checks of connection strings and of meetings."""

from __future__ import annotations

from typing import Literal

import azure.functions as func

from functions.http import web
from functions.wiring import core
from shared.interact.acs.connection_check import CheckResult
from shared.interact.sessions.meetings import MeetingCheck
from shared.kernel.callers import OPERATOR, TENANT_ADMIN
from shared.kernel.errors import Invalid
from shared.kernel.wire import Wire, parse
from shared.tenants.widget_keys import WidgetKey

bp = func.Blueprint()
_TENANT = "api/tenants/{tenantId}"


class AcsCheckWrite(Wire):
    """Without a string the stored one is checked."""

    connection_string: str | None = None


@web.route(
    bp,
    "POST",
    _TENANT + "/interact/acs-check",
    roles=(TENANT_ADMIN, OPERATOR),
    body=AcsCheckWrite,
    body_optional=True,
    answer=CheckResult,
    asks_microsoft=True,
)
def check_interact_acs(call: web.Call) -> func.HttpResponse:
    """Check whether a token can be made with Interact's connection string, given or stored."""
    return _check(call, "interact")


@web.route(
    bp,
    "POST",
    _TENANT + "/assistant/acs-check",
    roles=(TENANT_ADMIN, OPERATOR),
    body=AcsCheckWrite,
    body_optional=True,
    answer=CheckResult,
    asks_microsoft=True,
)
def check_assistant_acs(call: web.Call) -> func.HttpResponse:
    """Check whether a token can be made with Assistant's connection string, given or stored."""
    return _check(call, "assistant")


# Operators are left out on purpose: a widget key is the tenant's own.
@web.route(bp, "GET", _TENANT + "/interact/widget-key", roles=(TENANT_ADMIN,), answer=WidgetKey)
def get_widget_key(call: web.Call) -> func.HttpResponse:
    """Read the widget key."""
    return call.ok(core().widget_keys.read(call.tenant_id))


@web.route(bp, "POST", _TENANT + "/interact/widget-key/refresh", roles=(TENANT_ADMIN,), answer=WidgetKey)
def refresh_widget_key(call: web.Call) -> func.HttpResponse:
    """Replace the widget key; pages with the old one stop working."""
    return call.ok(core().widget_keys.refresh(call.tenant_id, by=call.caller))


@web.route(
    bp,
    "POST",
    _TENANT + "/interact/meeting-check",
    roles=(TENANT_ADMIN, OPERATOR),
    answer=MeetingCheck,
    asks_microsoft=True,
)
def check_meeting(call: web.Call) -> func.HttpResponse:
    """Check whether a meeting can be made on behalf of the Microsoft 365 user of the settings."""
    return call.ok(core().interact.meeting_checks.check(call.head))


def _check(call: web.Call, section: Literal["interact", "assistant"]) -> func.HttpResponse:
    given = parse(AcsCheckWrite, call.json_if_any).connection_string
    text = given if given is not None else core().settings.connection_string(call.head, section)
    if text is None:
        raise Invalid.field("connectionString", "there is none stored, so give one to check", "Required")
    result = core().interact.acs_checks.check(call.tenant_id, section, text, core().acs_suffixes)
    core().settings.note_check(call.head, section, text, result.as_json())
    return call.ok(result)
