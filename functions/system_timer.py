"""Housekeeping."""

from __future__ import annotations

import azure.functions as func

from functions.wiring import core

bp = func.Blueprint()


@bp.timer_trigger(arg_name="timer", schedule="0 30 3 * * *")
def tidy_journal(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the host passes it
    """Remove notes that are no longer shown. May run twice."""
    core().tidy.run()
