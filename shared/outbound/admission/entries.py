"""Scheduler entries that are in: listing, rewriting, cancelling them."""

from __future__ import annotations

from collections.abc import Callable

from shared.kernel import log
from shared.kernel.callers import Caller
from shared.kernel.clock import Clock
from shared.kernel.errors import Conflict, Finding, Invalid, NotFound, Stale
from shared.messaging.job_schedule import Agenda
from shared.outbound.admission.due import check_due
from shared.outbound.tasks.entities import KeptTask, Reference, reference_key
from shared.outbound.tasks.job_kinds import DISTRIBUTE
from shared.outbound.tasks.lifecycle import cancelled, rewritten
from shared.outbound.tasks.models import SchedulerEntryWrite
from shared.outbound.tasks.rights import check_outbound, check_owner, check_owner_of_task
from shared.outbound.tasks.store import OutboundStore, ReferenceTaken
from shared.outbound.tasks.task import Entry
from shared.storage.keys import key
from shared.tenants.directory import Directory
from shared.tenants.models import Service
from shared.tenants.tenants import Head


class Entries:
    """One per process; keeps nothing between calls."""

    def __init__(self, store: OutboundStore, directory: Directory, agenda: Agenda, clock: Clock) -> None:
        self._store = store
        self._directory = directory
        self._agenda = agenda
        self._clock = clock

    def unfinished(self, tenant_id: str, service_upn: str, *, by: Caller) -> list[Entry]:
        """Unfinished entries of a service, next due first."""
        service = self._directory.service(tenant_id, service_upn).value
        check_owner(service, by)
        found = [task for task in self._store.unfinished(tenant_id, service.upn) if isinstance(task, Entry)]
        return sorted(found, key=lambda entry: (entry.due_date_time_utc, entry.task_id))

    def cancel(self, tenant_id: str, entry_id: str, *, by: Caller) -> None:
        """Give the task and its slot up. Raises NotFound, Conflict once it is with an agent or finished."""
        while True:
            kept, entry = self._find(tenant_id, entry_id)
            check_owner_of_task(self._directory, tenant_id, entry, by)
            now = self._clock()
            finished = cancelled(entry, now)
            self._agenda.wake(DISTRIBUTE, tenant_id, entry.service_upn)
            try:
                self._store.commit(kept, finished, now)
            except (Stale, NotFound):
                continue  # somebody moved the entry since it was read; judge its new state
            log.info("outbound task cancelled", tenant=tenant_id, service=entry.service_upn, entry=entry_id, by=by.oid)
            return

    def rewrite(self, head: Head, entry_id: str, wanted: Callable[[], SchedulerEntryWrite], *, by: Caller) -> Entry:
        """Replace all that was asked for; the entry keeps its slot and starts over.

        What is wanted comes as a function and is judged after the entry and its owner, and before its state.

        Raises NotFound, Invalid, Conflict once it is with an agent or finished, and when the ReferenceId belongs to
        another task.
        """
        while True:
            kept, entry = self._find(head.tenant_id, entry_id)
            service = self._directory.service(head.tenant_id, entry.service_upn).value
            check_owner(service, by)
            now = self._clock()
            write = wanted()
            self._check(head, service, entry, write)
            changed = rewritten(entry, write, now).model_copy(update={"service_upn": entry.service_upn})
            reference = _reference(kept, entry, write)
            replaces = self._other_reference(head.tenant_id, entry, reference)
            self._agenda.wake(DISTRIBUTE, head.tenant_id, entry.service_upn)
            try:
                self._store.rewrite(kept, changed, reference, replaces, now)
            except (Stale, NotFound, ReferenceTaken):
                continue  # the entry moved, or its new ReferenceId: judge them as they are now
            log.info(
                "outbound task rewritten",
                tenant=head.tenant_id,
                service=entry.service_upn,
                entry=entry_id,
                by=by.oid,
            )
            return changed

    def _find(self, tenant_id: str, entry_id: str) -> tuple[KeptTask, Entry]:
        kept = self._store.find(tenant_id, entry_id.lower())
        if kept is None or not isinstance(kept.task, Entry):
            raise NotFound("there is no such scheduler entry", code="OutboundTaskNotFound")
        return kept, kept.task

    def _check(self, head: Head, service: Service, entry: Entry, write: SchedulerEntryWrite) -> None:
        if key(write.service_upn) != key(entry.service_upn):
            message = f"cannot be changed: the task belongs to {entry.service_upn}"
            raise Invalid([Finding("serviceUpn", message, "ServiceFixed")], code="ServiceFixed")
        check_outbound(head, service, write)
        if write.due_date_time_utc != entry.due_date_time_utc:
            check_due(write, self._clock())

    def _other_reference(self, tenant_id: str, entry: Entry, reference: str) -> Reference | None:
        """The row of a ReferenceId the entry has not had so far, if there is one that is free again."""
        if not reference:
            return None
        found = self._store.reference(tenant_id, entry.service_upn, reference)
        if found is None or found.entry_id == entry.task_id:
            return None
        if not found.is_free(self._clock()):
            raise Conflict(
                "this ReferenceId belongs to another task",
                code="ReferenceIdConflict",
                schedulerEntryId=found.entry_id,
            )
        return found


def _reference(kept: KeptTask, entry: Entry, write: SchedulerEntryWrite) -> str:
    """A queue message's own reference outlives a rewrite, so that its second delivery is still known."""
    if write.reference_id:
        return reference_key(write.reference_id)
    return kept.row.text("reference") if entry.reference_id is None else ""
