"""The beat of the agenda: whatever is due is called."""

from __future__ import annotations

import azure.functions as func

from functions.wiring import core

bp = func.Blueprint()


@bp.timer_trigger(arg_name="timer", schedule="*/5 * * * * *", use_monitor=False)
def call_appointments(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the host passes it
    """Call what is due: appointments fall on whole 2 s, queues are polled every 2 s."""
    core().outbound.agenda.call_due()
