"""Admissions a second on a real Azurite: ours, the bare equivalent, and how others keep a limit.

Every round works on tables (or an empty database) of its own, so that finished entries of earlier rounds slow nobody
down. Azurite is one Node.js process: its share of the time is the same for all ways on tables, and Azure's tables
have another one.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Final

from bench.bare_admission import BareAdmission, Surroundings, TwoInserts, open_tables
from bench.counter_row import CounterRow
from bench.locked_row import LockedRow
from bench.our_admission import OurAdmission, OurTenant
from bench.redis_semaphore import RedisSemaphore
from bench.rounds import Spread, ratio, say, take_turns
from bench.servers import POSTGRES_MISSING, REDIS_MISSING, postgres_server, redis_server
from bench.stack import Stack
from bench.ways import Bodies, Way, upn
from bench.windows import RoundTrips, Side, Window, run

LIMIT: Final = 20  # unfinished tasks per service, the default of the setting
MOST: Final = 50  # the most it can be set to
CROWD: Final = 8  # threads

OURS: Final = "ours"
BARE: Final = ("bare",)
ALL: Final = ("bare", "counter row", "Redis", "PostgreSQL", "two inserts")


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
    others: Sequence[str] = BARE


SCENARIOS: Final = (
    Scenario("1 hot service, limit 50, 8 threads", 1, CROWD, limit=MOST, seconds=3.0, others=ALL),
    Scenario("100 services, 8 threads", 100, CROWD, seconds=3.0, others=ALL),
    Scenario("1 service, 1 thread", 1, 1),
    Scenario("with a ReferenceId, 1 service, 8 threads", 1, CROWD, references=True),
    Scenario("limit 8, 1 service, 8 threads", 1, CROWD, limit=CROWD),
    Scenario("refusals of a full service, 8 threads", 1, CROWD, full=True, others=("bare", "reads")),
)
# One of each kind, for a look whether all works.
A_FEW: Final = (SCENARIOS[0], SCENARIOS[3], SCENARIOS[5])


@dataclass(frozen=True, slots=True)
class Comparison:
    """``sides`` by name, ours first; ``throughput`` and ``cpu`` are ratios of ours to each of the others."""

    scenario: Scenario
    sides: Mapping[str, Side]
    throughput: Mapping[str, Spread]
    cpu: Mapping[str, Spread]

    @property
    def give_ups(self) -> int:
        """Of ours and bare, which have none to give."""
        return sum(side.give_ups for name, side in self.sides.items() if name in (OURS, "bare", "reads"))


@dataclass(frozen=True, slots=True)
class Databases:
    """Those that are installed: Redis's port, PostgreSQL's address."""

    redis: int | None
    postgres: str | None

    def has(self, name: str) -> bool:
        return {"Redis": self.redis is not None, "PostgreSQL": self.postgres is not None}.get(name, True)


class Bench:
    """One scenario with a tenant of its own, and every way to admit a task there."""

    def __init__(self, connection: str, scenario: Scenario, databases: Databases) -> None:
        self._scenario = scenario
        self._databases = databases
        self._tables = open_tables(connection)
        self._tenant = OurTenant(connection, services=scenario.services, limit=scenario.limit)

    def window(self, name: str, trips: RoundTrips, seconds: float) -> Window:
        """Run one way from an empty start for about that long."""
        scenario = self._scenario
        bodies = Bodies(scenario.services, references=scenario.references)
        with self._way(name) as way:
            if scenario.full:
                for _ in range(scenario.limit):
                    way.admit(bodies.next())
            cycle = partial(_cycle, way, bodies, refused=scenario.full)
            return run(cycle, trips, threads=scenario.threads, seconds=seconds)

    @contextmanager
    def _way(self, name: str) -> Iterator[Way]:
        services, limit = self._scenario.services, self._scenario.limit
        if name == "Redis" and self._databases.redis is not None:
            yield RedisSemaphore(self._databases.redis, services=services, limit=limit)
        elif name == "PostgreSQL" and self._databases.postgres is not None:
            yield LockedRow(self._databases.postgres, services=services, limit=limit)
        else:
            with self._fresh_tables() as tables:
                yield self._on_tables(name, tables)

    def _on_tables(self, name: str, tables: tuple[str, str, str]) -> Way:
        limit = self._scenario.limit
        around = Surroundings(self._tables, self._tenant.id, *tables)
        ours = OurAdmission(self._tenant, *tables)
        ways: dict[str, Callable[[], Way]] = {
            OURS: lambda: ours,
            "bare": lambda: BareAdmission(around, limit),
            "reads": lambda: BareAdmission(around, limit, note=False),
            "counter row": lambda: CounterRow(around, limit),
            "two inserts": lambda: TwoInserts(around),
        }
        with ThreadPoolExecutor(CROWD) as pool:
            list(pool.map(partial(_open, around, ours), range(self._scenario.services)))
        return ways[name]()

    @contextmanager
    def _fresh_tables(self) -> Iterator[tuple[str, str, str]]:
        tail = uuid.uuid4().hex
        names = (f"outbound{tail}", f"journal{tail}", f"agenda{tail}")
        for name in names:
            self._tables.create_table(name)
        try:
            yield names
        finally:
            for name in names:
                self._tables.delete_table(name)


def measure(around: Stack, scenarios: Sequence[Scenario], *, rounds: int, length: float) -> list[Comparison]:
    """Every scenario. ``length`` (1: full) scales how long a side runs in a round."""
    with ExitStack() as held:
        log = held.enter_context((around.folder / "databases.log").open("wb"))
        databases = Databases(
            held.enter_context(redis_server(around.folder, log)),
            held.enter_context(postgres_server(around.folder, log)),
        )
        for name, missing in (("Redis", REDIS_MISSING), ("PostgreSQL", POSTGRES_MISSING)):
            if not databases.has(name):
                say(missing)
        trips = held.enter_context(RoundTrips().counting())
        return [_compare(around.connection, scenario, databases, trips, rounds, length) for scenario in scenarios]


def _compare(
    connection: str, scenario: Scenario, databases: Databases, trips: RoundTrips, rounds: int, length: float
) -> Comparison:
    bench = Bench(connection, scenario, databases)
    others = [name for name in scenario.others if databases.has(name)]
    taken = take_turns(
        {name: partial(bench.window, name, trips, scenario.seconds * length) for name in (OURS, *others)},
        rounds=rounds,
        title=scenario.title,
    )
    speed = {name: [window.per_second for window in windows] for name, windows in taken.items()}
    cpu = {name: [window.cpu for window in windows] for name, windows in taken.items()}
    return Comparison(
        scenario,
        sides={name: Side.of(windows) for name, windows in taken.items()},
        throughput={name: ratio(speed[OURS], speed[name]) for name in others},
        cpu={name: ratio(cpu[OURS], cpu[name]) for name in others},
    )


def _cycle(way: Way, bodies: Bodies, *, refused: bool) -> float | None:
    """Admit and release; None, a fault, for a refusal while there is room or the other way round."""
    body = bodies.next()
    began = perf_counter()
    held = way.admit(body)
    admitted = perf_counter() - began
    if (held is None) != refused:
        return None
    if held is not None:
        way.release(held)
    return admitted


def _open(around: Surroundings, ours: OurAdmission, number: int) -> None:
    """No admission measured is the first one of its service: gate and counter are there."""
    ours.open_gate(number)
    around.outbound.create_entity({"PartitionKey": around.partition(upn(number)), "RowKey": "counter", "used": 0})
