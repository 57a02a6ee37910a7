"""Lists of Graph, whatever it answers, and how long they are waited for."""

from __future__ import annotations

import threading
import time

import pytest
import requests

from shared.clients.graph.filtered_lists import GraphLists
from shared.kernel.errors import Unreachable
from tests.clients.fake_cloud import CLOUD, Answer, Asked, FakeCloud

PATH = "/graph.microsoft.com/v1.0/users"


def test_pages_that_each_answer_in_time_are_given_up_when_together_they_take_too_long(
    cloud: FakeCloud, session: requests.Session
) -> None:
    seconds = 0.0

    def page(asked: Asked) -> Answer:
        nonlocal seconds
        seconds += 2.0
        link = f"https://graph.microsoft.com/v1.0/users?page={seconds}"
        return Answer(body={"value": [{"id": asked.query}], "@odata.nextLink": link})

    cloud.on(PATH, page)
    lists = GraphLists(session, CLOUD, patience=5.0, elapsed=lambda: seconds)
    with pytest.raises(Unreachable):
        lists.read("token", "/v1.0/users", {}, top=999)
    assert cloud.count(PATH) == 3


def test_a_page_is_waited_for_no_longer_than_the_list_may_take(cloud: FakeCloud, session: requests.Session) -> None:
    gate = threading.Event()

    def hang(_: Asked) -> Answer:
        gate.wait(10)
        return Answer(body={"value": []})

    cloud.on(PATH, hang)
    began = time.monotonic()
    try:
        with pytest.raises(Unreachable):
            GraphLists(session, CLOUD, patience=0.1).read("token", "/v1.0/users", {}, top=5)
        assert time.monotonic() - began < 3
    finally:
        gate.set()
