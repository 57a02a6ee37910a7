"""Admissions a second on a real Azurite, ours against ``bench/bare_admission.py``.

Ours is measured at the actors, so without HTTP, token check and JSON of a request: ``read_entry``,
``Tenants.head``, ``Scheduler.submit``, then ``Scheduler.cancel``. For that this module imports actors of
``shared``, which benches otherwise leave alone. Every round works on tables of its own, so that finished
entries of earlier rounds slow nobody down. Azurite is one Node.js process: its share of the time is the same for
both sides, and Azure's tables have another one.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from time import perf_counter
from typing import Any, Final

from bench.bare_admission import BareAdmission, open_tables
from bench.rounds import Spread, ratio, take_turns
from bench.windows import Cycle, RoundTrips, Side, Window, run
from shared import clock
from shared.bootstrap import open_trunk
from shared.callers import Caller
from shared.outbound.agenda import Agenda
from shared.outbound.entries import Entries
from shared.outbound.models import read_entry
from shared.outbound.refusals import Refusals
from shared.outbound.scheduler import Accepted, Scheduler
from shared.outbound.store import OutboundStore
from shared.storage.account import StorageAccount
from shared.tenants.models import ServiceWrite, TenantWrite
from shared.tenants.tenant_settings import TenantSettings

LIMIT: Final = 20  # unfinished tasks per service, the default of the setting
CROWD: Final = 8  # threads

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scenario:
    """``full`` measures refusals: all slots are held beforehand and stay so. ``seconds`` is a round at full length."""

    title: str
    services: int
    threads: int
    limit: int = LIMIT
    references: bool = False
    full: bool = False
    seconds: float = 1.0


SCENARIOS: Final = (
    Scenario("1 service, 1 thread", 1, 1),
    Scenario("1 service, 8 threads", 1, CROWD),
    Scenario("100 services, 1 thread", 100, 1),
    Scenario("100 services, 8 threads", 100, CROWD),
    Scenario("with a ReferenceId, 1 service, 8 threads", 1, CROWD, references=True),
    Scenario("limit 8, 1 service, 8 threads", 1, CROWD, limit=CROWD),
    Scenario("refusals of a full service, 1 thread", 1, 1, full=True, seconds=0.6),
    Scenario("refusals of a full service, 8 threads", 1, CROWD, full=True, seconds=0.6),
)
# One of each kind, for a look whether all works.
A_FEW: Final = (SCENARIOS[1], SCENARIOS[4], SCENARIOS[6])


@dataclass(frozen=True, slots=True)
class Comparison:
    """``throughput`` and ``cpu`` are ratios ours to bare; ``to_reads`` that of refusals to the reads alone."""

    scenario: Scenario
    throughput: Spread
    cpu: Spread
    to_reads: Spread | None
    ours: Side
    bare: Side


class Bench:
    """One tenant with its services, and both ways to admit a task for them."""

    def __init__(self, connection: str, scenario: Scenario) -> None:
        self._scenario = scenario
        self._account = StorageAccount(connection, None, "")
        self._account.prepare()
        self._tables = open_tables(connection)
        self._tenant_id = str(uuid.uuid4())
        self._by = Caller(self._tenant_id, str(uuid.uuid4()), "bench", frozenset({"TenantAdmin"}))
        self._trunk = open_trunk(
            self._account, [("bench", bytes(32))], clock.now, OutboundStore(self._account.table("outbound"))
        )
        self._tenants, self._directory = self._trunk.tenants, self._trunk.directory
        self._bare = BareAdmission(self._tables, self._tenant_id, scenario.limit)
        self._scheduler: Scheduler
        self._entries: Entries
        self._numbers = count()
        self._due = clock.to_wire(clock.now().replace(microsecond=0))
        self._fill_in()

    def window(self, side: str, trips: RoundTrips, seconds: float) -> Window:
        """Run one side on fresh tables for about that long."""
        outbound, journal = (f"{kind}{uuid.uuid4().hex}" for kind in ("outbound", "journal"))
        for name in (outbound, journal):
            self._tables.create_table(name)
        self._use(outbound, journal)
        cycles: dict[str, Cycle] = {
            "ours": self._ours,
            "bare": self._bare_cycle,
            "reads": partial(self._bare_cycle, note=False),
        }
        if self._scenario.full:
            self._fill_slots(ours=side == "ours")
        try:
            return run(cycles[side], trips, threads=self._scenario.threads, seconds=seconds)
        finally:
            for name in (outbound, journal):
                self._tables.delete_table(name)

    def _ours(self) -> float | None:
        body = self._body()
        began = perf_counter()
        outcome = self._submit(body)
        admitted = perf_counter() - began
        if isinstance(outcome, Accepted) == self._scenario.full:
            return None
        if isinstance(outcome, Accepted):
            self._entries.cancel(self._tenant_id, outcome.entry.task_id, by=self._by)
        return admitted

    def _bare_cycle(self, *, note: bool = True) -> float | None:
        body = self._body()
        began = perf_counter()
        held = self._bare.admit(body, note=note)
        admitted = perf_counter() - began
        if (held is not None) == self._scenario.full:
            return None
        if held is not None:
            self._bare.release(held)
        return admitted

    def _submit(self, body: Body) -> Any:
        entry = read_entry(body)
        return self._scheduler.submit(self._tenants.head(self._tenant_id), entry, by=self._by, source="http")

    def _body(self) -> Body:
        """What a flow sends: about 500 bytes."""
        number = next(self._numbers)
        customer = {
            "firstName": "Rosa",
            "lastName": "Keller",
            "company": "Contoso",
            "city": "Bern",
            "email": "r@x.example",
        }
        parameters = [{"name": "caseNumber", "value": f"CAS-{number:08}"}, {"name": "language", "value": "de-CH"}]
        body = {
            "dueDateTimeUtc": self._due,
            "serviceUpn": _upn(number % self._scenario.services),
            "destination": "+41791234567",
            "customCallContextParameters": parameters,
            "customer": customer,
        }
        return body | ({"ReferenceId": str(uuid.uuid4())} if self._scenario.references else {})

    def _use(self, outbound: str, journal: str) -> None:
        self._bare.use(outbound, journal)
        refusals = Refusals(self._account.table(journal), clock.now)
        store = OutboundStore(self._account.table(outbound))
        agenda = Agenda(self._account.table("agenda"), {}, clock.now)
        self._scheduler = Scheduler(store, self._directory, refusals, agenda, clock.now)
        self._entries = Entries(store, self._directory, agenda, clock.now)

    def _fill_slots(self, *, ours: bool) -> None:
        for _ in range(self._scenario.limit):
            _ = self._submit(self._body()) if ours else self._bare.admit(self._body())

    def _fill_in(self) -> None:
        tenant = TenantWrite(display_name="Contoso", products=["ContactCenter"])
        self._tenants.put(self._tenant_id, lambda: tenant, versions=None, by=self._by)
        if self._scenario.limit != LIMIT:
            patch = {"outbound": {"maxScheduledTasksPerService": self._scenario.limit}}
            head = self._tenants.head(self._tenant_id)
            settings = TenantSettings(self._trunk.heads, self._trunk.secrets, self._trunk.licences, (), (), clock.now)
            settings.patch(head, patch, versions=frozenset({head.settings.revision}), by=self._by)
        service = ServiceWrite(
            display_name="Desk", licence="ContactCenter", outbound_enabled=True, pstn_number="+41445550100"
        )
        for number in range(self._scenario.services):
            self._directory.put_service(self._tenant_id, _upn(number), lambda: service, versions=None, by=self._by)


def measure(connection: str, scenarios: Sequence[Scenario], *, rounds: int, length: float) -> list[Comparison]:
    """Every scenario. ``length`` (1: full) scales how long a side runs in a round."""
    with RoundTrips().counting() as trips:
        return [_compare(connection, scenario, trips, rounds, length) for scenario in scenarios]


def _compare(connection: str, scenario: Scenario, trips: RoundTrips, rounds: int, length: float) -> Comparison:
    bench = Bench(connection, scenario)
    names = ("ours", "bare", "reads") if scenario.full else ("ours", "bare")
    taken = take_turns(
        {name: partial(bench.window, name, trips, scenario.seconds * length) for name in names},
        rounds=rounds,
        title=scenario.title,
    )
    speed = {name: [window.per_second for window in windows] for name, windows in taken.items()}
    cpu = {name: [window.cpu for window in windows] for name, windows in taken.items()}
    return Comparison(
        scenario,
        throughput=ratio(speed["ours"], speed["bare"]),
        cpu=ratio(cpu["ours"], cpu["bare"]),
        to_reads=ratio(speed["ours"], speed["reads"]) if scenario.full else None,
        ours=Side.of(taken["ours"]),
        bare=Side.of(taken["bare"]),
    )


def _upn(number: int) -> str:
    return f"desk{number}@contoso.example"
