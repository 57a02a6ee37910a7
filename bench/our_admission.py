"""Ours, at the actors: without HTTP, token check and JSON of a request.

``read_entry``, ``Tenants.head``, ``Scheduler.submit``, then ``Entries.cancel``. For that this module imports actors of
``shared``, which benches otherwise leave alone.
"""

from __future__ import annotations

import uuid

from bench.ways import Body, upn
from shared.bootstrap.trunk import open_trunk
from shared.kernel import clock
from shared.kernel.callers import Caller
from shared.messaging.job_schedule import Agenda
from shared.outbound.admission.entries import Entries
from shared.outbound.admission.scheduler import Accepted, Scheduler
from shared.outbound.tasks.gate import Gate, open_gate
from shared.outbound.tasks.models import read_entry
from shared.outbound.tasks.refusals import Refusals
from shared.outbound.tasks.store import OutboundStore
from shared.storage.account import StorageAccount
from shared.tenants.models import ServiceWrite, TenantWrite
from shared.tenants.settings.settings import TenantSettings


class OurTenant:
    """A new tenant with its services, and the limit as set by its admin."""

    def __init__(self, connection: str, *, services: int, limit: int) -> None:
        self.id = str(uuid.uuid4())
        self.by = Caller(self.id, str(uuid.uuid4()), "bench", frozenset({"TenantAdmin"}))
        self.account = StorageAccount(connection, None, "")
        self.account.prepare()
        self.trunk = open_trunk(self.account, [("bench", bytes(32))], clock.now, Gate(self.account.table("outbound")))
        tenant = TenantWrite(display_name="Contoso", products=["ContactCenter"])
        self.trunk.tenants.put(self.id, lambda: tenant, versions=None, by=self.by)
        head = self.trunk.tenants.head(self.id)
        settings = TenantSettings(self.trunk.heads, self.trunk.secrets, self.trunk.licences, (), (), clock.now)
        patch = {"outbound": {"maxScheduledTasksPerService": limit}}
        settings.patch(head, patch, versions=frozenset({head.settings.revision}), by=self.by)
        service = ServiceWrite(
            display_name="Desk", licence="ContactCenter", outbound_enabled=True, pstn_number="+41445550100"
        )
        for number in range(services):
            self.trunk.directory.put_service(self.id, upn(number), lambda: service, versions=None, by=self.by)


class OurAdmission:
    """On tables that are there already."""

    def __init__(self, tenant: OurTenant, outbound: str, journal: str, agenda: str) -> None:
        self._tenant_id, self._by, self._tenants = tenant.id, tenant.by, tenant.trunk.tenants
        table, directory = tenant.account.table, tenant.trunk.directory
        self._directory = directory
        self._store = OutboundStore(table(outbound))
        plans = Agenda(table(agenda), {}, clock.now)
        self._scheduler = Scheduler(self._store, directory, Refusals(table(journal), clock.now), plans, clock.now)
        self._entries = Entries(self._store, directory, plans, clock.now)

    def open_gate(self, number: int) -> None:
        """So that no admission measured is the first one of its service."""
        open_gate(self._store.gate, self._directory, self._tenant_id, upn(number))

    def admit(self, body: Body) -> str | None:
        entry = read_entry(dict(body))
        outcome = self._scheduler.submit(self._tenants.head(self._tenant_id), entry, by=self._by, source="http")
        return outcome.entry.task_id if isinstance(outcome, Accepted) else None

    def release(self, held: str) -> None:
        self._entries.cancel(self._tenant_id, held, by=self._by)
