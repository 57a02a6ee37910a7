"""A user's token exchanged at the simulated Entra, which checks what the real one checks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from shared.clients.entra import on_behalf_of
from shared.clients.entra.on_behalf_of import OnBehalfOf
from shared.http.gateway import open_session
from shared.kernel.clock import now
from shared.kernel.clouds import CLOUDS
from shared.kernel.errors import Broken, Denied, Throttled, Unreachable
from tests.clients.fake_cloud import LOGIN, TENANT, Answer, FakeCloud, FakeEntra, TurnedClock
from tests.core.race import together
from tests.simulator.cloud_client import ALICE, API_APP, BOB, CONTOSO, CloudClient, running

SECRET = "local-api-client-secret"
CONTACTS = ["Contacts.Read"]
ACS_SCOPES = ["Teams.ManageCalls", "Teams.ManageChats"]
TOKENS = f"/{CONTOSO}/oauth2/v2.0/token"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudClient]:
    with running(tmp_path_factory.mktemp("simulator")) as client:
        yield client


@pytest.fixture
def sim(simulated: CloudClient) -> CloudClient:
    simulated.control("POST", "reset")
    consent(simulated, *CONTACTS, *ACS_SCOPES)
    return simulated


@pytest.fixture
def exchange(sim: CloudClient) -> Iterator[OnBehalfOf]:
    with open_session(sim.gateway) as session:
        yield OnBehalfOf(session, CLOUDS["public"], API_APP, SECRET, now)


def consent(sim: CloudClient, *scopes: str, **more: Any) -> None:
    consents = [{"clientId": API_APP, "scopes": list(scopes)}] if scopes else []
    sim.contoso(consents=consents, **more)


def assertion(sim: CloudClient, **wish: Any) -> str:
    return sim.token(**({"upn": "alice@contoso.example", "oid": ALICE} | wish))


def exchanges(sim: CloudClient) -> int:
    return len(sim.control("GET", f"requests?pathPrefix={TOKENS}"))


def refusal(exchange: OnBehalfOf, token: str) -> Denied:
    with pytest.raises(Denied) as refused:
        exchange.graph_token(CONTOSO, token, CONTACTS)
    return refused.value


def test_a_users_token_becomes_one_that_reads_the_users_contacts(sim: CloudClient, exchange: OnBehalfOf) -> None:
    token = exchange.graph_token(CONTOSO, assertion(sim), CONTACTS)
    headers = {"Authorization": f"Bearer {token}"}
    assert sim.http.get("https://graph.microsoft.com/v1.0/me/contacts", headers=headers, timeout=10).status_code == 200


def test_graph_and_communication_services_get_different_tokens(sim: CloudClient, exchange: OnBehalfOf) -> None:
    mine = assertion(sim)
    graph, acs = exchange.graph_token(CONTOSO, mine, CONTACTS), exchange.acs_token(CONTOSO, mine)
    assert graph != acs
    headers = {"Authorization": f"Bearer {acs}"}
    assert sim.http.get("https://graph.microsoft.com/v1.0/me/contacts", headers=headers, timeout=10).status_code == 401


def test_a_token_is_asked_for_once_whoever_asks_at_the_same_time(sim: CloudClient, exchange: OnBehalfOf) -> None:
    mine = assertion(sim)
    tokens = together(5, lambda _: exchange.graph_token(CONTOSO, mine, CONTACTS))
    assert len(set(map(str, tokens))) == 1
    assert exchanges(sim) == 1


def test_users_never_share_a_token(sim: CloudClient, exchange: OnBehalfOf) -> None:
    alice = exchange.graph_token(CONTOSO, assertion(sim), CONTACTS)
    bob = exchange.graph_token(CONTOSO, assertion(sim, upn="bob@contoso.example", oid=BOB), CONTACTS)
    assert alice != bob


def test_a_token_is_renewed_shortly_before_it_expires(sim: CloudClient) -> None:
    clock = TurnedClock()
    with open_session(sim.gateway) as session:
        exchange = OnBehalfOf(session, CLOUDS["public"], API_APP, SECRET, clock)
        mine = assertion(sim)
        exchange.graph_token(CONTOSO, mine, CONTACTS)
        clock.turn(minutes=54)
        exchange.graph_token(CONTOSO, mine, CONTACTS)
        assert exchanges(sim) == 1
        clock.turn(minutes=1)
        exchange.graph_token(CONTOSO, mine, CONTACTS)
        assert exchanges(sim) == 2


def test_tokens_in_mind_have_a_bound(sim: CloudClient) -> None:
    alice, bob = assertion(sim), assertion(sim, upn="bob@contoso.example", oid=BOB)
    with open_session(sim.gateway) as session:
        exchange = OnBehalfOf(session, CLOUDS["public"], API_APP, SECRET, now, most_kept=1)
        for mine in (alice, bob, alice):
            exchange.graph_token(CONTOSO, mine, CONTACTS)
    assert exchanges(sim) == 3


@pytest.mark.parametrize("consented", [[], ["User.Read"], ACS_SCOPES])
def test_missing_consent_names_the_scope_and_the_app(
    sim: CloudClient, exchange: OnBehalfOf, consented: list[str]
) -> None:
    consent(sim, *consented)
    refused = refusal(exchange, assertion(sim))
    assert refused.reason == on_behalf_of.CONSENT_MISSING
    assert refused.members == {"missingScopes": ["https://graph.microsoft.com/Contacts.Read"], "clientId": API_APP}


def test_consent_to_graph_is_none_to_communication_services(sim: CloudClient, exchange: OnBehalfOf) -> None:
    consent(sim, *CONTACTS)
    with pytest.raises(Denied) as refused:
        exchange.acs_token(CONTOSO, assertion(sim))
    assert refused.value.reason == on_behalf_of.CONSENT_MISSING


def test_given_consent_works_at_once(sim: CloudClient, exchange: OnBehalfOf) -> None:
    consent(sim)
    mine = assertion(sim)
    assert refusal(exchange, mine).reason == on_behalf_of.CONSENT_MISSING
    consent(sim, *CONTACTS)
    assert exchange.graph_token(CONTOSO, mine, CONTACTS)


def test_a_second_factor_is_asked_for_with_entras_claims(sim: CloudClient, exchange: OnBehalfOf) -> None:
    sim.control("POST", "accounts/alice@contoso.example", {"mfa": True})
    refused = refusal(exchange, assertion(sim))
    assert refused.reason == on_behalf_of.INTERACTION_REQUIRED
    assert "access_token" in str(refused.members["claims"])
    assert exchange.graph_token(CONTOSO, assertion(sim, claims={"amr": ["pwd", "mfa"]}), CONTACTS)


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"expiresIn": -301}, "AssertionExpired"),
        ({"audience": "https://graph.microsoft.com"}, "AssertionRefused"),
        ({"key": "unknown"}, "AssertionRefused"),
        ({"appOnly": True}, "AssertionRefused"),
        ({"tenantId": "22222222-2222-4222-8222-222222222222"}, "AssertionRefused"),
    ],
)
def test_an_assertion_that_is_not_a_users_token_for_us_is_refused(
    sim: CloudClient, exchange: OnBehalfOf, wish: dict[str, Any], reason: str
) -> None:
    assert refusal(exchange, assertion(sim, **wish)).reason == reason


@pytest.mark.parametrize(
    ("fault", "error"),
    [({"status": 503}, Unreachable), ({"retryAfter": 7}, Throttled), ({"drop": True}, Unreachable)],
)
def test_entra_in_trouble_is_no_refusal(
    sim: CloudClient, exchange: OnBehalfOf, fault: dict[str, Any], error: type[Exception]
) -> None:
    sim.control("POST", "faults", {"host": "login.microsoftonline.com", "pathPrefix": TOKENS, **fault})
    with pytest.raises(error):
        exchange.graph_token(CONTOSO, assertion(sim), CONTACTS)


METADATA = f"{LOGIN}/{TENANT}/v2.0/.well-known/openid-configuration"


@pytest.mark.parametrize(
    ("url", "body"),
    [
        *((METADATA, body) for body in (b"", b"[]", b"{}", b"5", b'{"token_endpoint": 5}')),
        (FakeEntra.endpoint(), b'{"access_token": "t", "expires_in": 1e400}'),
        (FakeEntra.endpoint(), b"{}"),
    ],
)
def test_nonsense_of_entra_is_broken(
    session: requests.Session, cloud: FakeCloud, entra: FakeEntra, url: str, body: bytes
) -> None:
    cloud.on(url, Answer(body=body))
    with pytest.raises(Broken):
        OnBehalfOf(session, CLOUDS["public"], API_APP, SECRET, now).graph_token(TENANT, "assertion", CONTACTS)


def test_a_refusal_does_not_quote_the_assertion(sim: CloudClient, exchange: OnBehalfOf) -> None:
    mine = assertion(sim, expiresIn=-301)
    refused = refusal(exchange, mine)
    assert mine not in f"{refused!r} {refused.detail} {refused.members} {refused.__cause__!r}"
