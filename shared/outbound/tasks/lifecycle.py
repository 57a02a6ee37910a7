"""What may happen to a task, and when. Pure: a task and the moment go in, the task as it is then comes out.

    Scheduled -> Queued -> Offered -> InProgress -> Completed
                   ^          |            |
                   |<- passed-'            |
                   '<---- attempt failed --'

A queued task that finds nobody in time ends as LimitReached, one whose last attempt failed as AttemptsExhausted; a
flow may cancel or rewrite it until it is offered, an admin may release it at any time. Each transition raises
exactly one event. A transition that has happened already is no error for whoever asked for it: the task comes back
as it is, the same object.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, TypeVar, cast

from shared.kernel.clock import from_wire, to_wire
from shared.kernel.errors import Conflict
from shared.outbound.tasks.models import SchedulerEntryWrite, TaskInformation
from shared.outbound.tasks.task import Entry, State, Step, Task

T = TypeVar("T", bound=Task)

# Who let an offer pass is asked again after this time, and only if nobody else is there.
ASKED_AGAIN: Final = timedelta(seconds=30)
# An hour of offers every five seconds would not fit into a row; the newest are what people look for.
STEPS_KEPT: Final = 200


def scheduled(task: T) -> T:
    """The first event of a task just taken in."""
    return _step(task, "Scheduled", "Scheduled", from_wire(task.created_at), number=1)


def next_look(task: Task) -> datetime | None:
    """When the clock does something to the task by itself; None once it is finished."""
    until = {
        "Scheduled": task.due_date_time_utc,
        "Queued": task.queue_until,
        "Offered": task.offered_until,
        "InProgress": task.attempt_until,
    }.get(task.state)
    return from_wire(until) if until else None


def passed_by_time(task: T, now: datetime) -> T | None:
    """The task after what its time brought about, None if nothing did. Call again: one step may follow another."""
    moment = next_look(task)
    if moment is None or moment > now:
        return None
    match task.state:
        case "Scheduled":
            return _queued(task, "Queued", now)
        case "Queued":
            return _finished(task, "LimitReached", now)
        case "Offered":
            return _pass_on(task, now)
        case _:
            return _attempt_failed(task, now)


def may_be_offered(task: Task, user_id: str, now: datetime) -> bool:
    """Not to who let it pass just now."""
    passed = task.passed.get(user_id)
    return passed is None or from_wire(passed) + ASKED_AGAIN <= now


def offered(task: T, user_id: str, upn: str, now: datetime) -> T:
    """A queued task is offered to one member for ``rona_timeout_in_seconds``."""
    return _step(
        task,
        "Offered",
        "Offered",
        now,
        offers=task.offers + 1,
        agent_user_id=user_id,
        agent_upn=upn,
        offered_until=_later(now, task.rona_timeout_in_seconds),
    )


def accepted(task: T, user_id: str, now: datetime) -> T:
    """Raises Conflict (``OfferGone``) when it is not, or no longer, offered to the user."""
    if task.state == "InProgress" and task.is_with(user_id):
        return task
    if task.state != "Offered" or not task.is_with(user_id) or _is_over(task.offered_until, now):
        raise gone()
    return _step(
        task,
        "Accepted",
        "InProgress",
        now,
        attempt=task.attempt + 1,
        accepted_at=to_wire(now),
        offered_until=None,
        attempt_until=_later(now, task.attempt_timeout_in_seconds),
        connected_user_id=user_id,
        connected_upn=task.agent_upn,
        passed={},
    )


def declined(task: T, user_id: str, now: datetime) -> T:
    """Raises Conflict: ``OfferGone``, or ``OutboundTaskInProgress`` once it was accepted."""
    if not task.is_with(user_id):
        raise gone()
    if task.state == "InProgress":
        raise Conflict("you have accepted this task; complete it or say that it failed", code="OutboundTaskInProgress")
    return _pass_on(task, now)


def completed(task: T, user_id: str, now: datetime) -> T:
    """Raises Conflict: ``OfferGone``, or ``OfferNotAccepted``."""
    if task.state == "Completed" and task.agent_user_id == user_id:
        return task
    _check_working(task, user_id)
    return _finished(task, "Completed", now)


def failed(task: T, user_id: str, now: datetime) -> T:
    """The attempt did not reach anybody. Raises Conflict: ``OfferGone``, or ``OfferNotAccepted``."""
    if task.state == "AttemptsExhausted" and task.agent_user_id == user_id:
        return task
    _check_working(task, user_id)
    return _attempt_failed(task, now)


def gone() -> Conflict:
    return Conflict("this task is not offered to you, or no longer", code="OfferGone")


def cancelled(task: T, now: datetime) -> T:
    """Raises Conflict: ``OutboundTaskInProgress`` with an agent, ``OutboundTaskFinished``."""
    _check_waiting(task)
    return _finished(task, "Cancelled", now)


def rewritten(entry: Entry, write: SchedulerEntryWrite, now: datetime) -> Entry:
    """Full replace of what was asked for: the entry starts over in its slot. Raises Conflict like ``cancelled``."""
    _check_waiting(entry)
    content = {name: getattr(write, name) for name in SchedulerEntryWrite.model_fields}
    return _step(
        entry.model_copy(update=content),
        "Rescheduled",
        "Scheduled",
        now,
        attempt=0,
        connected_user_id=None,
        connected_upn=None,
        passed={},
        queued_at=None,
        queue_until=None,
    )


def updated(task: T, information: TaskInformation, now: datetime) -> T:
    """A flow adds to a task; its state and last event stay. Raises Conflict (``OutboundTaskFinished``)."""
    _check_unfinished(task)
    parameters = "custom_call_context_parameters" if isinstance(task, Entry) else "custom_context_parameters"
    given = {
        "customer": information.customer,
        parameters: information.custom_context_parameters,
        "preferred_users": None if isinstance(task, Entry) else information.preferred_users,
    }
    after = _step(task, "Updated", task.state, now)
    return _with(after, {"event": task.event} | {name: value for name, value in given.items() if value is not None})


def released(task: T, reason: str, now: datetime) -> T:
    """An admin frees a stuck task. Raises Conflict (``OutboundTaskFinished``)."""
    _check_unfinished(task)
    return _finished(task, "Released", now, reason=reason)


def waiting_seconds(task: Task, now: datetime) -> int:
    """Whole seconds the task waits, or waited, for an agent in its present attempt; 0 before it is due."""
    if task.queued_at is None:
        return 0
    end = from_wire(task.accepted_at or task.finished_at or to_wire(now))
    return max(0, int((end - from_wire(task.queued_at)).total_seconds()))


def _queued(task: T, event: str, now: datetime) -> T:
    """Into the queue anew, with a full queue time."""
    return _step(
        task,
        event,
        "Queued",
        now,
        queued_at=to_wire(now),
        queue_until=_later(now, task.max_queue_time_in_seconds),
        accepted_at=None,
        offered_until=None,
        attempt_until=None,
        agent_user_id=None,
        agent_upn=None,
    )


def _pass_on(task: T, now: datetime) -> T:
    """The offer was declined or not answered; the queue time goes on as it was."""
    if _is_over(task.queue_until, now):
        return _finished(task, "LimitReached", now)
    return _step(
        task,
        "Queued",
        "Queued",
        now,
        passed=task.passed | {str(task.agent_user_id): to_wire(now)},
        offered_until=None,
        agent_user_id=None,
        agent_upn=None,
    )


def _attempt_failed(task: T, now: datetime) -> T:
    if task.attempt >= task.max_attempts:
        return _finished(task, "AttemptsExhausted", now)
    return _queued(task, "AttemptFailed", now)


def _finished(task: T, state: State, now: datetime, *, reason: str | None = None) -> T:
    agent = {} if task.state != "Offered" else {"agent_user_id": None, "agent_upn": None}  # never connected
    return _step(
        task,
        state,
        state,
        now,
        reason=reason,
        finished_at=to_wire(now),
        completion_reason=state,
        offered_until=None,
        attempt_until=None,
        **agent,
    )


def _step(
    task: T,
    event: str,
    state: State,
    now: datetime,
    *,
    number: int | None = None,
    reason: str | None = None,
    **changes: Any,
) -> T:
    number = number or task.number + 1
    agent = changes.get("agent_user_id", task.agent_user_id) or task.agent_user_id
    step = Step(number=number, event=event, state=state, at=to_wire(now), agent_user_id=agent, reason=reason)
    history = [*task.history, step][-STEPS_KEPT:]
    return _with(task, {"event": event, "state": state, "number": number, "history": history} | changes)


def _with(task: T, changes: dict[str, Any]) -> T:
    return cast(T, task.model_copy(update=changes))


def _check_waiting(task: Task) -> None:
    _check_unfinished(task)
    if task.state not in ("Scheduled", "Queued"):
        raise Conflict("the task is with an agent", code="OutboundTaskInProgress")


def _check_unfinished(task: Task) -> None:
    if task.is_finished:
        raise Conflict("the task is finished", code="OutboundTaskFinished")


def _check_working(task: Task, user_id: str) -> None:
    if not task.is_with(user_id):
        raise gone()
    if task.state == "Offered":
        raise Conflict("accept the task first", code="OfferNotAccepted")


def _is_over(until: str | None, now: datetime) -> bool:
    return until is not None and from_wire(until) <= now


def _later(now: datetime, seconds: int) -> str:
    return to_wire(now + timedelta(seconds=seconds))
