"""Sessions of one tenant on real storage, with an ACS and a Graph that remember what was made and what is left."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from shared.interact.acs.connection_strings import CurrentStrings
from shared.interact.sessions.cleanup import PARTITION, SessionEnds
from shared.interact.sessions.sessions import EventWrite, Sessions, SessionStarted, SessionState, SessionWrite
from shared.interact.sessions.start import Identities, SessionStart
from shared.interact.sessions.store import HeldSession, SessionStore
from shared.kernel.acs_connection_string import ConnectionString
from shared.kernel.errors import Denied
from shared.kernel.wire import parse
from shared.storage.entities import Row
from shared.storage.tables import Table
from shared.tenants.models import TenantWrite, UserWrite
from tests.core.world import CONTOSO_STRING, SERVICE, FakeClock, World

ORGANIZER = "aaaaaaaa-0000-4000-8000-000000000012"
AGENT = "agent@contoso.example"
TOKEN = "eyJ0b2tlbg.very.secret"
SUFFIXES = (".communication.azure.com",)

Step = Literal["user", "token", "delete user", "meeting", "delete meeting"]


@dataclass(frozen=True)
class FakeMeeting:
    meeting_id: str
    join_url: str = "https://teams.microsoft.com/l/meetup-join/x"


class FakeOutside:
    """ACS and Graph. ACS takes any access key, or ``key`` alone. ``fails`` holds the error a step raises;
    ``meanwhile`` runs once, within the next step.
    """

    app_id = "a0000000-0000-4000-8000-000000000002"

    def __init__(self, clock: FakeClock) -> None:
        self.users: set[str] = set()
        self.meetings: set[str] = set()
        self.made = 0
        self.key: str | None = None
        self.fails: dict[Step, Exception] = {}
        self.meanwhile: dict[Step, Callable[[], None]] = {}
        self._clock = clock

    def create_user_with_token(
        self, connection: ConnectionString, scopes: object, lifetime: timedelta, timeout: float
    ) -> tuple[str, str, datetime]:
        self._begin("user", connection)
        assert scopes == ("voip.join", "chat.join.limited")
        user = f"8:acs:{uuid.uuid4()}"
        self.users.add(user)
        self.made += 1
        return user, TOKEN, self._clock() + lifetime

    def issue_token(
        self, connection: ConnectionString, user_id: str, scopes: object, lifetime: timedelta, timeout: float
    ) -> tuple[str, datetime]:
        self._begin("token", connection)
        assert user_id in self.users
        assert scopes == ("voip.join", "chat.join.limited")
        return TOKEN, self._clock() + lifetime

    def delete_user(self, connection: ConnectionString, user_id: str, timeout: float) -> None:
        self._begin("delete user", connection)
        self.users.discard(user_id)

    def create(self, tenant_id: str, organizer: str, subject: str, starts: datetime, ends: datetime) -> FakeMeeting:
        self._begin("meeting")
        assert organizer == ORGANIZER
        meeting = FakeMeeting(str(uuid.uuid4()))
        self.meetings.add(meeting.meeting_id)
        return meeting

    def delete(self, tenant_id: str, organizer: str, meeting_id: str) -> None:
        self._begin("delete meeting")
        self.meetings.discard(meeting_id)

    def _begin(self, step: Step, connection: ConnectionString | None = None) -> None:
        self.meanwhile.pop(step, lambda: None)()
        if connection and self.key not in (None, connection.access_key):
            raise Denied("another key", reason="Denied")
        if step in self.fails:
            raise self.fails[step]


class SessionWorld:
    """One tenant with Interact set up. The partition of ends is one for all tenants, so it is emptied first."""

    def __init__(self, world: World, *, recovery: int = 20) -> None:
        self.world, self.clock = world, world.clock
        self.tenant = world.tenant_id
        self.outside = FakeOutside(world.clock)
        self.table, self.index = world.account.table("sessions"), world.account.table("system")
        self.index.remove_blindly(self.entries())
        tenant = TenantWrite(display_name="Shop", products=["ContactCenter", "Interact"])
        versions = frozenset({world.head.tenant.revision})
        world.tenants.put(self.tenant, lambda: tenant, versions=versions, by=world.by)
        user = UserWrite(upn=AGENT, display_name="Ann", licences=["Interact"])
        world.directory.put_user(self.tenant, str(uuid.uuid4()), lambda: user, versions=None, by=world.by)
        world.set(
            interact={
                "enabled": True,
                "acsConnectionString": CONTOSO_STRING,
                "o365UserId": ORGANIZER,
                "sessionRecoveryTimeoutSeconds": recovery,
            }
        )
        self.head = world.head
        self.ends, self.sessions = self.instance()

    def instance(
        self, table: Table | None = None, clock: FakeClock | None = None, outside: Any = None, total: float = 15
    ) -> tuple[SessionEnds, Sessions]:
        """Another instance of the app, maybe with a clock of its own. ``total`` seconds are for a start."""
        clock, outside = clock or self.clock, outside or self.outside
        identities: Identities = outside
        store = SessionStore(table or self.table)
        strings = self.strings = CurrentStrings(self.world.tenants, self.world.settings, SUFFIXES)
        ends = SessionEnds(self.index, store, self.world.secrets, identities, strings, clock)
        start = SessionStart(self.world.settings, SUFFIXES, identities, outside, ends, strings, clock, total=total)
        return ends, Sessions(store, start, ends, self.world.directory, clock)

    def start(self, conversation: str = "direct", sessions: Sessions | None = None, **more: Any) -> SessionStarted:
        target = AGENT if conversation == "direct" else SERVICE
        wanted = parse(SessionWrite, {"conversation": conversation, "target": target} | more)
        return (sessions or self.sessions).start(self.head, wanted)

    def held(self, session: SessionState) -> HeldSession:
        return self.sessions.of_tenant(self.tenant, session.session_id)

    def say(
        self, session: SessionStarted, event: str, sessions: Sessions | None = None, at: str | None = None
    ) -> SessionState:
        """What page or back end tell, each through the call that is theirs."""
        told = parse(EventWrite, {"type": event} | ({"at": at} if at else {}))
        actor = sessions or self.sessions
        held = actor.of_tenant(self.tenant, session.session_id)
        if event.startswith("agent"):
            return actor.agent_event(held, told)
        return actor.customer_event(self.head, held, session.session_secret, told)

    def state(self, session: SessionState) -> str:
        return self.sessions.state(self.held(session)).state

    def rows(self) -> list[Row]:
        return list(self.table.span(self.tenant, "", "~"))

    def entries(self) -> list[Row]:
        return list(self.index.span(PARTITION, "0", ":"))

    def nothing_is_left(self) -> bool:
        return not (self.outside.users or self.outside.meetings or self.rows() or self.entries())
