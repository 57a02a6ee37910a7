"""Presence is read as the source that was asked for, with a token that Graph accepts."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from shared.app_settings.config import PresenceAccount
from shared.clients.entra.sign_in import SignIns
from shared.clients.graph.graph import Graph
from shared.clients.graph.presence import PresenceReader, Source
from shared.kernel.errors import Denied
from tests.clients.fake_cloud import CLOUD, PRESENCES, TENANT, Answer, Asked, FakeCloud, FakeEntra, TurnedClock
from tests.clients.memory_shelf import MemoryShelf

ADA = "aaaaaaaa-0000-4000-8000-000000000001"
CLIENT = "a0000000-0000-4000-8000-000000000002"


class FakePresences:
    """Remembers whose tokens it was shown; refuses those it was told to."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.tokens: list[str] = []
        self.outdated: set[str] = set()
        self.forbidden: set[str] = set()
        cloud.on(PRESENCES, self.answer)

    def answer(self, asked: Asked) -> Answer:
        token = asked.headers["Authorization"].removeprefix("Bearer ")
        self.tokens.append(token)
        if token in self.outdated:
            return Answer(401, {"error": {"code": "InvalidAuthenticationToken"}})
        if token in self.forbidden:
            return Answer(403, {"error": {"code": "Forbidden"}})
        rows = [{"id": user, "availability": "Busy", "activity": "Busy"} for user in asked.json()["ids"]]
        return Answer(body={"value": rows})


@pytest.fixture
def presences(cloud: FakeCloud) -> FakePresences:
    return FakePresences(cloud)


@pytest.fixture
def reader(session: requests.Session, entra: FakeEntra, clock: TurnedClock) -> PresenceReader:
    accounts = (
        PresenceAccount("presence1@nimbus.example", "rt-1", None),
        PresenceAccount("presence2@nimbus.example", None, "pass word 2"),
    )
    sign_ins = SignIns(session, CLOUD, CLIENT, "app-secret", clock, MemoryShelf())
    return PresenceReader(sign_ins, Graph(session, CLOUD, clock), accounts)


@pytest.mark.parametrize(
    ("source", "upn", "token"),
    [
        ("account1", "presence1@nimbus.example", "presence1@nimbus.example#1"),
        ("account2", "presence2@nimbus.example", "presence2@nimbus.example#1"),
        ("application", None, "app#1"),
    ],
)
def test_each_source_reads_as_itself(
    reader: PresenceReader, presences: FakePresences, source: Source, upn: str | None, token: str
) -> None:
    (reading,) = reader.read(TENANT, source, [ADA])
    assert (reading.user_id, reading.availability) == (ADA, "Busy")
    assert presences.tokens == [token]
    assert reader.upn(source) == upn


@pytest.mark.parametrize("source", ["account1", "account2", "application"])
def test_a_token_graph_does_not_accept_is_replaced_once(
    reader: PresenceReader, presences: FakePresences, source: Source
) -> None:
    reader.read(TENANT, source, [ADA])
    presences.outdated.add(presences.tokens[0])
    assert reader.read(TENANT, source, [ADA])
    assert [token.rpartition("#")[2] for token in presences.tokens] == ["1", "1", "2"]


def test_a_token_that_ends_in_the_middle_of_many_calls_costs_one_sign_in(
    cloud: FakeCloud, reader: PresenceReader, presences: FakePresences, entra: FakeEntra
) -> None:
    reader.read(TENANT, "account1", [ADA])
    (ended,) = presences.tokens
    presences.outdated.add(ended)
    all_refused = threading.Barrier(4)

    def answer(asked: Asked) -> Answer:
        if asked.headers["Authorization"].endswith(ended):
            all_refused.wait(5)
        return presences.answer(asked)

    cloud.on(PRESENCES, answer)
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda _: reader.read(TENANT, "account1", [ADA]), range(4)))
    assert len(entra.sign_ins()) == 2


def test_a_second_refusal_is_the_answer(reader: PresenceReader, presences: FakePresences) -> None:
    presences.outdated.update({"app#1", "app#2"})
    with pytest.raises(Denied) as refusal:
        reader.read(TENANT, "application", [ADA])
    assert refusal.value.reason == "InvalidAuthenticationToken"
    assert presences.tokens == ["app#1", "app#2"]


def test_a_role_granted_after_a_refusal_counts_at_the_next_read(
    reader: PresenceReader, presences: FakePresences
) -> None:
    presences.forbidden.add("app#1")
    with pytest.raises(Denied):
        reader.read(TENANT, "application", [ADA])
    assert presences.tokens == ["app#1"]
    assert reader.read(TENANT, "application", [ADA])


def test_a_fresh_read_signs_in_anew(reader: PresenceReader, presences: FakePresences) -> None:
    reader.read(TENANT, "account1", [ADA])
    reader.read(TENANT, "account1", [ADA], fresh=True)
    assert [token.rpartition("#")[2] for token in presences.tokens] == ["1", "2"]


def test_a_refused_account_names_its_reason(reader: PresenceReader, presences: FakePresences, entra: FakeEntra) -> None:
    entra.refusals["presence1@nimbus.example"] = entra.refuse(50076)
    with pytest.raises(Denied) as refusal:
        reader.read(TENANT, "account1", [ADA])
    assert refusal.value.reason == "AADSTS50076"
    assert presences.tokens == []
