"""Deliveries to the URLs that flows registered."""

from __future__ import annotations

import azure.functions as func

from functions.http.messages import failures_logged, read
from functions.wiring import core
from shared.kernel.wire import parse
from shared.messaging.job_schedule import Appointment

bp = func.Blueprint()


@bp.queue_trigger(arg_name="message", queue_name="webhook-deliveries", connection="AzureWebJobsStorage")
def deliver_webhooks(message: func.QueueMessage) -> None:
    """Send one URL what is due. May come twice, late, and for a URL that is gone."""
    with failures_logged(message, "deliver_webhooks"):
        appointment = parse(Appointment, read(message))
        outbound = core().outbound
        outbound.agenda.answer(
            appointment, lambda: outbound.deliveries.deliver(appointment.tenant_id, appointment.subject)
        )
