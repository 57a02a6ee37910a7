"""What checks of connection strings left behind, and sessions that are over."""

from __future__ import annotations

import azure.functions as func

from functions.wiring import core

bp = func.Blueprint()


@bp.timer_trigger(arg_name="timer", schedule="0 */5 * * * *", use_monitor=False)
def sweep_acs_leftovers(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the host passes it
    """Delete users of Communication Services that a check could not delete. May run twice."""
    core().interact.acs_checks.sweep()


@bp.timer_trigger(arg_name="timer", schedule="*/30 * * * * *", use_monitor=False)
def sweep_sessions(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the host passes it
    """End sessions whose time is over and delete their users of Communication Services. May run twice."""
    core().interact.session_ends.sweep()
