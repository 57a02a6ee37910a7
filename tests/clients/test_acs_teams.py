"""Users of ACS with a token at once, and Teams users' tokens, through the real SDK against the simulator."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from shared.clients.acs import AcsIdentities
from shared.http.gateway import open_session
from shared.kernel.errors import AppError, Broken, Denied, Throttled, Unreachable
from tests.clients.fake_cloud import Answer, FakeCloud
from tests.simulator.cloud_client import ALICE, API_APP, BOB, CloudClient, running

HOST = "contoso.communication.azure.com"
ACS_APP = "1fd5118e-2576-4263-8130-9503064c837a"
USER = "8:acs:11111111-1111-4111-8111-111111111111_22222222-2222-4222-8222-222222222222"
EXPIRES = "2026-03-01T13:00:00+00:00"
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Resource:
    endpoint: str = f"https://{HOST}"
    access_key: str = base64.b64encode(b"\x01" * 64).decode()


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudClient]:
    with running(tmp_path_factory.mktemp("simulator")) as client:
        yield client


@pytest.fixture(scope="module")
def real(simulated: CloudClient) -> Iterator[AcsIdentities]:
    with open_session(simulated.gateway) as session:
        yield AcsIdentities(session)


def entra_token(simulated: CloudClient, **wish: Any) -> str:
    told = {"audience": ACS_APP, "scp": "Teams.ManageCalls Teams.ManageChats", "oid": ALICE, "clientId": API_APP}
    return simulated.token(**(told | {"upn": "alice@contoso.example"} | wish))


def test_one_call_gives_a_user_with_a_token_of_an_hour(real: AcsIdentities, simulated: CloudClient) -> None:
    simulated.control("DELETE", "requests")
    user, token, expires_on = real.create_user_with_token(Resource(), ("voip.join", "chat.join.limited"), HOUR, 2)
    assert user.startswith("8:acs:")
    assert token.count(".") == 2
    assert timedelta(minutes=58) < expires_on - datetime.now(UTC) <= HOUR
    assert len(simulated.control("GET", "requests")) == 1


def test_a_teams_users_token_is_exchanged(real: AcsIdentities, simulated: CloudClient) -> None:
    token, expires_on = real.exchange_token(Resource(), entra_token(simulated), API_APP, ALICE, 2)
    assert token.count(".") == 2
    assert timedelta(minutes=58) < expires_on - datetime.now(UTC) <= HOUR


@pytest.mark.parametrize(
    "wish",
    [
        {"audience": "https://graph.microsoft.com"},
        {"scp": "User.Read"},
        {"oid": BOB},
        {"clientId": "a0000000-0000-4000-8000-000000000002"},
        {"expiresIn": -1},
        {"key": "unknown"},
        {"appOnly": True},
    ],
)
def test_a_token_of_somebody_or_something_else_is_refused(
    real: AcsIdentities, simulated: CloudClient, wish: dict[str, Any]
) -> None:
    with pytest.raises(Denied):
        real.exchange_token(Resource(), entra_token(simulated, **wish), API_APP, ALICE, 2)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(401), Denied),
        (Answer(403), Denied),
        (Answer(429), Throttled),
        (Answer(500), Broken),
        (Answer(drop=True), Unreachable),
        (Answer(201, {"identity": {"id": USER}}), Broken),
        (Answer(201, {"identity": {"id": "../x"}, "accessToken": {"token": "t", "expiresOn": EXPIRES}}), Broken),
        (Answer(201, {"identity": {"id": USER}, "accessToken": {"token": "two words", "expiresOn": EXPIRES}}), Broken),
        (Answer(201, {"identity": {"id": USER}, "accessToken": {"token": "t", "expiresOn": "soon"}}), Broken),
        (Answer(201, b"<html>", {"Content-Type": "text/html"}), Broken),
    ],
)
def test_what_a_resource_may_answer_is_an_error_of_ours(
    cloud: FakeCloud, session: requests.Session, answer: Answer, error: type[AppError]
) -> None:
    cloud.on(f"/{HOST}/identities", answer)
    with pytest.raises(error):
        AcsIdentities(session).create_user_with_token(Resource(), ("voip.join",), HOUR, 2)
