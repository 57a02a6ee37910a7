"""Webhooks on real storage: a receiver that remembers, an agenda of their own, and a clock that jumps."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from shared.kernel.callers import Caller
from shared.kernel.clock import from_wire
from shared.kernel.errors import AppError, StorageDown
from shared.kernel.wire import parse
from shared.messaging.job_schedule import SHARDS, Agenda, Appointment
from shared.outbound.tasks.events import Event, Modality
from shared.outbound.tasks.job_kinds import DELIVER
from shared.outbound.webhooks.deliveries import Deliveries
from shared.outbound.webhooks.models import Hook, HookState
from shared.outbound.webhooks.outbox import HookOutbox
from shared.outbound.webhooks.registrations import Webhooks
from shared.outbound.webhooks.store import HookStore
from shared.storage.entities import Operation, Row
from shared.storage.tables import Table
from shared.tenants.audit_trail import AuditTrail
from tests.core.world import SERVICE, World
from tests.support.memory_storage import MemoryTable

ALLOWED = (".logic.azure.com",)
URL = "https://prod-1.logic.azure.com/workflows/1/invoke?api-version=2016-10-01&sig=s3cr3t"
ALL = ["Scheduled", "Queued", "Offered", "Accepted", "Completed", "Cancelled"]


@dataclass(frozen=True)
class Answer:
    status: int = 202
    retry_after: float | None = None


@dataclass(frozen=True)
class Post:
    url: str
    event_id: str
    told: Any

    @property
    def task(self) -> str:
        return str(self.told.get("schedulerEntryId") or self.told["taskId"])

    @property
    def number(self) -> int:
        return int(self.told["number"])


class Receiver:
    """Remembers every post. ``answers`` decides; by default everything is taken. ``busy`` are tasks being posted."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.taken: list[Post] = []
        self.answers: Callable[[Post], Answer | AppError] = lambda post: Answer()
        self.meanwhile: Callable[[], None] = lambda: None
        self.overlaps = 0
        self._busy: list[str] = []
        self._lock = Lock()

    def post(self, url: str, body: bytes, event_id: str) -> Answer:
        post = Post(url, event_id, json.loads(body))
        with self._lock:
            self.posts.append(post)
            self.overlaps += post.task in self._busy
            self._busy.append(post.task)
        try:
            self.meanwhile()
            answer = self.answers(post)
            if isinstance(answer, AppError):
                raise answer
            if answer.status < 300:
                with self._lock:
                    self.taken.append(post)
            return answer
        finally:
            with self._lock:
                self._busy.remove(post.task)

    def numbers(self, task: str) -> list[int]:
        """Of the events of a task that were taken, in the order in which they came."""
        return [post.number for post in self.taken if post.task == task]


class Calls:
    """The queue of deliveries, kept in a list."""

    def __init__(self) -> None:
        self.waiting: list[Appointment] = []

    def send(self, message: Mapping[str, object]) -> None:
        self.waiting.append(parse(Appointment, message))


class Fate:
    """Lets a process die at one of its writes: the ``turn``-th, ``before`` or ``after`` it took effect."""

    def __init__(self, turn: int, when: str) -> None:
        self.left = turn
        self.when = when
        self.struck = False

    def write(self, act: Callable[[], Any]) -> Any:
        strikes, self.left = self.left == 0, self.left - 1
        self.struck = self.struck or strikes
        if strikes and self.when == "before":
            raise StorageDown("the process died before the write")
        result = act()
        if strikes:
            raise StorageDown("the process died after the write")
        return result


class MortalTable(Table):
    """A table as one process sees it that has a fate."""

    def __init__(self, inner: Table, fate: Fate) -> None:
        self._inner = inner
        self._fate = fate

    def get(self, partition: str, row: str) -> Row | None:
        return self._inner.get(partition, row)

    def span(self, partition: str, start: str, end: str, **more: Any) -> Iterator[Row]:
        return self._inner.span(partition, start, end, **more)

    def page(
        self, partition: str, start: str, end: str, *, top: int, continuation: str | None = None
    ) -> tuple[list[Row], str | None]:
        return self._inner.page(partition, start, end, top=top, continuation=continuation)

    def transact(self, operations: Sequence[Operation]) -> list[str]:
        etags: list[str] = self._fate.write(lambda: self._inner.transact(operations))
        return etags

    def replace(self, row: Row, *, etag: str) -> str:
        return str(self._fate.write(lambda: self._inner.replace(row, etag=etag)))

    def overwrite(self, row: Row) -> str:
        return str(self._fate.write(lambda: self._inner.overwrite(row)))

    def delete(self, row: Row, *, etag: str) -> None:
        self._fate.write(lambda: self._inner.delete(row, etag=etag))

    def remove_blindly(self, rows: Sequence[Row]) -> None:
        self._fate.write(lambda: self._inner.remove_blindly(rows))


class Process:
    """One instance of the app, as far as webhooks go."""

    def __init__(self, around: HookWorld, fate: Fate | None = None, **more: Any) -> None:
        world = around.world
        outbound: Table = around.outbound_table
        agenda: Table = around.agenda_table
        if fate is not None:
            outbound, agenda = MortalTable(outbound, fate), MortalTable(agenda, fate)
        self.hooks, self.outbox = HookStore(outbound, world.secrets), HookOutbox(outbound)
        self.agenda = Agenda(agenda, {DELIVER: around.calls}, world.clock)
        self.webhooks = Webhooks(self.hooks, self.outbox, world.directory, self.agenda, ALLOWED, world.clock)
        trail = AuditTrail(world.account.table("tenants"), world.clock)
        self.deliveries = Deliveries(
            self.hooks,
            self.outbox,
            world.directory,
            self.agenda,
            more.pop("sender", around.receiver),
            trail,
            more.pop("allowed", ALLOWED),
            world.clock,
            **more,
        )

    def answer_call(self, appointment: Appointment) -> None:
        """What the trigger does."""
        self.agenda.answer(appointment, lambda: self.deliveries.deliver(appointment.tenant_id, appointment.subject))


class HookWorld:
    """A tenant whose hooks are called from an agenda that no other test uses, and that costs no time."""

    def __init__(self, world: World, outbound: Table | None = None) -> None:
        self.world = world
        self.clock = world.clock
        self.tenant_id = world.tenant_id
        self.outbound_table = outbound or world.account.table("outbound")
        self.agenda_table = MemoryTable()
        self.calls = Calls()
        self.receiver = Receiver()
        self.process = Process(self)

    def body(self, **changes: Any) -> dict[str, Any]:
        return {"config": {"services": [SERVICE], "schedulerEntryEvents": ALL, "url": URL} | changes}

    def register(self, *, by: Caller | None = None, **changes: Any) -> Hook:
        """Each with a URL of its own."""
        own = {"url": f"{URL}&n={uuid.uuid4().hex}"} | changes
        by = by or self.world.by
        return self.process.webhooks.register(self.tenant_id, "scheduler-entries", self.body(**own), by=by)

    def event(self, task: str, number: int, name: str = "Queued", **changes: Any) -> Event:
        modality: Modality = changes.pop("modality", "Audio")
        service: str = changes.pop("service", SERVICE)
        told = {"event": name, "number": number} | changes
        return Event(
            tenant_id=self.tenant_id,
            service_upn=service,
            task_id=task,
            number=number,
            name=name,
            direction="Outbound",
            modality=modality,
            scheduler_entry=None if modality == "ExternalTask" else {"schedulerEntryId": task, **told},
            task={"taskId": task, **told},
        )

    def publish(self, *events: Event) -> None:
        self.process.webhooks.publish(events)

    def deliver(self, hook: Hook) -> None:
        self.process.deliveries.deliver(self.tenant_id, hook.id)

    def hook(self, hook: Hook) -> Hook | None:
        kept = self.process.hooks.find(self.tenant_id, hook.id)
        return kept.hook if kept else None

    def state(self, hook: Hook) -> HookState:
        page = self.process.webhooks.page(self.tenant_id, top=1000, continuation=None)
        return next(state for state in page.items if state.id == hook.id)

    def rows(self, hook: Hook) -> list[str]:
        """Keys of what is kept for the hook besides itself."""
        return [row.row for row in self.outbound_table.span(f"{self.tenant_id}|hook:{hook.id}", "", "~")]

    def pending(self, hook: Hook) -> list[str]:
        return [row for row in self.rows(hook) if row.startswith("event:")]

    # time

    def next_moment(self) -> datetime | None:
        return min(self._moments(), default=None)

    def _moments(self) -> list[datetime]:
        """When the agenda has calls to make, or to make again."""
        rows = [row for number in range(SHARDS) for row in self.agenda_table.span(f"shard:{number}", "0", "~")]
        return [from_wire(row.text("again") or row.row.split("|")[0]) for row in rows]

    def beat(self, process: Process | None = None) -> int:
        """Call what is due and answer each call; a call whose process dies is lost. Gives how many were called."""
        process = process or self.process
        called = process.agenda.call_due()
        calls, self.calls.waiting = self.calls.waiting, []
        for call in calls:
            process.answer_call(call)
        return called

    def run(self, until: Callable[[], bool] = lambda: False, **within: float) -> None:
        """Jump from appointment to appointment, at most so far; ends early when there is none or ``until`` holds."""
        end = self.clock() + timedelta(**within)
        while not until():
            if self.beat():
                continue
            # What is still due waits for a call that got lost.
            moment = min((one for one in self._moments() if one > self.clock.moment), default=None)
            if moment is None or moment >= end:
                self.clock.moment = end
                return
            self.clock.moment = moment + timedelta(milliseconds=1)
