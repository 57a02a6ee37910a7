"""Takes in outbound tasks, and refuses what passes the limit."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.kernel import log
from shared.kernel.callers import Caller
from shared.kernel.clock import Clock, to_wire
from shared.kernel.errors import Conflict, NotFound, Stale
from shared.messaging.job_schedule import Agenda
from shared.outbound.admission.due import check_due, is_due_fine
from shared.outbound.admission.slots import Full, admit
from shared.outbound.tasks.entities import Reference, Slot, new_id, reference_key
from shared.outbound.tasks.gate import open_gate
from shared.outbound.tasks.job_kinds import DISTRIBUTE
from shared.outbound.tasks.lifecycle import scheduled
from shared.outbound.tasks.models import SchedulerEntryWrite
from shared.outbound.tasks.refusals import LIMIT_REACHED, Refusals, Source
from shared.outbound.tasks.rights import check_outbound, check_owner
from shared.outbound.tasks.store import GateShut, OutboundStore, ReferenceTaken, SlotTaken
from shared.outbound.tasks.task import Entry
from shared.tenants.directory import Directory
from shared.tenants.models import Service
from shared.tenants.tenants import Head

# Slots tried per look at the service: a second lost race says that the look is old. 64 submitters at once
# for 20 slots take a third of the time they take when each tries all it saw.
TRIES_PER_LOOK: Final = 2


@dataclass(frozen=True, slots=True)
class Accepted:
    """The entry holds a slot. ``replayed`` when the same ReferenceId had brought it before."""

    entry: Entry
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The service is full; nothing was kept of the task."""

    limit: int
    scheduled: int
    in_progress: int


@dataclass(frozen=True, slots=True)
class _Wish:
    """One submission on its way in. ``reference`` is the key of its ReferenceId, or empty."""

    head: Head
    service: Service
    write: SchedulerEntryWrite
    reference: str
    fingerprint: str
    source: Source
    message_id: str
    asked_at: datetime

    @property
    def tenant_id(self) -> str:
        return self.head.tenant_id

    @property
    def limit(self) -> int:
        return self.head.settings.value.outbound.max_scheduled_tasks_per_service


class Scheduler:
    """One per process; keeps nothing between calls."""

    def __init__(
        self, store: OutboundStore, directory: Directory, refusals: Refusals, agenda: Agenda, clock: Clock
    ) -> None:
        self._store = store
        self._directory = directory
        self._refusals = refusals
        self._agenda = agenda
        self._clock = clock

    def submit(
        self,
        head: Head,
        write: SchedulerEntryWrite,
        *,
        by: Caller | None,
        source: Source,
        message_id: str = "",
        asked_at: datetime | None = None,
    ) -> Accepted | Refused:
        """Admit one task. ``head`` was read with this call, so the limit is the present one.

        ``by`` is None for what comes through the queue; there ``message_id`` makes a second delivery of a
        message without a ReferenceId the same task, and ``asked_at`` is when it was sent: its due date was right or
        wrong then, however long it waited for us. Raises NotFound (``ServiceNotFound``), NotAllowed
        (``NotServiceOwner``), Invalid, Conflict (``ReferenceIdConflict``).
        """
        service = self._directory.service(head.tenant_id, write.service_upn).value
        if by is not None:
            check_owner(service, by)
        check_outbound(head, service, write)
        wish = _Wish(
            head,
            service,
            write.model_copy(update={"service_upn": service.upn}),
            _reference(write, message_id) if write.reference_id or message_id else "",
            write.fingerprint(),
            source,
            message_id,
            asked_at or self._clock(),
        )
        return self._admit(wish)

    def as_stored(self, tenant_id: str, write: SchedulerEntryWrite) -> SchedulerEntryWrite:
        """The body with the service spelt as its directory row spells it; as it came if there is none."""
        try:
            service = self._directory.service(tenant_id, write.service_upn).value
        except NotFound:
            return write
        return write.model_copy(update={"service_upn": service.upn})

    def brought(self, tenant_id: str, write: SchedulerEntryWrite, message_id: str) -> str | None:
        """The id of the task that a message has brought in already, if it has."""
        found = self._store.reference(tenant_id, write.service_upn, _reference(write, message_id))
        if found is None or (write.reference_id and found.fingerprint != write.fingerprint()):
            return None
        return found.entry_id

    def tell_rejected(self, tenant_id: str, write: SchedulerEntryWrite, code: str, message_id: str) -> None:
        """Hooks learn that a message of the queue brought no task. Telling twice is telling once."""
        now = to_wire(self._clock())
        rejected = Entry(
            **{name: getattr(write, name) for name in SchedulerEntryWrite.model_fields},
            task_id=f"rejected:{message_id}".replace("/", ":"),
            event="Rejected",
            slot=0,
            created_at=now,
            completion_reason=code,
        )
        self._agenda.wake(DISTRIBUTE, tenant_id, write.service_upn)
        self._store.note_rejected(tenant_id, rejected)

    def _admit(self, wish: _Wish) -> Accepted | Refused:
        """Try free slots until one is ours or a fresh read says full.

        Every lost try means that somebody else got in, so this ends: after as many tries as there are slots,
        unless tasks also finish meanwhile, and then there is room.

        The entry keeps its id over all tries: a write whose answer got lost, and which the SDK sent again, is
        recognised at the next look instead of becoming a second task.
        """
        tenant_id, service_upn = wish.head.tenant_id, wish.service.upn
        entry_id = new_id(service_upn)
        replaces: Reference | None = None
        due_checked = False
        while True:
            held = self._store.slots(tenant_id, service_upn)
            if any(slot.entry_id == entry_id for slot in held):
                return self._replay(wish, entry_id, wish.fingerprint, replayed=False)
            if wish.reference and (known := _held_by(wish.reference, held)):
                return self._replay(wish, known.entry_id, known.fingerprint)
            verdict = admit([slot.number for slot in held], limit=wish.limit)
            if wish.reference and (isinstance(verdict, Full) or not is_due_fine(wish.write, wish.asked_at)):
                # Refused either way, unless it is an old acquaintance: one more look before the answer.
                finished = self._live_reference(wish)
                if finished is not None:
                    return self._replay(wish, finished.entry_id, finished.fingerprint)
            if not due_checked:
                check_due(wish.write, wish.asked_at)
                due_checked = True
            if isinstance(verdict, Full):
                return self._refuse(wish, held)
            self._agenda.wake(DISTRIBUTE, tenant_id, service_upn)
            for number in random.sample(verdict.slots, min(TRIES_PER_LOOK, len(verdict.slots))):
                entry = _entry(wish, entry_id, number, to_wire(self._clock()))
                try:
                    self._store.add(tenant_id, entry, wish.reference, replaces)
                except SlotTaken:
                    continue
                except GateShut:
                    open_gate(self._store.gate, self._directory, tenant_id, service_upn)
                    replaces = None
                    break
                except (ReferenceTaken, Stale):
                    known_reference = self._store.reference(tenant_id, service_upn, wish.reference)
                    if known_reference is None or known_reference.is_free(self._clock()):
                        replaces = known_reference
                        break
                    return self._replay(wish, known_reference.entry_id, known_reference.fingerprint)
                log.info("outbound task accepted", tenant=tenant_id, service=service_upn, entry=entry_id)
                return Accepted(entry)

    def _replay(self, wish: _Wish, entry_id: str, fingerprint: str, *, replayed: bool = True) -> Accepted:
        # A message that comes again is known by its id, also when its task was rewritten meanwhile.
        if wish.write.reference_id and fingerprint != wish.fingerprint:
            raise Conflict(
                "this ReferenceId belongs to a task with other content",
                code="ReferenceIdConflict",
                schedulerEntryId=entry_id,
            )
        kept = self._store.find(wish.tenant_id, entry_id)
        if kept is None or not isinstance(kept.task, Entry):
            raise Stale("the task with this ReferenceId went away just now; send it again")
        return Accepted(kept.task, replayed=replayed)

    def _refuse(self, wish: _Wish, held: Sequence[Slot]) -> Refused:
        in_progress = sum(slot.in_progress for slot in held)
        self._refusals.note(wish.tenant_id, wish.write.service_upn, LIMIT_REACHED, wish.source, wish.message_id)
        return Refused(wish.limit, len(held) - in_progress, in_progress)

    def _live_reference(self, wish: _Wish) -> Reference | None:
        found = self._store.reference(wish.tenant_id, wish.write.service_upn, wish.reference)
        return found if found is not None and not found.is_free(self._clock()) else None


def _entry(wish: _Wish, entry_id: str, slot: int, now: str) -> Entry:
    return scheduled(
        Entry(
            **{name: getattr(wish.write, name) for name in SchedulerEntryWrite.model_fields},
            task_id=entry_id,
            slot=slot,
            created_at=now,
            service_display_name=wish.service.display_name,
            service_tel_number=wish.service.pstn_number,
        )
    )


def _reference(write: SchedulerEntryWrite, message_id: str) -> str:
    return reference_key(write.reference_id or f"\0message {message_id}")


def _held_by(reference: str, held: Sequence[Slot]) -> Slot | None:
    return next((slot for slot in held if slot.reference == reference), None)
