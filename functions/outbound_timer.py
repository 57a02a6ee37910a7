"""The beat of the agenda: whatever is due is called."""

from __future__ import annotations

import azure.functions as func

from functions.wiring import core

bp = func.Blueprint()


@bp.timer_trigger(arg_name="timer", schedule="*/5 * * * * *", use_monitor=False)
def call_appointments(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the host passes it
    """Call what is due. With the 2 s in which queues are polled, a due task is offered within 10 s."""
    core().outbound.agenda.call_due()
