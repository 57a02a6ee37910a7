"""Polls 100,000 users in 50 tenants of very different sizes, and one tenant of them in two other ways.

The polls come through the real queue and go to the simulated Graph with the real clients; as many run at once as
host.json allows. Operations are HTTP requests, counted by proxies in front of Azurite's tables and queues.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from time import perf_counter, process_time
from typing import Any, Final

import requests
from azure.storage.queue import QueueClient

from bench.bare_presence import AllRows, OneByOne
from bench.counting_proxy import CountingProxy, counting_proxy
from bench.rounds import Spread, say, take_turns
from bench.stack import Stack
from shared.app_settings.config import Config
from shared.bootstrap.trunk import open_trunk
from shared.clients.entra.sign_in import SignIns
from shared.clients.graph.graph import Graph
from shared.clients.graph.presence import PresenceReader
from shared.http.gateway import open_session
from shared.kernel import clock
from shared.kernel.callers import Caller
from shared.kernel.clock import to_wire
from shared.outbound.tasks.gate import Gate
from shared.presence.blocks import IDS_PER_BLOCK
from shared.presence.guest_accounts.token_cache import TokenShelf
from shared.presence.polling.fallback_reader import Reader
from shared.presence.polling.poller import Poller
from shared.presence.store import PresenceStore
from shared.storage.account import StorageAccount
from shared.storage.entities import Insert, Row
from shared.storage.queues import Queue
from shared.tenants.models import TenantWrite

# 50 tenants with 100,000 users: the sizes differ as those of customers do.
SIZES: Final = (12_000, *[8_000] * 4, *[2_000] * 25, *[300] * 20)
A_FEW: Final = (1_400, 700, 50)
AT_ONCE: Final = 8  # host.json: batchSize and newBatchThreshold
CHANGED: Final = 0.02
SIDE: Final = 2_000  # users of the tenant that is polled in three ways
QUEUE: Final = "presence-polls"
INTERVAL: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Poll:
    """One poll of all tenants."""

    title: str
    seconds: float
    cpu: float
    calls: int
    tables: Counter[str]
    queue: int
    budget: int


@dataclass(frozen=True, slots=True)
class Way:
    """One way to poll a tenant of ``side`` users, per round; CPU seconds per 1,000 users of this process."""

    title: str
    calls: int
    seconds: Spread
    operations: int
    cpu: Spread


@dataclass(frozen=True, slots=True)
class Polls:
    """``worst`` is the greatest share of its budget of table operations that a tenant took in a steady poll.

    ``side`` is the number of users of the tenant that was polled in several ways.
    """

    users: int
    tenants: int
    calls_needed: int
    polls: list[Poll]
    worst: float
    side: int
    ways: list[Way]


def measure(stack: Stack, sizes: Sequence[int] = SIZES, *, rounds: int) -> Polls:
    with ExitStack() as held:
        tables = held.enter_context(counting_proxy(stack.connection))
        queues = held.enter_context(counting_proxy(tables.connection, "QueueEndpoint"))
        bench = _Bench(stack, tables, queues)
        held.enter_context(bench.session)
        tenants = bench.onboard(sizes)
        polls = [bench.poll_all("first", tenants, changed=0)]
        bench.change(tenants)
        polls.append(bench.poll_all("steady, 2 % changed", tenants, changed=CHANGED))
        worst = max(bench.shares(tenants))
        side = next((tenant for tenant, users in tenants.items() if len(users) == SIDE), next(iter(tenants)))
        ways = bench.ways(side, tenants[side], rounds)
    needed = sum(-(-size // IDS_PER_BLOCK) for size in sizes)
    return Polls(sum(sizes), len(sizes), needed, polls, worst, len(tenants[side]), ways)


class _AtOnce(Queue):
    """A queue without delays: what is measured is the work, not the pauses between the tenants."""

    def __init__(self, inner: Queue) -> None:
        self.__dict__.update(inner.__dict__)

    def send(self, message: Mapping[str, object], *, delay: timedelta = timedelta(0)) -> None:  # noqa: ARG002 - left out
        super().send(message)


class _Bench:
    """The actors of a poll on counted storage."""

    def __init__(self, stack: Stack, tables: CountingProxy, queues: CountingProxy) -> None:
        self._simulator = f"{stack.simulator}/_simulator"
        self._tables, self._queues = tables, queues
        self.config = config = Config.from_env({**stack.environ, "AzureWebJobsStorage": queues.connection})
        self.account = StorageAccount(config.storage_connection_string, None, config.cloud.storage_suffix)
        self.account.prepare()
        self.trunk = open_trunk(self.account, config.secret_keys, clock.now, Gate(self.account.table("outbound")))
        self.session = open_session(config.gateway, connect_timeout=2.0, read_timeout=10.0)
        shelf = TokenShelf(self.account.table("signins"), self.trunk.secrets, clock.now)
        self.graph = Graph(self.session, config.cloud)
        self.sign_ins = SignIns(
            self.session, config.cloud, config.graph_client_id, config.graph_client_secret, clock.now, shelf
        )
        self.reader = PresenceReader(self.sign_ins, self.graph, config.presence_accounts)
        self.poller = self.poller_with(self.reader)

    def poller_with(self, reader: Reader) -> Poller:
        polls = _AtOnce(self.account.queue(QUEUE))
        store = PresenceStore(self.account.table("presence"))
        return Poller(store, self.trunk.tenants, self.trunk.directory, reader, polls, INTERVAL, clock.now)

    def onboard(self, sizes: Sequence[int]) -> dict[str, list[str]]:
        """Ids of users by tenant, each tenant tracked over the guest accounts."""
        tenants: dict[str, list[str]] = {}
        for size in sizes:
            say(f"presence: a tenant with {size} users")
            tenant_id, users = str(uuid.uuid4()), sorted(str(uuid.uuid4()) for _ in range(size))
            by = Caller(tenant_id, tenant_id, "bench", frozenset({"Operator"}))
            self.trunk.tenants.put(tenant_id, _a_tenant, versions=None, by=by)
            self._track(tenant_id)
            # The generation of the seeded list is another than that of a tenant nobody has looked at.
            rows = [Row(tenant_id, f"user:{user}", {}) for user in users]
            rows.append(Row(tenant_id, "generation", {"value": "1"}))
            self.account.table("directory").transact_all([Insert(row) for row in rows])
            self._told(tenant_id)
            self._say(tenant_id, dict.fromkeys(users, ("Available", "Available")))
            tenants[tenant_id] = users
        return tenants

    def _track(self, tenant_id: str) -> None:
        row = self.trunk.heads.get(tenant_id, "head:settings")
        assert row is not None
        doc = {**row.doc, "presenceTracking": {"trackOverGuestAccounts": True}}
        self.trunk.heads.replace(Row(tenant_id, row.row, {**row.values, "doc": json.dumps(doc)}), etag=row.etag)

    def _told(self, tenant_id: str) -> None:
        scopes = ["Presence.Read.All", "User.Read", "User.ReadBasic.All"]
        body = {
            "guests": [account.upn for account in self.config.presence_accounts],
            "consents": [{"clientId": self.config.graph_client_id, "scopes": scopes}],
        }
        requests.put(f"{self._simulator}/tenants/{tenant_id}", json=body, timeout=30).raise_for_status()

    def _say(self, tenant_id: str, words: dict[str, tuple[str, str]]) -> None:
        body = {user: {"availability": one, "activity": two} for user, (one, two) in words.items()}
        requests.put(f"{self._simulator}/presence/{tenant_id}", json=body, timeout=60).raise_for_status()

    def change(self, tenants: dict[str, list[str]]) -> None:
        """2 % of each tenant's users, spread over all blocks, begin or end a call."""
        self._turn = not getattr(self, "_turn", False)
        words = ("Busy", "InACall") if self._turn else ("Available", "Available")
        for tenant_id, users in tenants.items():
            self._say(tenant_id, dict.fromkeys(users[:: round(1 / CHANGED)], words))

    def poll_all(self, title: str, tenants: dict[str, list[str]], *, changed: float) -> Poll:
        say(f"presence: {title} poll")
        self._take()
        began, cpu = perf_counter(), process_time()
        self.poller.plan()
        self._work(self.poller)
        seconds, cpu = perf_counter() - began, process_time() - cpu
        calls, tables, queue = self._take()
        needed = sum(-(-len(users) // IDS_PER_BLOCK) for users in tenants.values())
        if calls != needed:
            # Messages older than an interval and a lease are dropped, so a run too slow for this machine reads less.
            raise RuntimeError(f"the {title} poll made {calls} of {needed} Graph calls in {seconds:.0f} s")
        return Poll(title, seconds, cpu, calls, tables, queue, sum(_budget(len(u), changed) for u in tenants.values()))

    def _work(self, poller: Poller) -> None:
        """What the host does: as many messages at once as host.json says, until none is left."""
        with (
            QueueClient.from_connection_string(self._queues.connection, QUEUE) as queue,
            ThreadPoolExecutor(AT_ONCE) as pool,
        ):
            while batch := list(next(queue.receive_messages(messages_per_page=32).by_page(), ())):
                list(pool.map(partial(self._one, poller, queue), batch))

    def _one(self, poller: Poller, queue: QueueClient, message: Any) -> None:
        asked = json.loads(base64.b64decode(message.content))
        poller.poll(asked["tenantId"], asked["tick"], asked["part"], rest="rest" in asked)
        queue.delete_message(message)

    def shares(self, tenants: dict[str, list[str]]) -> Iterator[float]:
        """Table operations of a steady poll of each tenant alone, as a share of its budget."""
        self.change(tenants)
        for tenant_id, users in tenants.items():
            self._tables.take()
            tick = to_wire(clock.now())
            self.poller.poll(tenant_id, tick)
            self._work(self.poller)
            yield self._tables.take().total() / _budget(len(users), CHANGED)

    def ways(self, tenant_id: str, users: list[str], rounds: int) -> list[Way]:
        account = self.config.presence_accounts[0]
        # One GET per user meets Graph's limit of 1,500 calls in 30 s; what is compared here is the work of all of them.
        requests.put(f"{self._simulator}/limits", json={"presenceCalls": None}, timeout=30).raise_for_status()
        single = self.poller_with(OneByOne(self.sign_ins, self.graph, account))
        all_rows = AllRows(self.account.table("sessions"), self.reader)

        def poll(poller: Poller) -> None:
            if not poller.poll(tenant_id, to_wire(clock.now())):
                raise RuntimeError("a poll of the bench read nothing")
            self._work(poller)  # what a slow way leaves for later

        ways: dict[str, Callable[[], None]] = {
            "ours": partial(poll, self.poller),
            "one GET per user": partial(poll, single),
            "read all, write all": lambda: all_rows.poll(tenant_id, users),
        }
        sides = {title: partial(self._timed, tenant_id, users, act) for title, act in ways.items()}
        taken = take_turns(sides, rounds=rounds, title="presence, three ways")
        return [_way(title, rows, len(users)) for title, rows in taken.items()]

    def _timed(self, tenant_id: str, users: list[str], act: Callable[[], None]) -> tuple[float, float, int, int]:
        self.change({tenant_id: users})
        self._take()
        began, cpu = perf_counter(), process_time()
        act()
        seconds, cpu = perf_counter() - began, process_time() - cpu
        calls, tables, _ = self._take()
        return seconds, cpu, calls, tables.total()

    def _take(self) -> tuple[int, Counter[str], int]:
        """Graph calls, table operations and queue operations since the last look."""
        journal = requests.get(f"{self._simulator}/requests", {"host": "graph.microsoft.com"}, timeout=60).json()
        requests.delete(f"{self._simulator}/requests", timeout=30).raise_for_status()
        return len(journal), self._tables.take(), self._queues.take().total()


def _a_tenant() -> TenantWrite:
    return TenantWrite(display_name="Bench", products=["ContactCenter"])


def _budget(users: int, changed: float) -> int:
    """Table operations a steady poll may take: two per block, six per tenant, one per 100 changed users."""
    return 2 * -(-users // IDS_PER_BLOCK) + 6 + -(-int(users * changed) // 100)


def _way(title: str, rows: list[tuple[float, float, int, int]], users: int) -> Way:
    seconds, cpu = Spread.of([row[0] for row in rows]), Spread.of([1000 * row[1] / users for row in rows])
    return Way(title, max(row[2] for row in rows), seconds, max(row[3] for row in rows), cpu)


def report(measured: Polls) -> Iterator[str]:
    yield f"PRESENCE, {measured.users} users in {measured.tenants} tenants, {AT_ONCE} polls at once"
    yield f"  {'':24}{'seconds':<10}{'CPU s':<10}{'Graph calls':<22}{'table operations':<22}queue operations"
    for one in measured.polls:
        calls, tables = f"{one.calls} of {measured.calls_needed}", f"{one.tables.total()} of {one.budget}"
        yield f"  {one.title:<24}{one.seconds:<10.1f}{one.cpu:<10.1f}{calls:<22}{tables:<22}{one.queue}"
        yield "    " + ", ".join(f"{name} {number}" for name, number in sorted(one.tables.items()))
    late = [one.title for one in measured.polls if one.seconds > INTERVAL.total_seconds()]
    within = f"NOT within the {INTERVAL.seconds} s interval: {', '.join(late)}" if late else "all within the interval"
    yield f"  {within}"
    yield f"  a single tenant took at most {measured.worst:.0%} of its budget of table operations in a steady poll"
    yield ""
    yield f"PRESENCE, one tenant of {measured.side} users in three ways, 2 % changed before each poll"
    yield f"  {'':24}{'Graph calls':<14}{'table operations':<20}{'seconds':<22}CPU s per 1,000 users"
    for way in measured.ways:
        yield f"  {way.title:<24}{way.calls:<14}{way.operations:<20}{way.seconds.text(2):<22}{way.cpu.text(3)}"
