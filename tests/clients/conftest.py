from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from shared.clients.entra.caller_tokens import CallerTokens
from shared.clients.entra.signing_keys import SigningKeys
from shared.http.gateway import open_session
from tests.clients.fake_cloud import AUDIENCE, CLOUD, FakeCloud, FakeEntra, KeyMaker, TurnedClock


@pytest.fixture
def cloud() -> Iterator[FakeCloud]:
    fake = FakeCloud()
    yield fake
    fake.close()


@pytest.fixture
def session(cloud: FakeCloud) -> Iterator[requests.Session]:
    with open_session(cloud.url) as opened:
        yield opened


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def maker(cloud: FakeCloud, clock: TurnedClock) -> KeyMaker:
    return KeyMaker(cloud, clock)


@pytest.fixture
def keys(session: requests.Session, maker: KeyMaker, clock: TurnedClock) -> SigningKeys:
    return SigningKeys(session, CLOUD, clock)


@pytest.fixture
def tokens(keys: SigningKeys, clock: TurnedClock) -> CallerTokens:
    return CallerTokens(keys, CLOUD, [AUDIENCE, "a0000000-0000-4000-8000-000000000001"], clock)


@pytest.fixture
def entra(cloud: FakeCloud) -> FakeEntra:
    return FakeEntra(cloud)
