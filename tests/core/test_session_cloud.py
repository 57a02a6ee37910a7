"""A start through the real clients, with a fault at each step: the simulated cloud's journal tells what is left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import requests

from shared.clients.acs import AcsIdentities
from shared.clients.entra.sign_in import SignIns
from shared.clients.graph.meetings import OnlineMeetings
from shared.http.gateway import open_session
from shared.interact.sessions.cleanup import GRACE
from shared.interact.sessions.meetings import PATIENCE, MeetingCheck, MeetingChecks
from shared.interact.sessions.sessions import EventWrite, SessionStarted
from shared.interact.sessions.start import TOTAL
from shared.kernel.clock import now
from shared.kernel.clouds import CLOUDS
from shared.kernel.errors import AppError, Broken, StorageDown, Throttled, Unreachable, Upstream
from shared.presence.guest_accounts.token_cache import TokenShelf
from shared.storage.entities import Operation, Row
from shared.storage.tables import Exists, Table
from tests.core.faults import FragileTable
from tests.core.session_world import ORGANIZER, SessionWorld
from tests.core.world import World
from tests.devhost.stack import eventually
from tests.simulator.cloud_client import NIMBUS_APP, NIMBUS_SECRET, CloudClient, running

HOST = "contoso.communication.azure.com"
GRAPH = "graph.microsoft.com"
KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="


class Outside:
    """Both clients as one, as the fake of the other tests is."""

    def __init__(self, identities: AcsIdentities, meetings: OnlineMeetings) -> None:
        self._parts = (meetings, identities)

    def __getattr__(self, name: str) -> Any:
        return next(getattr(part, name) for part in self._parts if hasattr(part, name))


class CloudShop(SessionWorld):
    """A shop whose outside is the simulator."""

    def __init__(self, world: World, cloud: CloudClient) -> None:
        super().__init__(world)
        self.cloud = cloud
        cloud.control("POST", "reset")
        cloud.control("PUT", f"acs/{HOST}", {"accessKey": KEY})
        self.directory()
        self.http = open_session(cloud.gateway, read_timeout=2)
        public = CLOUDS["public"]
        shelf = TokenShelf(world.account.table("signins"), world.secrets, now)
        self.sign_ins = SignIns(self.http, public, NIMBUS_APP, NIMBUS_SECRET, now, shelf)
        self.meetings = OnlineMeetings(self.http, public, self.sign_ins, NIMBUS_APP, now)
        # Microsoft's clock cannot be turned, so this tenant lives by it, too.
        self.outside = Outside(AcsIdentities(self.http), self.meetings)  # type: ignore[assignment]
        self.ends, self.sessions = self.instance(clock=now, outside=self.outside)  # type: ignore[arg-type]

    def directory(self, **more: Any) -> None:
        told: dict[str, Any] = {
            "users": [{"id": ORGANIZER, "userPrincipalName": "organizer@contoso.example"}],
            "grants": [{"clientId": NIMBUS_APP, "roles": ["OnlineMeetings.ReadWrite.All"]}],
            "accessPolicies": [ORGANIZER],
        }
        self.cloud.control("PUT", f"tenants/{self.tenant}", told | more)

    def fault(self, host: str, **fault: Any) -> None:
        self.cloud.control("POST", "faults", {"host": host, **fault})

    def left(self, host: str) -> int:
        """What was made there and not removed, as the journal tells."""
        rows: list[dict[str, Any]] = self.cloud.control("GET", f"requests?host={host}")
        calls = [(row["method"], row["status"]) for row in rows]
        return calls.count(("POST", 201)) - calls.count(("DELETE", 204))

    def made(self, host: str) -> int:
        rows: list[dict[str, Any]] = self.cloud.control("GET", f"requests?host={host}")
        return sum((row["method"], row["status"]) == ("POST", 201) for row in rows)

    def check(self, patience: float = 15) -> MeetingCheck:
        journal = self.world.account.table("journal")
        return MeetingChecks(self.meetings, journal, now, patience=patience).check(self.head)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudClient]:
    with running(tmp_path_factory.mktemp("simulator")) as client:
        yield client


@pytest.fixture
def shop(world: World, started: CloudClient) -> Iterator[CloudShop]:
    shop = CloudShop(world, started)
    yield shop
    shop.http.close()


def test_a_start_makes_one_user_and_one_meeting_in_one_call_each(shop: CloudShop) -> None:
    session = shop.start()
    assert isinstance(session, SessionStarted)
    assert (shop.left(HOST), shop.left(GRAPH)) == (1, 1)
    assert len(shop.cloud.control("GET", f"requests?host={HOST}")) == 1
    assert len(shop.cloud.control("GET", f"requests?host={GRAPH}")) == 1


@pytest.mark.parametrize(
    ("host", "fault", "error"),
    [
        (HOST, {"drop": True}, Unreachable),
        (HOST, {"status": 401}, Upstream),
        (HOST, {"status": 403}, Upstream),
        (HOST, {"retryAfter": 9}, Throttled),
        (HOST, {"status": 500}, Broken),
        (HOST, {"status": 201, "body": "<html>"}, Broken),
        ("login.microsoftonline.com", {"aadsts": "AADSTS700016"}, Upstream),
        ("login.microsoftonline.com", {"drop": True}, Unreachable),
        (GRAPH, {"drop": True}, Unreachable),
        (GRAPH, {"status": 403}, Upstream),
        (GRAPH, {"retryAfter": 9}, Throttled),
        (GRAPH, {"status": 503}, Unreachable),
        (GRAPH, {"status": 201, "body": {"id": "x"}}, Broken),
    ],
)
def test_a_fault_at_any_step_leaves_nothing_behind(
    shop: CloudShop, host: str, fault: dict[str, Any], error: type[Exception]
) -> None:
    shop.fault(host, **fault)
    with pytest.raises(error):
        shop.start()
    assert shop.left(HOST) == (1 if (host, fault.get("status")) == (HOST, 201) else 0)  # that one only said so
    if (host, fault.get("status")) != (GRAPH, 201):
        assert shop.left(GRAPH) == 0
    assert (shop.rows(), shop.entries()) == ([], [])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"accessPolicies": {}}, "MeetingPolicyMissing"),
        ({"users": []}, "MeetingUserUnknown"),
        ({"grants": []}, "MeetingPermissionMissing"),
    ],
)
def test_a_start_that_the_tenants_set_up_does_not_allow_leaves_nothing_behind(
    shop: CloudShop, change: dict[str, Any], code: str
) -> None:
    shop.directory(**change)
    with pytest.raises(Upstream) as refused:
        shop.start()
    assert refused.value.code == code
    assert (shop.left(HOST), shop.left(GRAPH)) == (0, 0)
    assert (shop.rows(), shop.entries()) == ([], [])


@pytest.mark.parametrize("host", [HOST, GRAPH])
def test_what_is_made_after_nobody_waits_for_it_is_removed(shop: CloudShop, host: str) -> None:
    shop.check()  # signed in from now on
    already = shop.made(host)
    shop.fault(host, delayMs=900)
    _, sessions = shop.instance(clock=now, outside=shop.outside, total=0.5)  # type: ignore[arg-type]
    with pytest.raises(Unreachable):
        shop.start(sessions=sessions)
    eventually(lambda: shop.made(host) > already, "it was made")
    eventually(lambda: (shop.left(HOST), shop.left(GRAPH)) == (0, 0), "what came too late is gone")
    eventually(lambda: (shop.rows(), shop.entries()) == ([], []), "no note of it is left")


def test_a_late_user_that_cannot_be_deleted_at_once_is_deleted_by_a_sweep(shop: CloudShop) -> None:
    shop.fault(HOST, delayMs=900)
    shop.fault(HOST, pathPrefix="/identities/", status=500)
    _, sessions = shop.instance(clock=now, outside=shop.outside, total=0.5)  # type: ignore[arg-type]
    with pytest.raises(Unreachable):
        shop.start(sessions=sessions)
    (noted,) = eventually(shop.entries, "it is noted")
    eventually(lambda: len(shop.cloud.control("GET", f"requests?host={HOST}")) == 2, "its deletion was refused")
    assert shop.left(HOST) == 1
    ends, _ = shop.instance(clock=lambda: now() + GRACE, outside=shop.outside)  # type: ignore[arg-type]
    assert ends.sweep() == 1
    assert (shop.left(HOST), shop.entries()) == (0, [])
    assert noted.text("tenant") == shop.tenant


def test_a_meeting_is_listened_for_longer_than_anybody_waits_for_it(shop: CloudShop) -> None:
    waits: dict[str, float] = {}

    class Noting:
        def request(self, method: str, url: str, *, timeout: tuple[float, float], **more: Any) -> requests.Response:
            waits[method] = timeout[1]
            return shop.http.request(method, url, timeout=timeout, **more)

    sign_ins, public = shop.sign_ins, CLOUDS["public"]
    shop.meetings = OnlineMeetings(Noting(), public, sign_ins, NIMBUS_APP, now)  # type: ignore[arg-type]
    assert shop.check().ok
    assert waits["DELETE"] < max(TOTAL, PATIENCE) < waits["POST"]


def test_a_meeting_of_a_check_that_comes_too_late_is_removed(shop: CloudShop) -> None:
    shop.check()
    already = shop.made(GRAPH)
    shop.fault(GRAPH, delayMs=600)
    assert shop.check(patience=0.2).outcome == "Failed"
    eventually(lambda: shop.made(GRAPH) > already and shop.left(GRAPH) == 0, "what came too late is gone")


class Refusing(FragileTable):
    """Refuses what a start writes, and knows of no session."""

    def __init__(self, inner: Table, error: AppError) -> None:
        super().__init__(inner)
        self._error = error

    def insert(self, row: Row) -> str:
        raise self._error

    def transact(self, operations: Sequence[Operation]) -> list[str]:
        raise self._error


@pytest.mark.parametrize(
    ("table", "error"),
    [
        ("system", StorageDown("nobody there")),
        ("sessions", StorageDown("nobody there")),
        ("sessions", Exists("it is there already")),
    ],
)
def test_a_start_that_storage_does_not_take_leaves_nothing_behind(shop: CloudShop, table: str, error: AppError) -> None:
    if table == "system":
        shop.index = Refusing(shop.index, error)
    refusing = Refusing(shop.table, error) if table == "sessions" else None
    _, sessions = shop.instance(refusing, clock=now, outside=shop.outside)  # type: ignore[arg-type]
    with pytest.raises(type(error)):
        shop.start(sessions=sessions)
    assert (shop.left(HOST), shop.left(GRAPH)) == (0, 0)
    assert (shop.rows(), shop.entries()) == ([], [])


def test_a_restart_that_comes_too_late_leaves_what_the_first_one_made(shop: CloudShop) -> None:
    session = shop.start("service")
    shop.say(session, "agentLeft")
    held = shop.held(session)
    first = shop.say(session, "customerRejoined")
    told = EventWrite(type="customerRejoined")
    second = shop.sessions.customer_event(shop.head, held, session.session_secret, told)
    assert second.session_id == first.session_id
    assert (shop.left(HOST), shop.left(GRAPH)) == (2, 2)  # the old session's, until the next sweep, and the new one's
    assert shop.ends.sweep() == 1
    assert shop.left(HOST) == 1


def test_a_session_that_ends_takes_its_user_along(shop: CloudShop) -> None:
    session = shop.start()
    shop.say(session, "ended")
    assert shop.ends.sweep() == 1
    assert shop.left(HOST) == 0


def test_a_token_graph_does_not_take_any_more_is_replaced(shop: CloudShop) -> None:
    shop.start()
    shop.fault(GRAPH, status=401)
    assert shop.start().state == "Open"


@pytest.mark.parametrize(
    ("change", "outcome", "word"),
    [
        ({}, "MeetingCreated", ""),
        ({"accessPolicies": {}}, "PolicyMissing", NIMBUS_APP),
        ({"users": []}, "UserUnknown", "object id"),
        ({"grants": [{"clientId": NIMBUS_APP, "roles": ["User.Read.All"]}]}, "PermissionMissing", "OnlineMeetings"),
        ({"grants": []}, "PermissionMissing", "consent"),
    ],
)
def test_the_meeting_check_names_what_is_missing_and_its_remedy(
    shop: CloudShop, change: dict[str, Any], outcome: str, word: str
) -> None:
    shop.directory(**change)
    found = shop.check()
    assert (found.outcome, found.ok) == (outcome, outcome == "MeetingCreated")
    assert word in found.remedy
    assert shop.left(GRAPH) == 0


def test_a_permission_granted_meanwhile_works_at_once(shop: CloudShop) -> None:
    shop.directory(grants=[{"clientId": NIMBUS_APP, "roles": ["User.Read.All"]}])
    assert shop.check().outcome == "PermissionMissing"
    shop.directory()
    assert shop.check().outcome == "MeetingCreated"


@pytest.mark.parametrize(
    ("aadsts", "outcome", "word"),
    [
        ("AADSTS7000222", "Failed", "The operator of Nimbus has to renew"),
        ("AADSTS7000112", "Failed", "Enabled for users to sign in"),
        ("AADSTS53003", "Failed", "Conditional Access"),
        ("AADSTS700016", "PermissionMissing", "OnlineMeetings.ReadWrite.All"),
    ],
)
def test_a_meeting_check_whose_sign_in_is_refused_sends_to_who_can_mend_it(
    shop: CloudShop, aadsts: str, outcome: str, word: str
) -> None:
    shop.fault("login.microsoftonline.com", aadsts=aadsts)
    found = shop.check()
    assert (found.ok, found.outcome) == (False, outcome)
    assert word in found.remedy


@pytest.mark.parametrize(("fault", "outcome"), [({"status": 503}, "Failed"), ({"drop": True}, "Failed")])
def test_a_graph_in_trouble_is_no_finding_about_the_tenant(
    shop: CloudShop, fault: dict[str, Any], outcome: str
) -> None:
    shop.fault(GRAPH, **fault)
    assert shop.check().outcome == outcome
