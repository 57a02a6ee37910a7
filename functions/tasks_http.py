"""The connector's operations on tasks and external tasks, and its test of the connection."""

from __future__ import annotations

import azure.functions as func

from functions.http import web
from functions.wiring import core
from shared.kernel.callers import SERVICE_OWNER, TENANT_ADMIN
from shared.outbound.tasks.models import ExternalTaskWrite, TaskInformation, read_body
from shared.outbound.tasks.task import ExternalTaskWriteResult
from shared.outbound.tasks.value_lists import DIRECTIONS, MODALITIES, PRIORITIES, TASK_EVENTS, NameValue, named

bp = func.Blueprint()
_FLOWS = (TENANT_ADMIN, SERVICE_OWNER)
_NAMED = list[NameValue]


@web.route(bp, "PUT", "v1/tasks/{taskId}", roles=_FLOWS, body=TaskInformation, body_optional=True)
def update_task(call: web.Call) -> func.HttpResponse:
    """Add to an unfinished task who the customer is and what its workflow should know."""
    task_id = call.path("taskId")
    core().outbound.task_updates.update(
        call.tenant_id, task_id, lambda: read_body(TaskInformation, call.json_if_any), by=call.caller
    )
    return call.nothing(200)


@web.route(bp, "GET", "v1/tasks/service-contacts", roles=_FLOWS, answer=list[str])
def list_task_services(call: web.Call) -> func.HttpResponse:
    """List the licensed services the caller may act for."""
    return call.ok(core().outbound.value_lists.licensed_services(call.head, call.caller))


@web.route(bp, "GET", "v1/tasks/events", roles=_FLOWS, answer=_NAMED)
def list_task_events(call: web.Call) -> func.HttpResponse:
    """List the events a trigger on tasks may wait for."""
    return call.ok(named(TASK_EVENTS))


@web.route(bp, "GET", "v1/tasks/modalities", roles=_FLOWS, answer=_NAMED)
def list_task_modalities(call: web.Call) -> func.HttpResponse:
    """List the modalities of tasks."""
    return call.ok(named(MODALITIES))


@web.route(bp, "GET", "v1/tasks/directions", roles=_FLOWS, answer=_NAMED)
def list_task_directions(call: web.Call) -> func.HttpResponse:
    """List the directions of tasks."""
    return call.ok(named(DIRECTIONS))


@web.route(bp, "GET", "v1/tasks/users-for-preferred-routing", roles=_FLOWS, answer=list[str])
def list_users_for_preferred_routing(call: web.Call) -> func.HttpResponse:
    """List the users who may be preferred for a task."""
    return call.ok(core().outbound.value_lists.users(call.tenant_id))


@web.route(bp, "GET", "v1/ExternalTasks/service-contacts", roles=_FLOWS, answer=list[str])
def list_external_task_services(call: web.Call) -> func.HttpResponse:
    """List the services that external tasks may be handed to."""
    return call.ok(core().outbound.value_lists.licensed_services(call.head, call.caller))


@web.route(bp, "GET", "v1/ExternalTasks/distribution-priorities", roles=_FLOWS, answer=_NAMED)
def list_external_task_priorities(call: web.Call) -> func.HttpResponse:
    """List the priorities of external tasks."""
    return call.ok(named(PRIORITIES))


@web.route(bp, "POST", "v1/ExternalTasks", roles=_FLOWS, body=ExternalTaskWrite, answer=ExternalTaskWriteResult)
def add_external_task(call: web.Call) -> func.HttpResponse:
    """Hand a task from elsewhere to a member of a service."""
    write = read_body(ExternalTaskWrite, call.json)
    return call.ok(core().outbound.external_tasks.add(call.head, write, by=call.caller).for_connector())


@web.route(bp, "DELETE", "v1/ExternalTasks/{externalTaskId}", roles=_FLOWS)
def remove_external_task(call: web.Call) -> func.HttpResponse:
    """Take an external task back that is not with an agent yet."""
    core().outbound.external_tasks.remove(call.tenant_id, call.path("externalTaskId"), by=call.caller)
    return call.nothing(200)


@web.route(bp, "GET", "v1/diagnostics/testconnection", roles=_FLOWS)
def test_connection(call: web.Call) -> func.HttpResponse:
    """Tell a flow's connection that it works."""
    return call.nothing(200)
