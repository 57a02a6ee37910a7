"""What a tenant's directory says of our guests and of its grants."""

from __future__ import annotations

import pytest
import requests

from shared.app_settings.config import PresenceAccount
from shared.clients.entra.sign_in import SignIns
from shared.clients.graph.grants import Grants
from shared.clients.graph.graph import Graph
from shared.clients.graph.guest_status import GuestStatus, TenantFacts
from shared.kernel.components import RESOURCE_CLIENT_IDS
from tests.clients.fake_cloud import CLOUD, TENANT, Answer, FakeCloud, FakeEntra, TurnedClock
from tests.clients.memory_shelf import MemoryShelf

ROOT = "/graph.microsoft.com/v1.0"
CLIENT, GRAPH = "a0000000-0000-4000-8000-000000000002", RESOURCE_CLIENT_IDS["Microsoft Graph"]
OURS, GRAPHS, OTHERS = (f"bbbbbbbb-0000-4000-8000-{number:012}" for number in range(3))
ONE = PresenceAccount("presence1@nimbus.example", "rt-1", None)
TWO = PresenceAccount("presence2@nimbus.example", None, "pass word 2")


@pytest.fixture
def facts(session: requests.Session, entra: FakeEntra, clock: TurnedClock) -> TenantFacts:
    sign_ins = SignIns(session, CLOUD, CLIENT, "app-secret", clock, MemoryShelf())
    return TenantFacts(sign_ins, Graph(session, CLOUD, clock), Grants(session, CLOUD, clock), CLIENT, (ONE, TWO))


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Answer(body={"value": [{"id": OURS, "externalUserState": "Accepted"}]}), "Accepted"),
        (Answer(body={"value": [{"id": OURS, "externalUserState": "PendingAcceptance"}]}), "Pending"),
        (Answer(body={"value": []}), "NotInvited"),
        (Answer(403), "Unknown"),
    ],
)
def test_an_invitation_counts_once_it_is_accepted(
    cloud: FakeCloud, facts: TenantFacts, answer: Answer, status: GuestStatus
) -> None:
    cloud.on(f"{ROOT}/users", answer)
    assert facts.guest_status(TENANT, ONE.upn) == status


def test_only_grants_of_microsoft_graph_count(cloud: FakeCloud, facts: TenantFacts) -> None:
    apps = [{"id": OURS, "appId": CLIENT}, {"id": GRAPHS, "appId": GRAPH}]
    grants = [
        {"id": "1", "resourceId": GRAPHS, "scope": "User.Read"},
        {"id": "2", "resourceId": OTHERS, "scope": "Presence.Read.All User.ReadBasic.All"},
    ]
    cloud.on(f"{ROOT}/servicePrincipals", Answer(body={"value": apps}))
    cloud.on(f"{ROOT}/oauth2PermissionGrants", Answer(body={"value": grants}))
    assert facts.delegated_grants(TENANT) == frozenset({"User.Read"})


@pytest.mark.parametrize(("code", "granted"), [(65001, frozenset()), (90094, frozenset()), (50076, None)])
def test_where_grants_cannot_be_read_a_sign_in_tells_and_only_a_refusal_for_want_of_consent_counts(
    cloud: FakeCloud, entra: FakeEntra, facts: TenantFacts, code: int, granted: frozenset[str] | None
) -> None:
    cloud.on(f"{ROOT}/servicePrincipals", Answer(403))
    for account in (ONE, TWO):
        entra.refusals[account.upn] = entra.refuse(code)
    assert facts.delegated_grants(TENANT) == granted
