"""A visit to a service: time is let pass for its tasks, queued ones are offered, and hooks are told what happened.

Any number of visits may go on at once, for one service too, and each may die between any two lines: every write is
conditional, the next visit is on the agenda before anything changes, and whatever a visit leaves undone the next one
finds. Visits are called by ``job_schedule.py``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from shared.kernel import log
from shared.kernel.clock import Clock, from_wire, to_wire
from shared.kernel.errors import NotFound, Stale
from shared.messaging.job_schedule import Agenda
from shared.outbound.distribution.matching import Candidate, next_pair, order_of_tasks
from shared.outbound.distribution.reservations import Agents, Hold
from shared.outbound.tasks.entities import KeptTask, Untold
from shared.outbound.tasks.events import Event
from shared.outbound.tasks.job_kinds import DISTRIBUTE, REMOVE_OLD
from shared.outbound.tasks.lifecycle import next_look, offered, passed_by_time
from shared.outbound.tasks.store import OutboundStore
from shared.outbound.tasks.task import Entry, Task, is_final, task_event_data

# Presence, duty switches and other services' agents change without telling a waiting task. Whoever has waited for long
# is looked at less often: 5 s apart in the first minute, 15 s apart after three.
LOOK_FOR_AGENTS: Final = timedelta(seconds=5)
LOOK_NOW_AND_THEN: Final = timedelta(seconds=15)
PAST_KEPT: Final = timedelta(days=30)


class Members(Protocol):
    """Who of a service could take a task now, without those ``busy``. Raises NotFound when it or its tenant is gone."""

    def available(self, tenant_id: str, service_upn: str, *, busy: Collection[str]) -> Sequence[Candidate]: ...


class Hooks(Protocol):
    """Takes events of one service, those of a task in order; doing it again is no harm."""

    def publish(self, events: Sequence[Event]) -> None: ...


class Visits:
    """One per process; keeps nothing between calls."""

    def __init__(
        self, store: OutboundStore, agents: Agents, agenda: Agenda, members: Members, hooks: Hooks, clock: Clock
    ) -> None:
        self._store = store
        self._agents = agents
        self._agenda = agenda
        self._members = members
        self._hooks = hooks
        self._clock = clock

    def visit(self, tenant_id: str, service_upn: str) -> None:
        """Do all that is due in the service now, and see to it that somebody comes again when more is."""
        if self._look(tenant_id, service_upn):
            self._look(tenant_id, service_upn)  # tells what the first look brought about

    def tidy(self, tenant_id: str, service_upn: str) -> None:
        """Remove what is kept no longer."""
        now = self._clock()
        self._store.tidy(tenant_id, service_upn, finished_before=now - PAST_KEPT, now=now)

    def _look(self, tenant_id: str, service_upn: str) -> bool:
        """Whether anything changed."""
        now = self._clock()
        desk = self._store.desk(tenant_id, service_upn)
        tasks = list(desk.tasks)
        if any(_is_due(kept.task, now) for kept in tasks):
            self._agenda.wake(DISTRIBUTE, tenant_id, service_upn)
            tasks = self._let_time_pass(tenant_id, tasks, now)
        queued = [kept for kept in tasks if kept.task.state == "Queued"]
        if queued:
            tasks = self._offer(tenant_id, service_upn, queued, now) + [
                kept for kept in tasks if kept.task.state != "Queued"
            ]
        self._plan(tenant_id, service_upn, [kept.task for kept in tasks], now)
        self._tell(tenant_id, service_upn, desk.untold)
        return {kept.row.etag for kept in tasks} != {kept.row.etag for kept in desk.tasks}

    def _let_time_pass(self, tenant_id: str, tasks: Iterable[KeptTask], now: datetime) -> list[KeptTask]:
        """The unfinished tasks afterwards. Those another process moves are left to its own visit."""
        left: list[KeptTask] = []
        moving = list(tasks)
        while moving:
            steps = []
            for kept in moving:
                if (after := passed_by_time(kept.task, now)) is not None:
                    steps.append((kept, after))
                elif not kept.task.is_finished:
                    left.append(kept)
            moving = [kept for kept in self._store.commit_each(steps, now) if kept is not None]
            for kept in moving:
                _log_step(tenant_id, kept.task)
        return left

    def _offer(self, tenant_id: str, service_upn: str, queued: list[KeptTask], now: datetime) -> list[KeptTask]:
        """Offer tasks to members as long as there are both; gives the queued tasks as they are then."""
        holds = self._agents.all(tenant_id)
        now = self._clock()  # later than whatever made an agent free, so that holds of one agent never overlap
        busy = self._agents.holders_among(tenant_id, holds.values(), now)
        try:
            free = list(self._members.available(tenant_id, service_upn, busy=busy))
        except NotFound:
            return queued  # their queue time ends by itself
        waiting = order_of_tasks(queued)
        done = []
        idle = {user_id: hold.idle_since for user_id, hold in holds.items()}
        while (pair := next_pair([kept.task for kept in waiting], free, idle, now)) is not None:
            place, candidate = pair
            free.remove(candidate)
            self._agenda.wake(DISTRIBUTE, tenant_id, service_upn)
            after = self._offer_one(tenant_id, waiting[place], candidate, holds.get(candidate.user_id), self._clock())
            if after is not None:
                done.append(after)
                del waiting[place]
        return done + waiting

    def _offer_one(
        self, tenant_id: str, kept: KeptTask, candidate: Candidate, hold: Hold | None, now: datetime
    ) -> KeptTask | None:
        """The agent first, the task second: an agent claimed for nothing is free again when the offer would be over."""
        task = offered(kept.task, candidate.user_id, candidate.upn, now)
        until = from_wire(str(task.offered_until))
        if not self._agents.claim(
            tenant_id, candidate.user_id, hold, task_id=task.task_id, offer=task.offers, until=until
        ):
            return None
        after = self._commit(tenant_id, kept, task, now)
        if after is None:
            since = hold.idle_since if hold else ""
            self._agents.free(tenant_id, candidate.user_id, task.task_id, task.offers, idle_since=since)
        return after

    def _commit(self, tenant_id: str, kept: KeptTask, task: Task, now: datetime) -> KeptTask | None:
        try:
            after = self._store.commit(kept, task, now)
        except (Stale, NotFound):
            return None
        _log_step(tenant_id, task)
        return after

    def _plan(self, tenant_id: str, service_upn: str, tasks: Sequence[Task], now: datetime) -> None:
        moments = [moment for task in tasks if (moment := next_look(task)) is not None]
        if queued_at := max((task.queued_at or "" for task in tasks if task.state == "Queued"), default=""):
            waited = now - from_wire(queued_at)
            moments.append(now + min(max(LOOK_FOR_AGENTS, waited / 12), LOOK_NOW_AND_THEN))
        if moments:
            self._agenda.wake(DISTRIBUTE, tenant_id, service_upn, min(moments))

    def _tell(self, tenant_id: str, service_upn: str, untold: Sequence[Untold]) -> None:
        if not untold:
            return
        self._hooks.publish([_event(tenant_id, event.task) for event in untold])
        now = self._clock()
        for event in untold:
            if event.freed:
                self._agents.free(tenant_id, event.freed, event.task.task_id, event.offer, idle_since=to_wire(now))
        if any(is_final(event.task.event) for event in untold):
            midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
            self._agenda.wake(REMOVE_OLD, tenant_id, service_upn, midnight + PAST_KEPT + timedelta(days=1))
        self._store.forget_told(untold)


def _log_step(tenant_id: str, task: Task) -> None:
    log.info(
        "task moved",
        tenant=tenant_id,
        service=task.service_upn,
        entry=task.task_id,
        event=task.event,
        state=task.state,
    )


def _is_due(task: Task, now: datetime) -> bool:
    moment = next_look(task)
    return moment is not None and moment <= now


def _event(tenant_id: str, task: Task) -> Event:
    rejected = task.event == "Rejected"
    entry = task.for_connector() if isinstance(task, Entry) else None
    if entry is not None and rejected:
        del entry["schedulerEntryId"]  # it never was one
    return Event(
        tenant_id=tenant_id,
        service_upn=task.service_upn,
        task_id=task.task_id,
        number=task.number,
        name=task.event,
        direction=task.direction,
        modality=task.modality,
        scheduler_entry=entry,
        task=task_event_data(tenant_id, task),
    )
