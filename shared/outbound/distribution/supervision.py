"""What admins see of the tasks of their services, and how they free a stuck one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from shared.kernel import log
from shared.kernel.callers import Caller
from shared.kernel.clock import Clock, to_wire
from shared.kernel.errors import NotFound, Stale
from shared.kernel.wire import Wire, printable
from shared.messaging.job_schedule import Agenda
from shared.outbound.distribution.agent_tasks import TaskView, view
from shared.outbound.distribution.reservations import Agents
from shared.outbound.tasks.job_kinds import DISTRIBUTE
from shared.outbound.tasks.lifecycle import released
from shared.outbound.tasks.refusals import Refusals
from shared.outbound.tasks.store import OutboundStore
from shared.outbound.tasks.task import State, Step, Task
from shared.tenants.directory import Directory
from shared.tenants.models import Page, Service
from shared.tenants.tenants import Head

_AT_ONCE: Final = 8  # services read side by side


class Occupancy(Wire):
    """How full a service is. ``free`` is 0, not less, after the limit was lowered."""

    service_upn: str
    limit: int
    scheduled: int
    in_progress: int
    free: int
    refused_today: int


class EntryView(TaskView):
    """A task with what became of it."""

    kind: str
    event: str
    reference_id: str | None
    distribution_priority: str
    max_attempts: int
    created_at: str
    finished_at: str | None
    completion_reason: str | None


class EntryHistory(EntryView):
    """``history`` holds the last 200 transitions, oldest first."""

    history: list[Step]


class Release(Wire):
    reason: Annotated[str, Field(min_length=1, max_length=500), AfterValidator(printable)]


class Supervision:
    """One per process; keeps nothing between calls."""

    def __init__(
        self,
        store: OutboundStore,
        agents: Agents,
        directory: Directory,
        refusals: Refusals,
        agenda: Agenda,
        clock: Clock,
    ) -> None:
        self._store = store
        self._agents = agents
        self._directory = directory
        self._refusals = refusals
        self._agenda = agenda
        self._clock = clock

    def occupancy(self, head: Head, *, service_upn: str | None, top: int, continuation: str | None) -> Page[Occupancy]:
        """Raises NotFound for a service that is named and is not there."""
        if service_upn is not None:
            services = Page([self._directory.service(head.tenant_id, service_upn).value], None)
        else:
            services = self._directory.services(head.tenant_id, top=top, continuation=continuation)
        refused = self._refusals.today(head.tenant_id)
        limit = head.settings.value.outbound.max_scheduled_tasks_per_service
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            items = list(pool.map(lambda one: self._occupancy(head.tenant_id, one, limit, refused), services.items))
        return Page(items, services.continuation)

    def entries(
        self, tenant_id: str, *, service_upn: str | None, state: State | None, top: int, continuation: str | None
    ) -> Page[EntryView]:
        tasks, following = self._store.page(tenant_id, service_upn, state, top=top, continuation=continuation)
        now = self._clock()
        return Page([EntryView.model_validate(_shown(task, now), by_name=True) for task in tasks], following)

    def entry(self, tenant_id: str, entry_id: str) -> EntryHistory:
        kept = self._store.find(tenant_id, entry_id.lower())
        if kept is None:
            raise NotFound("there is no such task", code="OutboundTaskNotFound")
        return _with_history(kept.task, self._clock())

    def release(self, tenant_id: str, entry_id: str, wanted: Callable[[], Release], *, by: Caller) -> EntryHistory:
        """Raises NotFound, Conflict when the task is finished; what is wanted is judged in between."""
        while True:
            kept = self._store.find(tenant_id, entry_id.lower())
            if kept is None:
                raise NotFound("there is no such task", code="OutboundTaskNotFound")
            now = self._clock()
            after = released(kept.task, wanted().reason, now)
            self._agenda.wake(DISTRIBUTE, tenant_id, kept.task.service_upn)
            try:
                self._store.commit(kept, after, now)
            except (Stale, NotFound):
                continue
            if holder := kept.task.holder:
                self._agents.free(tenant_id, holder, after.task_id, after.offers, idle_since=to_wire(now))
            self._agenda.call_now(DISTRIBUTE, tenant_id, after.service_upn)
            log.info("task released", tenant=tenant_id, entry=after.task_id, by=by.oid)
            return _with_history(after, now)

    def _occupancy(self, tenant_id: str, service: Service, limit: int, refused: Counter[str]) -> Occupancy:
        held = self._store.slots(tenant_id, service.upn)
        in_progress = sum(slot.in_progress for slot in held)
        return Occupancy(
            service_upn=service.upn,
            limit=limit,
            scheduled=len(held) - in_progress,
            in_progress=in_progress,
            free=max(0, limit - len(held)),
            refused_today=refused[service.upn.casefold()],
        )


def _shown(task: Task, now: datetime) -> dict[str, object]:
    return dict(view(task, now)) | {
        "kind": task.kind,
        "event": task.event,
        "reference_id": getattr(task, "reference_id", None),
        "distribution_priority": task.distribution_priority,
        "max_attempts": task.max_attempts,
        "created_at": task.created_at,
        "finished_at": task.finished_at,
        "completion_reason": task.completion_reason,
    }


def _with_history(task: Task, now: datetime) -> EntryHistory:
    return EntryHistory.model_validate(_shown(task, now) | {"history": task.history}, by_name=True)
