"""Hooks are registered, listed and removed here, and told here what happened; deliveries.py sends it to them."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from shared.kernel import log
from shared.kernel.callers import TENANT_ADMIN, Caller
from shared.kernel.clock import Clock, from_wire, to_wire
from shared.kernel.errors import Conflict, NotFound
from shared.kernel.wire import is_guid
from shared.messaging.job_schedule import Agenda
from shared.outbound.tasks.events import Event
from shared.outbound.tasks.job_kinds import DELIVER
from shared.outbound.tasks.rights import check_owner
from shared.outbound.webhooks.models import (
    Hook,
    HookState,
    Kind,
    Registrant,
    Registration,
    fingerprint,
    read_registration,
    state_of,
)
from shared.outbound.webhooks.outbox import HookOutbox
from shared.outbound.webhooks.store import HookStore
from shared.tenants.directory import Directory
from shared.tenants.models import Page

MOST_HOOKS: Final = 100  # of a tenant, switched-off ones apart
MOST_COUNTED: Final = 1000
# The same registration counts as a repeated call for so long. Later it is one of its own: a platform that subscribes
# anew before it unsubscribes would otherwise remove the only hook it has.
REPEATED_WITHIN: Final = timedelta(minutes=10)


class Webhooks:
    """``allowed_hosts`` are the hosts and suffixes that callbacks may go to."""

    def __init__(
        self,
        store: HookStore,
        outbox: HookOutbox,
        directory: Directory,
        agenda: Agenda,
        allowed_hosts: Sequence[str],
        clock: Clock,
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._directory = directory
        self._agenda = agenda
        self._allowed_hosts = tuple(allowed_hosts)
        self._clock = clock

    def register(self, tenant_id: str, kind: Kind, data: object, *, by: Caller) -> Hook:
        """Take a flow's callback URL. A platform that repeats a lost call is given the hook it has already.

        Raises Invalid, NotFound (``ServiceNotFound``), NotAllowed (``NotServiceOwner``), Conflict
        (``WebhookLimitReached``).
        """
        wish = read_registration(kind, data, self._allowed_hosts)
        services = [self._directory.service(tenant_id, upn).value for upn in wish.services]
        for service in services:
            check_owner(service, by)
        # Each once, as it is spelt in the directory, however a flow spells it.
        wish = replace(wish, services=tuple(dict.fromkeys(service.upn for service in services)))
        hook = self._hook(wish, by)
        while True:
            book = self._store.book(tenant_id)
            live = [other for other in book.hooks if other.switched_off_at is None]
            for known in live:
                if _is_repeated(known, hook):
                    return known
            if len(live) >= MOST_HOOKS:
                raise Conflict(
                    f"the tenant has {len(live)} webhooks; remove some", code="WebhookLimitReached", limit=MOST_HOOKS
                )
            if self._store.add(tenant_id, hook, wish.callback.url, book):
                log.info(
                    "webhook registered",
                    tenant=tenant_id,
                    hook=hook.id,
                    kind=kind,
                    url=hook.url,
                    fingerprint=hook.url_fingerprint,
                    by=by.oid,
                )
                return hook

    def remove(self, tenant_id: str, kind: Kind, hook_id: str, *, by: Caller) -> None:
        """A flow unsubscribes. Its pending events go with it. Raises NotFound, NotAllowed (``NotServiceOwner``)."""
        kept = self._store.find(tenant_id, hook_id.lower()) if is_guid(hook_id) else None
        if kept is None or kept.hook.kind != kind:
            raise NotFound("there is no such webhook", code="WebhookNotFound")
        if not (by.may(TENANT_ADMIN) or by.oid == kept.hook.by.oid):
            for upn in kept.hook.services:
                check_owner(self._directory.service(tenant_id, upn).value, by)
        self._agenda.wake(DELIVER, tenant_id, kept.hook.id)  # where its events are cleared away
        self._store.remove_blindly(tenant_id, kept.hook.id)
        log.info("webhook removed", tenant=tenant_id, hook=kept.hook.id, by=by.oid)

    def page(self, tenant_id: str, *, top: int, continuation: str | None) -> Page[HookState]:
        """Hooks with their delivery state, switched-off ones of the last 30 days too."""
        found = self._store.page(tenant_id, top=top, continuation=continuation)
        return Page([self._state(tenant_id, hook) for hook in found.items], found.continuation)

    def publish(self, events: Sequence[Event]) -> None:
        """Hand events of one service, in the order of each task, to the hooks that want them.

        Nothing is sent here. Publishing again what was published before changes nothing, so whoever dies in between
        starts over. One read when no hook wants anything; else a read and a transaction per task and hook.
        """
        if not events:
            return
        tenant_id = events[0].tenant_id
        for hook in self._store.all(tenant_id):
            by_task: dict[str, list[Event]] = defaultdict(list)
            for event in events:
                if hook.wants(event):
                    by_task[event.task_id].append(event)
            if not by_task:
                continue
            self._agenda.wake(DELIVER, tenant_id, hook.id)
            for of_task in by_task.values():
                self._outbox.take_in(tenant_id, hook, of_task, self._clock())

    def _hook(self, wish: Registration, by: Caller) -> Hook:
        now = to_wire(self._clock())
        return Hook(
            id=str(uuid.uuid4()),
            kind=wish.kind,
            services=list(wish.services),
            events=list(wish.events),
            modalities=list(wish.modalities),
            directions=list(wish.directions),
            url=wish.callback.shown,
            url_fingerprint=wish.callback.fingerprint,
            fingerprint=fingerprint(wish, by.oid),
            by=Registrant(oid=by.oid, name=by.name, is_admin=by.may(TENANT_ADMIN)),
            created_at=now,
            swept_at=now,
        )

    def _state(self, tenant_id: str, hook: Hook) -> HookState:
        pending, next_try = self._outbox.count(tenant_id, hook.id, most=MOST_COUNTED)
        tries = [to_wire(next_try)] if next_try else []
        tries += [hook.next_try] if hook.next_try and pending else []
        return state_of(hook, pending, max(tries, default=None))


def _is_repeated(known: Hook, hook: Hook) -> bool:
    age = from_wire(hook.created_at) - from_wire(known.created_at)
    return known.fingerprint == hook.fingerprint and age < REPEATED_WITHIN
