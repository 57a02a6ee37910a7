"""One tenant at the simulated Microsoft and in our storage, with the real clients between the two."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from shared.app_settings.config import PresenceAccount
from shared.clients.entra.sign_in import SignIns
from shared.clients.graph.graph import Graph
from shared.clients.graph.presence import PresenceReader
from shared.http.gateway import open_session
from shared.kernel.clock import to_wire
from shared.kernel.clouds import CLOUDS
from shared.presence.account_health import Accounts
from shared.presence.guest_accounts.token_cache import TokenShelf
from shared.presence.polling.fallback_reader import Reader
from shared.presence.polling.poller import Poller
from shared.presence.store import PresenceStore
from shared.presence.views import Presence
from tests.core.world import FakeClock, World
from tests.simulator.cloud_client import NIMBUS_APP, NIMBUS_SECRET, CloudClient

INTERVAL = 30  # seconds between two ticks
READ_TIMEOUT = 0.4  # seconds; in production some more
SCOPES = ["Presence.Read.All", "User.Read", "User.ReadBasic.All"]
ONE, TWO = "presence1@nimbus.example", "presence2@nimbus.example"
READ = "/v1.0/communications/getPresencesByUserId"


def person(number: int) -> str:
    return f"aaaaaaaa-0000-4000-8000-{number:012}"


ANA, BEN = person(1), person(2)


class PresenceCloud:
    """Tracking is on, both accounts are guests, Ana is available and Ben in a call."""

    def __init__(self, world: World, cloud: CloudClient, reader: PresenceReader) -> None:
        self.world = world
        self.cloud = cloud
        self.reader = reader
        self.told: dict[str, Any] = {
            "users": [{"id": user, "userPrincipalName": f"{user[-2:]}@contoso.example"} for user in (ANA, BEN)],
            "guests": [ONE, TWO],
            "consents": [{"clientId": NIMBUS_APP, "scopes": SCOPES}],
            "grants": [{"clientId": NIMBUS_APP, "roles": ["Presence.Read.All"]}],
        }
        self.tell()
        self.say(ANA, "Available", "Available")
        self.say(BEN, "Busy", "InACall")
        for user in (ANA, BEN):
            world.put_user(user, f"{user[-2:]}@contoso.example")
        world.set(presenceTracking={"trackOverGuestAccounts": True})
        self.poller = self.another()

    def another(
        self, clock: FakeClock | None = None, store: PresenceStore | None = None, reader: Reader | None = None
    ) -> Poller:
        """One more instance, with a clock, a storage or a reader of its own."""
        world = self.world
        return Poller(
            store or world.presence,
            world.tenants,
            world.directory,
            reader or self.reader,
            world.polls,
            timedelta(seconds=INTERVAL),
            clock or world.clock,
        )

    def tell(self, **changes: Any) -> None:
        """Change what Microsoft knows of the tenant."""
        self.told |= changes
        self.cloud.control("PUT", f"tenants/{self.world.tenant_id}", self.told)

    def say(self, user: str, availability: str, activity: str) -> None:
        presence = {user: {"availability": availability, "activity": activity}}
        self.cloud.control("PUT", f"presence/{self.world.tenant_id}", presence)

    def fault(self, **fault: Any) -> None:
        """At Graph's presence call, unless it says otherwise."""
        self.cloud.control("POST", "faults", {"host": "graph.microsoft.com", "pathPrefix": READ, **fault})

    def heal(self) -> None:
        self.cloud.control("DELETE", "faults")

    def tick(self, **moved: float) -> bool:
        """Move the clock by one interval, or as told, and poll."""
        self.world.clock.move(**(moved or {"seconds": INTERVAL}))
        return self.poller.poll(self.world.tenant_id, to_wire(self.world.clock()))

    def rest(self) -> list[float]:
        """Poll what was left for later, at its time; gives the pauses in seconds."""
        left = self.world.polls.take()
        for message, pause in left:
            self.world.clock.move(seconds=pause)
            assert self.poller.poll(message["tenantId"], message["tick"], message["part"], rest=message["rest"])
        return [pause for _, pause in left]

    def reads(self) -> list[tuple[str, int]]:
        """Who asked Graph for presence since the last look, and the status it got (0: no answer)."""
        rows = self.cloud.control("GET", "requests")
        self.cloud.control("DELETE", "requests")
        return [(str(row["account"]).partition("@")[0], row["status"]) for row in rows if row["path"] == READ]

    def seen(self, user: str) -> Presence:
        return self.world.presences.of_user(self.world.tenant_id, user)

    def accounts(self) -> Accounts:
        return self.world.presence.accounts(self.world.tenant_id).accounts


@contextmanager
def presence_cloud(world: World, cloud: CloudClient) -> Iterator[PresenceCloud]:
    accounts = (
        PresenceAccount(ONE, None, "local-presence1-password"),
        PresenceAccount(TWO, None, "local-presence2-password"),
    )
    with open_session(cloud.gateway, read_timeout=READ_TIMEOUT) as session:
        shelf = TokenShelf(world.account.table("signins"), world.secrets, world.clock)
        sign_ins = SignIns(session, CLOUDS["public"], NIMBUS_APP, NIMBUS_SECRET, world.clock, shelf)
        yield PresenceCloud(world, cloud, PresenceReader(sign_ins, Graph(session, CLOUDS["public"]), accounts))
