"""Offers and tasks as the agents see them, and their answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from shared.kernel import log
from shared.kernel.callers import AGENT, TENANT_ADMIN, Caller
from shared.kernel.clock import Clock, from_wire, to_wire
from shared.kernel.errors import NotAllowed, NotFound, Stale
from shared.kernel.wire import Wire
from shared.messaging.job_schedule import Agenda
from shared.outbound.distribution.reservations import Agents
from shared.outbound.tasks.entities import KeptTask
from shared.outbound.tasks.job_kinds import DISTRIBUTE
from shared.outbound.tasks.lifecycle import accepted, completed, declined, failed, gone, waiting_seconds
from shared.outbound.tasks.store import OutboundStore
from shared.outbound.tasks.task import Entry, State, Task
from shared.tenants.directory import Directory


class TaskView(Wire):
    """One line of an agent's list or a service's table. ``waiting_seconds`` counts from the time it was due."""

    id: str
    service_upn: str
    destination: str | None
    state: State
    due_date_time_utc: str
    attempt: int
    offered_until: str | None
    agent_user_id: str | None
    waiting_seconds: int


def view(task: Task, now: datetime) -> TaskView:
    return TaskView(
        id=task.task_id,
        service_upn=task.service_upn,
        destination=task.destination if isinstance(task, Entry) else None,
        state=task.state,
        due_date_time_utc=task.due_date_time_utc,
        attempt=task.attempt,
        offered_until=task.offered_until,
        agent_user_id=task.agent_user_id,
        waiting_seconds=waiting_seconds(task, now),
    )


class AgentTasks:
    """One per process; keeps nothing between calls. The caller's ``oid`` is the user's id."""

    def __init__(
        self, store: OutboundStore, agents: Agents, directory: Directory, agenda: Agenda, clock: Clock
    ) -> None:
        self._store = store
        self._agents = agents
        self._directory = directory
        self._agenda = agenda
        self._clock = clock

    def mine(self, tenant_id: str, by: Caller) -> list[TaskView]:
        """What is offered to the caller or in their hands: one task at most."""
        hold = self._agents.of(tenant_id, by.oid)
        if hold is None or hold.is_free:
            return []
        kept = self._store.find(tenant_id, hold.task_id)
        if kept is None or not kept.task.is_with(by.oid) or kept.task.offers != hold.offer:
            return []
        now = self._clock()
        is_over = kept.task.state == "Offered" and from_wire(str(kept.task.offered_until)) <= now
        return [] if is_over else [view(kept.task, now)]

    def of_service(self, tenant_id: str, service_upn: str, by: Caller) -> list[TaskView]:
        """All unfinished tasks of a service, next due first. Raises NotAllowed for who does not belong to it."""
        service = self._directory.service(tenant_id, service_upn).value
        belongs = by.may(TENANT_ADMIN) or by.oid in service.owners or (by.may(AGENT) and by.oid in service.members)
        if not belongs:
            raise NotAllowed(f"you are not a member of {service.upn}", code="NotServiceMember")
        now = self._clock()
        tasks = self._store.unfinished(tenant_id, service.upn)
        return [view(task, now) for task in sorted(tasks, key=lambda task: (task.due_date_time_utc, task.task_id))]

    def accept(self, tenant_id: str, task_id: str, by: Caller) -> TaskView:
        """Raises NotFound, Conflict (``OfferGone``). The reservation is confirmed first, see ``reservations.py``."""

        def step(kept: KeptTask, now: datetime) -> Task | None:
            after = accepted(kept.task, by.oid, now)
            if after is kept.task:
                return after
            hold = self._agents.of(tenant_id, by.oid)
            if hold is None or not hold.is_of(kept.task.task_id, kept.task.offers):
                raise gone()
            return after if self._agents.confirm(hold, from_wire(str(after.attempt_until))) else None

        return self._answer(tenant_id, task_id, by, step)

    def decline(self, tenant_id: str, task_id: str, by: Caller) -> TaskView:
        """The next member is asked. Raises NotFound, Conflict."""
        return self._answer(tenant_id, task_id, by, lambda kept, now: declined(kept.task, by.oid, now))

    def complete(self, tenant_id: str, task_id: str, by: Caller) -> TaskView:
        return self._answer(tenant_id, task_id, by, lambda kept, now: completed(kept.task, by.oid, now))

    def fail(self, tenant_id: str, task_id: str, by: Caller) -> TaskView:
        """The attempt reached nobody; another one follows while there are any. Raises NotFound, Conflict."""
        return self._answer(tenant_id, task_id, by, lambda kept, now: failed(kept.task, by.oid, now))

    def _answer(
        self, tenant_id: str, task_id: str, by: Caller, step: Callable[[KeptTask, datetime], Task | None]
    ) -> TaskView:
        """Carry one step out. ``step`` gives None to be asked again about the task as it is then."""
        while True:
            kept = self._store.find(tenant_id, task_id.lower())
            if kept is None:
                raise NotFound("there is no such task", code="OutboundTaskNotFound")
            now = self._clock()
            after = step(kept, now)
            if after is kept.task:
                return view(after, now)  # this answer came before
            if after is None:
                continue
            self._agenda.wake(DISTRIBUTE, tenant_id, kept.task.service_upn)
            try:
                self._store.commit(kept, after, now)
            except (Stale, NotFound):
                continue  # it moved since it was read; judge its new state
            log.info("task answered", tenant=tenant_id, entry=after.task_id, event=after.event, by=by.oid)
            if after.holder is None:
                self._agents.free(tenant_id, by.oid, kept.task.task_id, kept.task.offers, idle_since=to_wire(now))
                self._agenda.call_now(DISTRIBUTE, tenant_id, after.service_upn)
            return view(after, now)
