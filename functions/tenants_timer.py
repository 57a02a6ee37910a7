"""Offboardings that came to a stop."""

from __future__ import annotations

import azure.functions as func

from functions.wiring import core

bp = func.Blueprint()


@bp.timer_trigger(arg_name="timer", schedule="0 */10 * * * *", use_monitor=False)
def resume_offboardings(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the host passes it
    """Send the message again for tenants that leave and that nobody works on. May run twice."""
    core().offboarding.resume()
