"""The slow part of offboarding a tenant."""

from __future__ import annotations

import azure.functions as func

from functions.http import messages
from functions.wiring import core

bp = func.Blueprint()


@bp.queue_trigger(arg_name="message", queue_name="tenant-offboarding", connection="AzureWebJobsStorage")
def offboard_tenant(message: func.QueueMessage) -> None:
    """Remove what is left of a leaving tenant. Does nothing for any other, so it may come twice."""
    with messages.failures_logged(message, "offboard_tenant"):
        core().offboarding.run(str(messages.read(message)["tenantId"]), message_id=message.id or "")
