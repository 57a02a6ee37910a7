"""What a flow adds to a task while it lives: who the customer is, what the workflow should know."""

from __future__ import annotations

from collections.abc import Callable

from shared.kernel import log
from shared.kernel.callers import Caller
from shared.kernel.clock import Clock
from shared.kernel.errors import NotFound, Stale
from shared.messaging.job_schedule import Agenda
from shared.outbound.tasks.job_kinds import DISTRIBUTE
from shared.outbound.tasks.lifecycle import updated
from shared.outbound.tasks.models import TaskInformation
from shared.outbound.tasks.rights import check_owner_of_task
from shared.outbound.tasks.store import OutboundStore
from shared.tenants.directory import Directory


class TaskUpdates:
    """One per process; keeps nothing between calls."""

    def __init__(self, store: OutboundStore, directory: Directory, agenda: Agenda, clock: Clock) -> None:
        self._store = store
        self._directory = directory
        self._agenda = agenda
        self._clock = clock

    def update(self, tenant_id: str, task_id: str, wanted: Callable[[], TaskInformation], *, by: Caller) -> None:
        """What is given replaces what the task had, the rest stays. Raises NotFound, Conflict once it is finished.

        What is wanted comes as a function and is judged after the task and its owner, and before its state.
        """
        while True:
            kept = self._store.find(tenant_id, task_id.lower())
            if kept is None:
                raise NotFound("there is no such task", code="OutboundTaskNotFound")
            check_owner_of_task(self._directory, tenant_id, kept.task, by)
            now = self._clock()
            after = updated(kept.task, wanted(), now)
            self._agenda.wake(DISTRIBUTE, tenant_id, kept.task.service_upn)
            try:
                self._store.commit(kept, after, now, event="Updated")
            except (Stale, NotFound):
                continue
            log.info("task updated", tenant=tenant_id, entry=task_id, by=by.oid)
            return
