"""What core tests share: a tenant, its service, a clock, a reader of presence that remembers."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from shared.bootstrap.trunk import open_trunk
from shared.kernel.callers import Caller
from shared.kernel.clock import to_wire
from shared.kernel.errors import AppError, StorageDown
from shared.kernel.queue_names import QUEUES
from shared.kernel.wire import parse
from shared.messaging.dead_letters import Poison
from shared.messaging.job_schedule import Agenda, Appointment
from shared.outbound.admission.batches import Batches
from shared.outbound.admission.entries import Entries
from shared.outbound.admission.external_tasks import ExternalTasks
from shared.outbound.admission.intake import Intake
from shared.outbound.admission.scheduler import Scheduler
from shared.outbound.distribution.agent_tasks import AgentTasks
from shared.outbound.distribution.distributor import Visits
from shared.outbound.distribution.matching import Candidate
from shared.outbound.distribution.reservations import Agents
from shared.outbound.distribution.supervision import Release, Supervision
from shared.outbound.tasks.events import Event
from shared.outbound.tasks.gate import open_gate
from shared.outbound.tasks.models import SchedulerEntryWrite, read_entry
from shared.outbound.tasks.refusals import Refusals
from shared.outbound.tasks.store import OutboundStore
from shared.presence.account_health import Source
from shared.presence.health import HealthOfPresence, PresenceHealth
from shared.presence.polling.poller import Poller
from shared.presence.store import PresenceStore
from shared.presence.views import Presences
from shared.storage.account import StorageAccount
from shared.storage.keys import key
from shared.storage.queues import Queue
from shared.tenants.documents import write
from shared.tenants.models import Service, ServiceWrite, TenantWrite, UserWrite
from shared.tenants.settings.settings import TenantSettings
from shared.tenants.tenants import Head
from tests.core.faults import FragileTable

ADMIN = "aaaaaaaa-0000-4000-8000-000000000001"
SERVICE = "desk@contoso.example"
STUCK = partial(Release, reason="stuck")
DESK = {
    "displayName": "Desk",
    "licence": "ContactCenter",
    "outboundEnabled": True,
    "pstnNumber": "+41445550100",
}
OLD_KEY = ("old", bytes(32))
CONTOSO_STRING = f"endpoint=https://contoso.communication.azure.com/;accesskey={base64.b64encode(bytes(64)).decode()}"


class FakeClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def move(self, **delta: float) -> None:
        self.moment += timedelta(**delta)


@dataclass(frozen=True)
class Row:
    user_id: str
    availability: str
    activity: str
    sequence_number: str = ""


class FakeReader:
    """Graph as the poller sees it. ``fails`` holds the error each source raises; ``asked`` remembers the calls."""

    def __init__(self) -> None:
        self.says: dict[str, Row] = {}
        self.fails: dict[str, AppError] = {}
        self.asked: list[tuple[str, int]] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def read(self, tenant_id: str, source: Source, user_ids: Sequence[str]) -> list[Row]:
        self.asked.append((source, len(user_ids)))
        self.meanwhile()
        if source in self.fails:
            raise self.fails[source]
        return [self.says[user] for user in user_ids if user in self.says]


class Calls:
    """A queue that remembers what was sent."""

    def __init__(self) -> None:
        self.sent: list[Appointment] = []

    def send(self, message: Mapping[str, object]) -> None:
        self.sent.append(parse(Appointment, message))


class LaterPolls(Queue):
    """A queue that remembers what was sent, each message with the seconds after which it comes."""

    def __init__(self) -> None:
        self.sent: list[tuple[dict[str, Any], float]] = []

    def send(self, message: Mapping[str, object], *, delay: timedelta = timedelta(0)) -> None:
        self.sent.append((dict(message), delay.total_seconds()))

    def take(self) -> list[tuple[dict[str, Any], float]]:
        taken, self.sent = self.sent, []
        return taken


class FakeMembers:
    """Who could take a task, whatever the service."""

    def __init__(self) -> None:
        self.ready: list[Candidate] = []

    def available(self, tenant_id: str, service_upn: str, *, busy: Collection[str]) -> list[Candidate]:
        return [candidate for candidate in self.ready if candidate.user_id not in busy]


class FakeHooks:
    """Remembers each event once, as a hook would be told it."""

    def __init__(self) -> None:
        self.told: dict[tuple[str, int], Event] = {}

    def publish(self, events: Sequence[Event]) -> None:
        for event in events:
            known = self.told.setdefault((event.task_id, event.number), event)
            assert known == event, "one event, two stories"

    def names(self, task_id: str) -> list[str]:
        found = sorted((number, event.name) for (task, number), event in self.told.items() if task == task_id)
        assert [number for number, _ in found] == list(range(1, len(found) + 1)), "an event is missing"
        return [name for _, name in found]


class World:
    """One tenant on real storage."""

    def __init__(self, account: StorageAccount, clock: FakeClock, tenant_id: str) -> None:
        self.account = account
        self.clock = clock
        self.tenant_id = tenant_id
        self.by = Caller(tenant_id, ADMIN, "Admin", frozenset({"TenantAdmin"}))
        self.outbound = OutboundStore(account.table("outbound"))
        trunk = open_trunk(account, [OLD_KEY], clock, self.outbound.gate)
        self.secrets, self.widget_keys, self.licences = trunk.secrets, trunk.widget_keys, trunk.licences
        self.tenants, self.directory = trunk.tenants, trunk.directory
        suffixes = (".communication.azure.com",)
        self.settings = TenantSettings(trunk.heads, trunk.secrets, trunk.licences, suffixes, [], clock)
        self.refusals = Refusals(account.table("journal"), clock)
        self.calls = Calls()
        self.agenda = Agenda(account.table("agenda"), dict.fromkeys(("task", "tidy", "batch"), self.calls), clock)
        self.scheduler = Scheduler(self.outbound, self.directory, self.refusals, self.agenda, clock)
        self.agents = Agents(account.table("outbound"), self.outbound)
        self.members = FakeMembers()
        self.hooks = FakeHooks()
        self.visits = Visits(self.outbound, self.agents, self.agenda, self.members, self.hooks, clock)
        self.agent_tasks = AgentTasks(self.outbound, self.agents, self.directory, self.agenda, clock)
        self.external_tasks = ExternalTasks(self.outbound, self.directory, self.agenda, clock)
        self.supervision = Supervision(self.outbound, self.agents, self.directory, self.refusals, self.agenda, clock)
        self.entries = Entries(self.outbound, self.directory, self.agenda, clock)
        self.batches = Batches(account.table("journal"), account.queue("outbound-requests"), self.agenda, clock)
        queues = {name: account.queue(name) for name in QUEUES}
        self.poison = Poison(account.table("journal"), self.tenants, queues, clock)
        self.intake = Intake(self.scheduler, self.batches, self.tenants, self.refusals, self.poison)
        self.reader = FakeReader()
        self.presence = PresenceStore(account.table("presence"))
        self.polls = LaterPolls()
        interval = timedelta(seconds=30)
        self.poller = Poller(
            self.presence, self.tenants, self.directory, self.reader, self.polls, interval, clock, self.elapsed
        )
        self.presences = Presences(self.presence, self.directory, clock, timedelta(seconds=30))
        tenant = TenantWrite(display_name="Contoso", products=["ContactCenter", "AdvancedRouting"])
        self.tenants.put(tenant_id, lambda: tenant, versions=None, by=self.by)
        self._plant_service()

    def _plant_service(self) -> None:
        """The row ``put_service`` would write, in one storage call instead of six: nearly every test pays for it."""
        service = Service(upn=SERVICE, **dict(parse(ServiceWrite, DESK)))
        row = write(
            None, self.tenant_id, f"service:{key(SERVICE)}", service, licences=service.licence, calls_out=True
        ).row
        self.account.table("directory").insert(row)

    def health(self) -> PresenceHealth:
        return HealthOfPresence(self.presence, self.clock, timedelta(seconds=30)).of(self.head)

    def elapsed(self) -> float:
        """Seconds that pass only while the clock moves."""
        return self.clock.moment.timestamp()

    @property
    def head(self) -> Head:
        return self.tenants.head(self.tenant_id)

    def put_service(self, upn: str, **changes: Any) -> None:
        service = parse(ServiceWrite, DESK | changes)
        try:
            versions = frozenset({self.directory.service(self.tenant_id, upn).revision})
        except AppError:
            versions = None
        self.directory.put_service(self.tenant_id, upn, lambda: service, versions=versions, by=self.by)

    def put_user(self, user_id: str, upn: str) -> None:
        user = UserWrite(upn=upn, display_name="Somebody")
        self.directory.put_user(self.tenant_id, user_id, lambda: user, versions=None, by=self.by)

    def set(self, **sections: Any) -> None:
        """Patch the settings."""
        head = self.head
        revisions = frozenset({head.settings.revision})
        self.settings.patch(head, sections, versions=revisions, by=self.by)

    def set_limit(self, limit: int) -> None:
        self.set(outbound={"maxScheduledTasksPerService": limit})

    def entry(self, **changes: Any) -> SchedulerEntryWrite:
        """A body as a flow sends it, due in an hour."""
        due = to_wire(self.clock() + timedelta(hours=1))
        body = {"serviceUpn": SERVICE, "destination": "+41791234567", "dueDateTimeUtc": due}
        return read_entry(body | changes)

    def agent(self, number: int) -> Caller:
        """A member of the service; ready for tasks once ``members.ready`` says so."""
        return Caller(self.tenant_id, f"eeeeeeee-0000-4000-8000-{number:012}", f"Agent {number}", frozenset({"Agent"}))

    def ready(self, *numbers: int) -> None:
        """These agents, and no others, could take a task."""
        self.members.ready = [Candidate(self.agent(n).oid, f"agent{n}@contoso.example") for n in numbers]

    def beat(self, *services: str) -> None:
        """What the agenda would bring about now."""
        for service in services or (SERVICE,):
            self.visits.visit(self.tenant_id, service)

    def open_gate(self, service: str = SERVICE) -> None:
        open_gate(self.outbound.gate, self.directory, self.tenant_id, service)

    def beat_without_agents(self) -> None:
        ready, self.members.ready = self.members.ready, []
        self.beat()
        self.members.ready = ready

    def fragile_answer(self, number: int, how: str, task_id: str, when: str) -> None:
        """An agent's answer taken by a process that dies before or after its write."""
        fragile = FragileTable(self.account.table("outbound"))
        dying = AgentTasks(OutboundStore(fragile), self.agents, self.directory, self.agenda, self.clock)
        fragile.fails = when
        with contextlib.suppress(StorageDown):
            getattr(dying, how)(self.tenant_id, task_id, self.agent(number))

    def submit(self, **changes: Any) -> Any:
        return self.scheduler.submit(self.head, self.entry(**changes), by=self.by, source="http")
