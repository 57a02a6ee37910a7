"""What core tests share: a tenant, its service, a clock, a reader of presence that remembers."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.bootstrap import open_trunk
from shared.callers import Caller
from shared.clock import to_wire
from shared.errors import AppError
from shared.outbound.intake import Intake
from shared.outbound.models import SchedulerEntryWrite, read_entry
from shared.outbound.refusals import Refusals
from shared.outbound.scheduler import Scheduler
from shared.outbound.store import OutboundStore
from shared.poison import Poison
from shared.presence.accounts import Source
from shared.presence.poller import Poller
from shared.presence.store import PresenceStore
from shared.presence.views import Presences
from shared.storage.account import QUEUES, StorageAccount
from shared.tenants.models import ServiceWrite, TenantWrite, UserWrite
from shared.tenants.tenant_settings import TenantSettings
from shared.tenants.tenants import Head
from shared.wire import parse

ADMIN = "aaaaaaaa-0000-4000-8000-000000000001"
SERVICE = "desk@contoso.example"
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


class World:
    """One tenant on real storage."""

    def __init__(self, account: StorageAccount, clock: FakeClock, tenant_id: str) -> None:
        self.account = account
        self.clock = clock
        self.tenant_id = tenant_id
        self.by = Caller(tenant_id, ADMIN, "Admin", frozenset({"TenantAdmin"}))
        self.outbound = OutboundStore(account.table("outbound"))
        trunk = open_trunk(
            account, [OLD_KEY], clock, lambda tenant, service: bool(self.outbound.slots(tenant, service))
        )
        self.secrets, self.widget_keys, self.licences = trunk.secrets, trunk.widget_keys, trunk.licences
        self.tenants, self.directory = trunk.tenants, trunk.directory
        suffixes = (".communication.azure.com",)
        self.settings = TenantSettings(trunk.heads, trunk.secrets, trunk.licences, suffixes, [], clock)
        self.refusals = Refusals(account.table("journal"), clock)
        self.scheduler = Scheduler(self.outbound, self.directory, self.refusals, clock)
        queues = {name: account.queue(name) for name in QUEUES}
        self.poison = Poison(account.table("journal"), self.tenants, queues, clock)
        self.intake = Intake(self.scheduler, self.tenants, self.refusals, self.poison)
        self.reader = FakeReader()
        self.presence = PresenceStore(account.table("presence"))
        self.slept: list[float] = []
        self.poller = Poller(
            self.presence,
            self.tenants,
            self.directory,
            self.reader,
            account.queue("presence-polls"),
            clock,
            self.slept.append,
        )
        self.presences = Presences(self.presence, self.directory, clock, timedelta(seconds=30))
        tenant = TenantWrite(display_name="Contoso", products=["ContactCenter", "AdvancedRouting"])
        self.tenants.put(tenant_id, lambda: tenant, versions=None, by=self.by)
        self.put_service(SERVICE)

    @property
    def head(self) -> Head:
        return self.tenants.head(self.tenant_id)

    def put_service(self, upn: str, **changes: Any) -> None:
        wanted = {
            "displayName": "Desk",
            "licence": "ContactCenter",
            "outboundEnabled": True,
            "pstnNumber": "+41445550100",
        }
        service = parse(ServiceWrite, wanted | changes)
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

    def submit(self, **changes: Any) -> Any:
        return self.scheduler.submit(self.head, self.entry(**changes), by=self.by, source="http")
