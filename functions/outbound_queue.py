"""Outbound tasks that arrive as queue messages."""

from __future__ import annotations

import azure.functions as func

from functions.wiring import core

bp = func.Blueprint()


@bp.queue_trigger(arg_name="message", queue_name="outbound-requests", connection="AzureWebJobsStorage")
def admit_outbound_request(message: func.QueueMessage) -> None:
    """Admit or refuse one task by the same rule as the HTTP path. May come twice."""
    core().intake.take(message.get_body(), message_id=message.id or "", attempts=message.dequeue_count or 1)
