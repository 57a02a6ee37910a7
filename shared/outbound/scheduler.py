"""Takes in outbound tasks, refuses what passes the limit, and gives them up again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared import log
from shared.callers import SERVICE_OWNER, TENANT_ADMIN, Caller
from shared.clock import Clock, to_wire
from shared.errors import Conflict, Finding, Invalid, NotAllowed, NotFound, Stale
from shared.outbound.admission import Full, admit
from shared.outbound.models import Entry, SchedulerEntryWrite
from shared.outbound.refusals import Refusals, Source
from shared.outbound.store import Kept, OutboundStore, Reference, ReferenceTaken, Slot, SlotTaken, new_id, reference_key
from shared.tenants.directory import Directory
from shared.tenants.models import Service
from shared.tenants.tenants import Head
from shared.wire import is_e164

MAY_BE_LATE: Final = timedelta(minutes=5)
MAY_BE_AHEAD: Final = timedelta(days=90)
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
    write: SchedulerEntryWrite
    reference: str
    fingerprint: str
    source: Source
    message_id: str

    @property
    def tenant_id(self) -> str:
        return self.head.tenant_id

    @property
    def limit(self) -> int:
        return self.head.settings.value.outbound.max_scheduled_tasks_per_service


class Scheduler:
    """One per process; keeps nothing between calls."""

    def __init__(self, store: OutboundStore, directory: Directory, refusals: Refusals, clock: Clock) -> None:
        self._store = store
        self._directory = directory
        self._refusals = refusals
        self._clock = clock

    def submit(
        self, head: Head, write: SchedulerEntryWrite, *, by: Caller | None, source: Source, message_id: str = ""
    ) -> Accepted | Refused:
        """Admit one task. ``head`` was read with this call, so the limit is the present one.

        ``by`` is None for what comes through the queue; there ``message_id`` makes a second delivery of a
        message without a ReferenceId the same task. Raises NotFound (``ServiceNotFound``), NotAllowed
        (``NotServiceOwner``), Invalid, Conflict (``ReferenceIdConflict``).
        """
        service = self._directory.service(head.tenant_id, write.service_upn).value
        if by is not None:
            _check_owner(service, by)
        _check_service(head, service, write)
        reference = reference_key(write.reference_id or f"\0message {message_id}")
        wish = _Wish(
            head,
            write.model_copy(update={"service_upn": service.upn}),
            reference if write.reference_id or message_id else "",
            write.fingerprint(),
            source,
            message_id,
        )
        return self._admit(wish)

    def entries(self, tenant_id: str, service_upn: str, *, by: Caller) -> list[Entry]:
        """Unfinished entries of a service, next due first."""
        service = self._directory.service(tenant_id, service_upn).value
        _check_owner(service, by)
        found = self._store.unfinished(tenant_id, service.upn)
        return sorted(found, key=lambda entry: (entry.due_date_time_utc, entry.scheduler_entry_id))

    def cancel(self, tenant_id: str, entry_id: str, *, by: Caller) -> None:
        """Give the task and its slot up. Raises NotFound, Conflict once it is with an agent or finished."""
        while True:
            kept = self._find(tenant_id, entry_id, by)
            _check_cancellable(kept.entry)
            now = self._clock()
            finished = kept.entry.model_copy(
                update={
                    "state": "Cancelled",
                    "event": "Cancelled",
                    "completion_reason": "Cancelled",
                    "finished_at": to_wire(now),
                }
            )
            try:
                self._store.finish(kept, finished, now)
            except (Stale, NotFound):
                continue  # somebody moved the entry since it was read; judge its new state
            log.info("outbound task cancelled", tenant=tenant_id, service=finished.service_upn, entry=entry_id)
            return

    def _admit(self, wish: _Wish) -> Accepted | Refused:
        """Try free slots until one is ours or a fresh read says full.

        Every lost try means that somebody else got in, so this ends: after as many tries as there are slots,
        unless tasks also finish meanwhile, and then there is room.

        The entry keeps its id over all tries: a write whose answer got lost, and which the SDK sent again, is
        recognised at the next look instead of becoming a second task.
        """
        entry_id = new_id(wish.write.service_upn)
        replaces: Reference | None = None
        due_checked = False
        while True:
            held = self._store.slots(wish.tenant_id, wish.write.service_upn)
            if any(slot.entry_id == entry_id for slot in held):
                return self._replay(wish, entry_id, wish.fingerprint, replayed=False)
            if wish.reference and (known := _held_by(wish.reference, held)):
                return self._replay(wish, known.entry_id, known.fingerprint)
            verdict = admit([slot.number for slot in held], limit=wish.limit)
            if wish.reference and (isinstance(verdict, Full) or not self._is_due_fine(wish)):
                # Refused either way, unless it is an old acquaintance: one more look before the answer.
                finished = self._live_reference(wish)
                if finished is not None:
                    return self._replay(wish, finished.entry_id, finished.fingerprint)
            if not due_checked:
                self._check_due(wish)
                due_checked = True
            if isinstance(verdict, Full):
                return self._refuse(wish, held)
            for number in random.sample(verdict.slots, min(TRIES_PER_LOOK, len(verdict.slots))):
                entry = _entry(wish, entry_id, number, to_wire(self._clock()))
                try:
                    self._store.add(wish.tenant_id, entry, wish.reference, replaces)
                except SlotTaken:
                    continue
                except (ReferenceTaken, Stale):
                    known_reference = self._store.reference(wish.tenant_id, wish.write.service_upn, wish.reference)
                    if known_reference is None or known_reference.is_free(self._clock()):
                        replaces = known_reference
                        break
                    return self._replay(wish, known_reference.entry_id, known_reference.fingerprint)
                log.info(
                    "outbound task accepted",
                    tenant=wish.tenant_id,
                    service=entry.service_upn,
                    entry=entry.scheduler_entry_id,
                )
                return Accepted(entry)

    def _replay(self, wish: _Wish, entry_id: str, fingerprint: str, *, replayed: bool = True) -> Accepted:
        if fingerprint != wish.fingerprint:
            raise Conflict(
                "this ReferenceId belongs to a task with other content",
                code="ReferenceIdConflict",
                schedulerEntryId=entry_id,
            )
        kept = self._store.find(wish.tenant_id, entry_id)
        if kept is None:
            raise Stale("the task with this ReferenceId went away just now; send it again")
        return Accepted(kept.entry, replayed=replayed)

    def _refuse(self, wish: _Wish, held: Sequence[Slot]) -> Refused:
        in_progress = sum(slot.in_progress for slot in held)
        self._refusals.note(
            wish.tenant_id, wish.write.service_upn, "OutboundTaskLimitReached", wish.source, wish.message_id
        )
        return Refused(wish.limit, len(held) - in_progress, in_progress)

    def _live_reference(self, wish: _Wish) -> Reference | None:
        found = self._store.reference(wish.tenant_id, wish.write.service_upn, wish.reference)
        return found if found is not None and not found.is_free(self._clock()) else None

    def _is_due_fine(self, wish: _Wish) -> bool:
        now = self._clock()
        return now - MAY_BE_LATE <= wish.write.due <= now + MAY_BE_AHEAD

    def _check_due(self, wish: _Wish) -> None:
        if not self._is_due_fine(wish):
            late = wish.write.due < self._clock()
            bound = "more than 5 minutes past" if late else "more than 90 days ahead"
            raise Invalid([Finding("dueDateTimeUtc", f"is {bound}", "OutOfRange")])

    def _find(self, tenant_id: str, entry_id: str, by: Caller) -> Kept:
        kept = self._store.find(tenant_id, entry_id.lower())
        if kept is None:
            raise NotFound("there is no such scheduler entry", code="OutboundTaskNotFound")
        if not by.may(TENANT_ADMIN):
            _check_owner(self._directory.service(tenant_id, kept.entry.service_upn).value, by)
        return kept


def _entry(wish: _Wish, entry_id: str, slot: int, now: str) -> Entry:
    return Entry(
        **{name: getattr(wish.write, name) for name in SchedulerEntryWrite.model_fields},
        scheduler_entry_id=entry_id,
        slot=slot,
        created_at=now,
    )


def _held_by(reference: str, held: Sequence[Slot]) -> Slot | None:
    return next((slot for slot in held if slot.reference == reference), None)


def _check_owner(service: Service, by: Caller) -> None:
    if by.may(TENANT_ADMIN) or (by.may(SERVICE_OWNER) and by.oid in service.owners):
        return
    raise NotAllowed(f"you are not an owner of {service.upn}", code="NotServiceOwner")


def _check_service(head: Head, service: Service, write: SchedulerEntryWrite) -> None:
    """What the service may do today; all findings at once."""
    findings = []
    if service.licence != "ContactCenter" or "ContactCenter" not in head.tenant.value.products:
        findings.append(Finding("serviceUpn", "the service has no ContactCenter licence", "ServiceNotLicensed"))
    elif not service.outbound_enabled:
        findings.append(Finding("serviceUpn", "outbound is switched off for the service", "OutboundNotEnabled"))
    if is_e164(write.destination) and service.pstn_number is None:
        message = "the service has no PSTN number, so only a user principal name can be called"
        findings.append(Finding("destination", message, "PstnNumberMissing"))
    if findings:
        raise Invalid(findings, code=findings[0].code)


def _check_cancellable(entry: Entry) -> None:
    if entry.finished_at is not None:
        raise Conflict("the task is finished", code="OutboundTaskFinished")
    if entry.state not in ("Scheduled", "Queued"):
        raise Conflict("the task is with an agent", code="OutboundTaskInProgress")
