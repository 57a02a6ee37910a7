"""One presence poll of one part of a tenant; and, in a line of its own, one look at the group a tenant watches."""

from __future__ import annotations

import azure.functions as func

from functions.http import messages
from functions.wiring import core

bp = func.Blueprint()


@bp.queue_trigger(arg_name="message", queue_name="presence-polls", connection="AzureWebJobsStorage")
def poll_presence(message: func.QueueMessage) -> None:
    """Read the presence of the users of a tenant's part. A second delivery of the same beat does nothing."""
    with messages.failures_logged(message, "poll_presence"):
        asked = messages.read(message)
        tenant_id, tick, part = str(asked["tenantId"]), str(asked["tick"]), int(asked["part"])
        core().presence.poller.poll(tenant_id, tick, part, rest=bool(asked.get("rest")))


@bp.queue_trigger(arg_name="message", queue_name="watch-groups", connection="AzureWebJobsStorage")
def look_at_watched_group(message: func.QueueMessage) -> None:
    """Bring the tenant's user directory in step with its group. May come twice."""
    with messages.failures_logged(message, "look_at_watched_group"):
        core().presence.watch_groups.sync(str(messages.read(message)["tenantId"]))
