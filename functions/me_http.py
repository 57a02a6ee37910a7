"""Offers and tasks of the agent who calls."""

from __future__ import annotations

import azure.functions as func

from functions.http import web
from functions.wiring import core
from shared.kernel.callers import AGENT, SERVICE_OWNER, TENANT_ADMIN
from shared.outbound.distribution.agent_tasks import TaskView
from shared.outbound.distribution.duty_switch import DutySwitch
from shared.tenants.models import Page

bp = func.Blueprint()
_STAFF = (AGENT, SERVICE_OWNER, TENANT_ADMIN)
_TASK = "api/me/tasks/{taskId}"


@web.route(bp, "GET", "api/me/tasks", roles=_STAFF, answer=Page[TaskView], query=("serviceUpn",))
def list_my_tasks(call: web.Call) -> func.HttpResponse:
    """List the caller's offer or task, or all unfinished tasks of a service they belong to."""
    tasks = core().outbound.agent_tasks
    service_upn = call.query("serviceUpn")
    if service_upn is None:
        return call.ok(Page(tasks.mine(call.tenant_id, call.caller), None))
    return call.ok(Page(tasks.of_service(call.tenant_id, service_upn, call.caller), None))


@web.route(bp, "POST", f"{_TASK}/accept", roles=_STAFF, answer=TaskView)
def accept_task(call: web.Call) -> func.HttpResponse:
    """Take the offered task."""
    return call.ok(core().outbound.agent_tasks.accept(call.tenant_id, call.path("taskId"), call.caller))


@web.route(bp, "POST", f"{_TASK}/decline", roles=_STAFF, answer=TaskView)
def decline_task(call: web.Call) -> func.HttpResponse:
    """Let the offered task go to the next member."""
    return call.ok(core().outbound.agent_tasks.decline(call.tenant_id, call.path("taskId"), call.caller))


@web.route(bp, "POST", f"{_TASK}/complete", roles=_STAFF, answer=TaskView)
def complete_task(call: web.Call) -> func.HttpResponse:
    """Say that the task is done."""
    return call.ok(core().outbound.agent_tasks.complete(call.tenant_id, call.path("taskId"), call.caller))


@web.route(bp, "POST", f"{_TASK}/fail", roles=_STAFF, answer=TaskView)
def fail_task(call: web.Call) -> func.HttpResponse:
    """Say that the attempt reached nobody."""
    return call.ok(core().outbound.agent_tasks.fail(call.tenant_id, call.path("taskId"), call.caller))


@web.route(bp, "PUT", "api/me/active", roles=_STAFF, body=DutySwitch, answer=DutySwitch)
def switch_duty(call: web.Call) -> func.HttpResponse:
    """Go on duty or off duty."""
    user = core().outbound.duty.set(call.tenant_id, lambda: call.body(DutySwitch), call.caller)
    return call.ok(DutySwitch(active=user.active))
