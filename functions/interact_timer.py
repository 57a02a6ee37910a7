"""What checks of connection strings left behind."""

from __future__ import annotations

import azure.functions as func

from functions.wiring import core

bp = func.Blueprint()


@bp.timer_trigger(arg_name="timer", schedule="0 */5 * * * *", use_monitor=False)
def sweep_acs_leftovers(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the host passes it
    """Delete users of Communication Services that a check could not delete. May run twice."""
    core().acs_checks.sweep()
