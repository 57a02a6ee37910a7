"""Outbound tasks that arrive as queue messages."""

from __future__ import annotations

import azure.functions as func

from functions.http.messages import failures_logged, read, sent_at
from functions.wiring import core
from shared.kernel.wire import parse
from shared.messaging.job_schedule import Appointment
from shared.outbound.tasks import job_kinds

bp = func.Blueprint()


@bp.queue_trigger(arg_name="message", queue_name="outbound-requests", connection="AzureWebJobsStorage")
def admit_outbound_request(message: func.QueueMessage) -> None:
    """Admit or refuse one task by the same rule as the HTTP path. May come twice."""
    with failures_logged(message, "admit_outbound_request"):
        core().outbound.intake.take(
            message.get_body(),
            message_id=message.id or "",
            attempts=message.dequeue_count or 1,
            sent_at=sent_at(message),
        )


@bp.queue_trigger(arg_name="message", queue_name="outbound-visits", connection="AzureWebJobsStorage")
def visit_outbound(message: func.QueueMessage) -> None:
    """Do what is due in a service, clear away what is kept no longer, or send a batch's open items. May come twice."""
    with failures_logged(message, "visit_outbound"):
        appointment = parse(Appointment, read(message))
        core().outbound.agenda.answer(appointment, lambda: _look(appointment))


def _look(appointment: Appointment) -> None:
    match appointment.kind:
        case job_kinds.SEND_BATCH:
            core().outbound.batches.send_pending(appointment.tenant_id, appointment.subject)
        case job_kinds.REMOVE_OLD:
            core().outbound.visits.tidy(appointment.tenant_id, appointment.subject)
        case _:
            core().outbound.visits.visit(appointment.tenant_id, appointment.subject)
