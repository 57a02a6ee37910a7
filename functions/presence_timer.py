"""The beat of presence polling."""

from __future__ import annotations

import azure.functions as func

from functions.wiring import core

bp = func.Blueprint()


@bp.timer_trigger(arg_name="timer", schedule="%PRESENCE_SCHEDULE%", use_monitor=False)
def plan_presence_polls(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the host passes it
    """Ask for a poll of each tenant. A missed beat is made up for by the next."""
    core().presence.poller.plan()


@bp.timer_trigger(arg_name="timer", schedule="0 40 1 * * *", use_monitor=True)
def plan_watch_groups(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the host passes it
    """Ask for a look at each tenant's watched group, at night in UTC."""
    core().presence.watch_groups.plan()
