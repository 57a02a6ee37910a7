"""Tasks from elsewhere: handed to a member like an outbound task, due at once, under no limit."""

from __future__ import annotations

from shared.kernel import log
from shared.kernel.callers import Caller
from shared.kernel.clock import Clock, to_wire
from shared.kernel.errors import NotFound, Stale
from shared.messaging.job_schedule import Agenda
from shared.outbound.tasks.entities import new_id
from shared.outbound.tasks.gate import open_gate
from shared.outbound.tasks.job_kinds import DISTRIBUTE
from shared.outbound.tasks.lifecycle import cancelled, scheduled
from shared.outbound.tasks.models import ExternalTaskWrite
from shared.outbound.tasks.rights import check_licensed, check_owner, check_owner_of_task
from shared.outbound.tasks.store import GateShut, OutboundStore
from shared.outbound.tasks.task import ExternalTask
from shared.storage.tables import Exists
from shared.tenants.directory import Directory
from shared.tenants.tenants import Head


class ExternalTasks:
    """One per process; keeps nothing between calls."""

    def __init__(self, store: OutboundStore, directory: Directory, agenda: Agenda, clock: Clock) -> None:
        self._store = store
        self._directory = directory
        self._agenda = agenda
        self._clock = clock

    def add(self, head: Head, write: ExternalTaskWrite, *, by: Caller) -> ExternalTask:
        """Raises NotFound, NotAllowed, Invalid."""
        service = self._directory.service(head.tenant_id, write.service_upn).value
        check_owner(service, by)
        check_licensed(head, service)
        now = to_wire(self._clock())
        task = scheduled(
            ExternalTask(
                **{name: getattr(write, name) for name in ExternalTaskWrite.model_fields}
                | {"service_upn": service.upn},
                task_id=new_id(service.upn),
                created_at=now,
                due_date_time_utc=now,
                service_display_name=service.display_name,
                service_tel_number=service.pstn_number,
            )
        )
        self._agenda.wake(DISTRIBUTE, head.tenant_id, service.upn)
        while True:
            try:
                self._store.add_external(head.tenant_id, task)
            except GateShut:
                open_gate(self._store.gate, self._directory, head.tenant_id, service.upn)
                continue
            except Exists:
                break  # our own: the answer got lost and the SDK sent it again
            break
        self._agenda.call_now(DISTRIBUTE, head.tenant_id, service.upn)
        log.info("external task accepted", tenant=head.tenant_id, service=service.upn, entry=task.task_id)
        return task

    def remove(self, tenant_id: str, task_id: str, *, by: Caller) -> None:
        """Raises NotFound, Conflict once it is with an agent or finished."""
        while True:
            kept = self._store.find(tenant_id, task_id.lower())
            if kept is None or not isinstance(kept.task, ExternalTask):
                raise NotFound("there is no such external task", code="ExternalTaskNotFound")
            check_owner_of_task(self._directory, tenant_id, kept.task, by)
            now = self._clock()
            finished = cancelled(kept.task, now)
            self._agenda.wake(DISTRIBUTE, tenant_id, kept.task.service_upn)
            try:
                self._store.commit(kept, finished, now)
            except (Stale, NotFound):
                continue
            log.info("external task removed", tenant=tenant_id, entry=task_id, by=by.oid)
            return
