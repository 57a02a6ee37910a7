"""Sends hooks what webhooks.py has taken in for them.

One delivery of a hook runs at a time, under a lease on its row; it works on several tasks side by side and on the
events of a task one after the other. It ends after ``TURN`` seconds whatever there is left, so that a slow receiver
does not hold up others, and puts the rest on the agenda.

    find -> claim -> post, note, post, note ... -> agenda -> release

A process that dies on the way leaves the appointment it was called by, which is called again, and a lease that ends
by itself. An event that was posted and not noted is posted again, with the same id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from time import monotonic
from typing import Final, Protocol

from shared.concurrency.deadlines import Latecomers
from shared.kernel import log
from shared.kernel.clock import Clock, from_wire, to_wire
from shared.kernel.errors import NotFound, Stale, Upstream
from shared.messaging.job_schedule import Agenda
from shared.outbound.tasks.job_kinds import DELIVER
from shared.outbound.webhooks.callback_url import UrlRefused, read_callback_url
from shared.outbound.webhooks.delivery_run import Said, Turn, after_turn, well
from shared.outbound.webhooks.models import Hook
from shared.outbound.webhooks.outbox import First, HookOutbox, Waiting
from shared.outbound.webhooks.retry_policy import KEPT, after_failure, verdict
from shared.outbound.webhooks.store import HookStore, KeptHook
from shared.storage.secrets import Unreadable
from shared.tenants.audit_trail import AuditTrail, system
from shared.tenants.directory import Directory

TURN: Final = 10.0  # seconds in which posts are begun
PATIENCE: Final = 10.0  # seconds that one post may take in all
# Longer than a turn with its last post and the writes behind it.
LEASE: Final = timedelta(seconds=60)
TASKS_AT_ONCE: Final = 4
MOST_POSTS: Final = 64  # of this process at once, those included that go on after their patience for some seconds
TASKS_PER_TURN: Final = 100
EVENTS_PER_READ: Final = 20
SWEEP_EVERY: Final = timedelta(days=1)


class Answer(Protocol):
    """``retry_after`` are the seconds the receiver asks for, None if it does not."""

    @property
    def status(self) -> int: ...
    @property
    def retry_after(self) -> float | None: ...


class Sender(Protocol):
    """Posts JSON to a callback URL, once. Raises Unreachable or Broken."""

    def post(self, url: str, body: bytes, event_id: str) -> Answer: ...


class Deliveries:
    """One per process; keeps nothing of a delivery between calls."""

    def __init__(
        self,
        store: HookStore,
        outbox: HookOutbox,
        directory: Directory,
        agenda: Agenda,
        sender: Sender,
        trail: AuditTrail,
        allowed_hosts: Sequence[str],
        clock: Clock,
        elapsed: Callable[[], float] = monotonic,
        patience: float = PATIENCE,
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._directory = directory
        self._agenda = agenda
        self._sender = sender
        self._trail = trail
        self._allowed_hosts = tuple(allowed_hosts)
        self._clock = clock
        self._elapsed = elapsed
        self._patience = patience
        self._latecomers = Latecomers(per_lane=TASKS_AT_ONCE, most=MOST_POSTS)

    def deliver(self, tenant_id: str, hook_id: str) -> None:
        """Send the hook what is due. May be called at any time, twice, and by several at once."""
        kept = self._store.find(tenant_id, hook_id)
        if kept is None:
            self._clear(tenant_id, hook_id)
        elif kept.hook.switched_off_at is not None:
            self._keep_for_admins(tenant_id, kept.hook, from_wire(kept.hook.switched_off_at) + KEPT)
        elif (rest := kept.hook.rests_until(self._clock())) is not None:
            self._agenda.wake(DELIVER, tenant_id, hook_id, rest)
        else:
            self._take_turn(tenant_id, kept)

    def _take_turn(self, tenant_id: str, kept: KeptHook) -> None:
        """The look comes before the claim: had somebody delivered in between, the hook's row would be another one."""
        now = self._clock()
        turn = Turn(tenant_id, kept, give_up_at=self._elapsed() + TURN)
        due = self._due(turn, now)
        try:
            if due:
                claimed = kept.hook.model_copy(update={"lease_until": to_wire(now + LEASE)})
                turn.kept = self._store.save(kept, claimed)
                self._deliver_all(turn, due)
                self._end(turn)
            elif turn.next_look is not None:
                self._agenda.wake(DELIVER, tenant_id, kept.hook.id, turn.next_look)
            elif kept.hook.lease_until is not None or kept.hook.failing_since is not None:
                # A delivery sent the last event and died. With nothing to send, nothing fails.
                self._store.save(kept, well(kept.hook))
        except (Stale, NotFound):
            # Another delivery is at it, or the hook is gone: whichever, somebody looks again.
            self._agenda.wake(DELIVER, tenant_id, kept.hook.id)

    def _due(self, turn: Turn, now: datetime) -> list[First]:
        """Tasks to work on, those that failed least often first; when others are due goes to the turn."""
        due: list[First] = []
        for first in self._outbox.firsts(turn.tenant_id, turn.hook.id):
            if first.trouble is not None and not first.is_due(now):
                turn.look_at(first.trouble.next_try)
                continue
            if len(due) == TASKS_PER_TURN:
                turn.look_at(now)
                break
            due.append(first)
        return sorted(due, key=lambda first: first.tries)

    def _deliver_all(self, turn: Turn, due: list[First]) -> None:
        """A hook that fails gets one task as a trial, so that a dead receiver costs one wait."""
        url = self._url(turn)
        if isinstance(url, Said):
            turn.failed(url)
            turn.look_at(self._clock())
            return
        if turn.hook.failing_since is not None:
            self._deliver_task(turn, url, due[0])
            if not turn.delivered:
                turn.look_at(self._clock())
                return
            due = due[1:]
        with ThreadPoolExecutor(TASKS_AT_ONCE) as pool:
            list(pool.map(lambda first: self._deliver_task(turn, url, first), due))

    def _url(self, turn: Turn) -> str | Said:
        try:
            url = self._store.url_of(turn.tenant_id, turn.kept)
            return read_callback_url(url, self._allowed_hosts).url  # the list may have become shorter
        except (Unreadable, UrlRefused) as exc:
            return Said(problem=exc.code)

    def _deliver_task(self, turn: Turn, url: str, first: First) -> None:
        while not turn.is_over(self._elapsed()):
            events = self._outbox.of_task(turn.tenant_id, turn.hook.id, first.task, top=EVENTS_PER_READ)
            for event in events:
                if turn.is_over(self._elapsed()):
                    break
                if not self._may_know(turn, event.service_upn):
                    self._outbox.forget(event)
                    turn.skip()
                elif not self._deliver_one(turn, url, event):
                    return
            else:
                if len(events) < EVENTS_PER_READ:
                    return
        turn.look_at(self._clock())

    def _deliver_one(self, turn: Turn, url: str, event: Waiting) -> bool:
        """Whether the task's next event may follow."""
        said = self._post(turn, url, event)
        now = self._clock()
        match verdict(said.status):
            case "delivered":
                self._outbox.forget(event)
                turn.succeeded(said, now)
                return True
            case "gone":
                turn.is_gone = True
                return False
        trouble = after_failure(event.trouble, now, said.retry_after)
        turn.failed(said)
        if trouble.is_over(now):
            self._outbox.forget(event)
            turn.give_up(now)
            log.warning("an event was given up", tenant=turn.tenant_id, hook=turn.hook.id, event=event.id)
        else:
            self._outbox.note(event, trouble)
            turn.look_at(trouble.next_try)
        return False

    def _post(self, turn: Turn, url: str, event: Waiting) -> Said:
        try:
            answer = self._latecomers.in_time(
                turn.hook.id,
                self._patience,
                lambda: self._sender.post(url, event.body, event.id),
                undo=lambda _: None,  # an answer that comes too late changes nothing: the event is sent again
            )
        except Upstream as exc:
            return Said(problem=exc.code)
        except Exception as exc:  # one event must not stop the others; the text may quote the URL
            log.error("a webhook could not be called", tenant=turn.tenant_id, hook=turn.hook.id, why=type(exc).__name__)
            return Said(problem="UpstreamBroken")
        return Said(answer.status, retry_after=answer.retry_after)

    def _may_know(self, turn: Turn, service_upn: str) -> bool:
        """Whether who registered the hook still has a right to the service, read once per turn and service."""
        if turn.hook.by.is_admin:
            return True
        if service_upn not in turn.owned:
            try:
                owners = self._directory.service(turn.tenant_id, service_upn).value.owners
            except NotFound:
                owners = []
            turn.owned[service_upn] = turn.hook.by.oid in owners
        return turn.owned[service_upn]

    def _end(self, turn: Turn) -> None:
        now, tenant_id, before = self._clock(), turn.tenant_id, turn.hook
        if turn.is_gone:
            self._agenda.wake(DELIVER, tenant_id, before.id)  # where its events are cleared away
            self._store.remove_blindly(tenant_id, before.id)
            log.info("webhook removed", tenant=tenant_id, hook=before.id, by="its receiver (410)")
            return
        after = after_turn(turn, now)
        if after.switched_off_at is not None:
            self._switch_off(turn, after, now)
            return
        if now - from_wire(before.swept_at) > SWEEP_EVERY and self._outbox.sweep(tenant_id, before.id, now):
            after = after.model_copy(update={"swept_at": to_wire(now)})
        if turn.next_look is not None:
            at = max([turn.next_look, *([from_wire(after.next_try)] if after.next_try else [])])
            self._agenda.wake(DELIVER, tenant_id, before.id, at)
        self._store.save(turn.kept, after)
        if (before.failing_since is None) != (after.failing_since is None):
            state = "works again" if after.failing_since is None else "fails"
            log.info(f"webhook {state}", tenant=tenant_id, hook=before.id, status=after.last_status)

    def _switch_off(self, turn: Turn, after: Hook, now: datetime) -> None:
        """The audit line first: dying behind it means a line twice, dying before it would mean none."""
        self._agenda.wake(DELIVER, turn.tenant_id, after.id)
        self._agenda.wake(DELIVER, turn.tenant_id, after.id, now + KEPT)
        change = {"path": f"outbound.webhooks.{after.id}", "old": "failing", "new": "switchedOff"}
        self._trail.note(turn.tenant_id, system(turn.tenant_id), [change])
        self._store.save(turn.kept, after)
        log.warning(
            "webhook switched off after 24 h of failure",
            tenant=turn.tenant_id,
            hook=after.id,
            url=after.url,
            fingerprint=after.url_fingerprint,
        )

    def _keep_for_admins(self, tenant_id: str, hook: Hook, until: datetime) -> None:
        if self._clock() >= until:
            self._store.remove_blindly(tenant_id, hook.id)
        else:
            self._agenda.wake(DELIVER, tenant_id, hook.id, until)  # whoever called has a clock ahead of ours
        self._clear(tenant_id, hook.id)

    def _clear(self, tenant_id: str, hook_id: str) -> None:
        if not self._outbox.clear(tenant_id, hook_id):
            self._agenda.wake(DELIVER, tenant_id, hook_id)
