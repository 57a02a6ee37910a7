"""A resource of ACS that remembers its users, and the check of connection strings around it."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from threading import Condition, Event
from typing import Literal

from shared.interact.acs.connection_check import AcsChecks, CheckResult, Section
from shared.interact.acs.leftover_users import PARTITION
from shared.kernel.acs_connection_string import ConnectionString
from shared.kernel.clouds import CLOUDS
from shared.kernel.errors import Denied, StorageDown, Unreachable
from shared.storage.account import StorageAccount
from shared.storage.entities import Row
from shared.storage.secrets import SecretBox
from shared.storage.tables import Table
from tests.core.world import FakeClock

SUFFIXES = CLOUDS["public"].acs_suffixes
HOST = "contoso.communication.azure.com"
KEY = base64.b64encode(bytes(range(64))).decode()
GOOD = f"endpoint=https://{HOST}/;accesskey={KEY}"
FOREIGN = f"endpoint=https://evil.example/;accesskey={KEY}"
TOKEN = "eyJ0b2tlbg.very.secret"
BOX = SecretBox([("k1", bytes(32))])
SHORT = 1.0  # seconds: enough for a row to be written, for a check that has to wait for the end of its time

Step = Literal["create", "issue", "delete"]
STEPS: tuple[Step, ...] = ("create", "issue", "delete")


class FakeIdentities:
    """A resource that remembers its users. Each step may fail, or wait for an event before it goes on."""

    def __init__(self) -> None:
        self.users: set[str] = set()
        self.key = KEY
        self.deletions = 0
        self.tokens: list[tuple[Sequence[str], timedelta]] = []
        self.timeouts: list[float] = []
        self.fails: dict[Step, Exception] = {}
        self.hangs: dict[Step, Event] = {}
        self._changed = Condition()

    def create_user(self, connection: ConnectionString, timeout: float) -> str:
        self._begin("create", timeout)
        user = f"8:acs:{uuid.uuid4()}"
        with self._changed:
            self.users.add(user)
        return user

    def issue_token(
        self,
        connection: ConnectionString,
        user_id: str,
        scopes: Sequence[str],
        lifetime: timedelta,
        timeout: float,
    ) -> tuple[str, datetime]:
        self._begin("issue", timeout)
        assert user_id in self.users
        self.tokens.append((scopes, lifetime))
        return TOKEN, datetime.fromisoformat("2026-03-01T13:00:00Z")

    def delete_user(self, connection: ConnectionString, user_id: str, timeout: float) -> None:
        assert connection.host == HOST
        self._begin("delete", timeout)
        if connection.access_key != self.key:
            raise Denied("another key", reason="Denied")
        with self._changed:
            self.users.discard(user_id)
            self.deletions += 1
            self._changed.notify_all()

    def wait_until_deleted(self) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.deletions > 0, 10)

    def _begin(self, step: Step, timeout: float) -> None:
        self.timeouts.append(timeout)
        if step in self.hangs:
            assert self.hangs[step].wait(10)
        if step in self.fails:
            raise self.fails[step]


class DeadTable(Table):
    """A table of a storage that does not answer."""

    def __init__(self) -> None:
        pass

    def insert(self, row: Row) -> str:
        raise StorageDown("nobody there")


class AcsWorld:
    """One tenant, the resource, and rows of nobody else: the partition of leftovers is one for all tenants."""

    def __init__(self, account: StorageAccount, clock: FakeClock) -> None:
        self.clock = clock
        self.tenant = str(uuid.uuid4())
        self.identities = FakeIdentities()
        self.stored: list[ConnectionString] = []
        self.table = account.table("system")
        self._limits = account.table("journal")
        self.clear()

    def clear(self) -> None:
        self.table.remove_blindly(self.rows())

    def rows(self) -> list[Row]:
        return list(self.table.span(PARTITION, "0", ":"))

    def checks(self, *, total: float = 10, box: SecretBox = BOX, table: Table | None = None) -> AcsChecks:
        """An instance of its own."""
        return AcsChecks(self.identities, table or self.table, box, self, self.clock, self._limits, total=total)

    def of(self, tenant_id: str) -> Iterator[ConnectionString]:
        """The strings the tenant has stored."""
        assert tenant_id == self.tenant
        return iter(self.stored)

    def check(self, text: str = GOOD, section: Section = "interact") -> CheckResult:
        return self.checks().check(self.tenant, section, text, SUFFIXES)

    def left_behind(self, box: SecretBox = BOX) -> None:
        """A user whose check could not delete it, due for a sweep."""
        self.identities.fails["delete"] = Unreachable("silence")
        self.checks(box=box).check(self.tenant, "interact", GOOD, SUFFIXES)
        self.identities.fails.clear()
        self.clock.move(minutes=2)
