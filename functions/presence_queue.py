"""One presence poll of one part of a tenant, or one look at the group it watches."""

from __future__ import annotations

import azure.functions as func

from functions import messages
from functions.wiring import core

bp = func.Blueprint()


@bp.queue_trigger(arg_name="message", queue_name="presence-polls", connection="AzureWebJobsStorage")
def poll_presence(message: func.QueueMessage) -> None:
    """Read the presence of the users of a tenant's part. A second delivery of the same beat does nothing."""
    asked = messages.read(message)
    if asked.get("watchGroup"):
        core().presence.watch_groups.sync(str(asked["tenantId"]))
    else:
        tenant_id, tick, part = str(asked["tenantId"]), str(asked["tick"]), int(asked["part"])
        core().presence.poller.poll(tenant_id, tick, part, rest=bool(asked.get("rest")))
