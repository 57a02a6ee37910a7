"""Graph's presences as readings, and every way it can refuse as one of our errors."""

from __future__ import annotations

import pytest
import requests

from shared.clients.graph.graph import Graph, PresenceReading, TokenRefused
from shared.kernel.errors import Broken, Denied, NotPermitted, Throttled, Unreachable
from tests.clients.fake_cloud import CLOUD, PRESENCES, Answer, FakeCloud, TurnedClock

ADA = "aaaaaaaa-0000-4000-8000-000000000001"
BEN = "aaaaaaaa-0000-4000-8000-000000000002"
ROW = {"id": ADA, "availability": "Busy", "activity": "InACall", "sequenceNumber": "A01"}


@pytest.fixture
def graph(session: requests.Session, clock: TurnedClock) -> Graph:
    return Graph(session, CLOUD, clock)


def test_the_presence_of_users_is_read_in_one_call(cloud: FakeCloud, graph: Graph) -> None:
    rows = [ROW, {"id": BEN.upper(), "availability": "Away", "activity": "Away"}]
    cloud.on(PRESENCES, Answer(body={"value": rows}))
    assert graph.presences("token", [ADA, BEN]) == [
        PresenceReading(ADA, "Busy", "InACall", "A01"),
        PresenceReading(BEN, "Away", "Away", ""),
    ]
    (asked,) = cloud.asked
    assert asked.headers["Authorization"] == "Bearer token"
    assert asked.json() == {"ids": [ADA, BEN]}


def test_nobody_costs_no_call(cloud: FakeCloud, graph: Graph) -> None:
    assert graph.presences("token", []) == []
    assert cloud.asked == []


def test_650_users_fit_and_651_are_the_callers_mistake(cloud: FakeCloud, graph: Graph) -> None:
    cloud.on(PRESENCES, Answer(body={"value": []}))
    assert graph.presences("token", ["x"] * 650) == []
    with pytest.raises(ValueError, match="650"):
        graph.presences("token", ["x"] * 651)


@pytest.mark.parametrize(
    "row",
    [
        None,
        5,
        [],
        {},
        ROW | {"id": None},
        ROW | {"id": "somebody-else"},
        ROW | {"availability": None},
        ROW | {"activity": 7},
    ],
)
def test_a_row_that_makes_no_sense_is_dropped_and_the_others_stay(cloud: FakeCloud, graph: Graph, row: object) -> None:
    cloud.on(PRESENCES, Answer(body={"value": [row, ROW]}))
    assert [reading.user_id for reading in graph.presences("token", [ADA])] == [ADA]


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"value": [', b"[]", b"{}", b'{"value": {}}', b"\xff", b"[" * 99_999]
)
def test_a_body_that_makes_no_sense_is_broken(cloud: FakeCloud, graph: Graph, body: bytes) -> None:
    cloud.on(PRESENCES, Answer(body=body))
    with pytest.raises(Broken):
        graph.presences("token", [ADA])


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (403, {"error": {"code": "Authorization_RequestDenied"}}, "Authorization_RequestDenied"),
        (403, {"error": "no"}, "Forbidden"),
        (403, {"error": {"code": ["x"]}}, "Forbidden"),
        (403, b"", "Forbidden"),
        (401, {"error": {"code": "InvalidAuthenticationToken"}}, "InvalidAuthenticationToken"),
        (401, b"<html>", "Unauthorized"),
    ],
)
def test_a_refusal_carries_graphs_own_code(
    cloud: FakeCloud, graph: Graph, status: int, body: object, reason: str
) -> None:
    cloud.on(PRESENCES, Answer(status, body))
    with pytest.raises(Denied) as refusal:
        graph.presences("token", [ADA])
    assert refusal.value.reason == reason
    assert type(refusal.value) is (TokenRefused if status == 401 else NotPermitted)


@pytest.mark.parametrize(
    ("said", "pause"),
    [
        ("7", 7),
        ("0", 1),
        ("4000", 300),
        ("9" * 5000, 300),
        ("-3", 5),
        ("nan", 5),
        ("soon", 5),
        ("Sun, 01 Mar 2026 12:00:20 GMT", 20),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 1),
        ("Sun, 01 Mar 2027 12:00:00 GMT", 300),
        ("Sun, 01 Mar 2026 12:00:20 -0000", 5),
        (None, 5),
    ],
)
def test_throttling_carries_the_pause_graph_asks_for(
    cloud: FakeCloud, graph: Graph, said: str | None, pause: float
) -> None:
    cloud.on(PRESENCES, Answer(429, headers={"Retry-After": said} if said else {}))
    with pytest.raises(Throttled) as throttled:
        graph.presences("token", [ADA])
    assert throttled.value.retry_after == pause


@pytest.mark.parametrize("status", [302, 400, 404, 418, 500, 502, 204])
def test_every_other_answer_is_broken(cloud: FakeCloud, graph: Graph, status: int) -> None:
    cloud.on(PRESENCES, Answer(status, b"" if status == 204 else {"error": {"code": "x"}}))
    with pytest.raises(Broken):
        graph.presences("token", [ADA])


def test_no_answer_is_unreachable(cloud: FakeCloud, graph: Graph) -> None:
    cloud.on(PRESENCES, Answer(drop=True))
    with pytest.raises(Unreachable):
        graph.presences("token", [ADA])


@pytest.mark.parametrize("status", [503, 504])
def test_an_outage_is_no_throttling_so_that_the_other_account_is_asked(
    cloud: FakeCloud, graph: Graph, status: int
) -> None:
    cloud.on(PRESENCES, Answer(status, headers={"Retry-After": "7"}))
    with pytest.raises(Unreachable):
        graph.presences("token", [ADA])
