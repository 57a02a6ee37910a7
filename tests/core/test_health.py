"""Readiness: however many ask, the dependencies are asked at most once a second."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest

import function_app
from functions import wiring
from functions.http import web
from functions.http.endpoints import ENDPOINTS
from functions.system_http import get_ready
from functions.wiring import PAUSE, FirstUse
from shared.kernel.errors import ConfigError, StorageDown
from shared.operations.health import FRESH, Health

assert function_app.app, "importing the app is what fills ENDPOINTS"


class Clock:
    """Stands until it is turned."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, time: timedelta) -> None:
        self.now += time


@dataclass
class Storage:
    """Counts who asks it; answers once ``open`` is set, with what ``fault`` says."""

    fault: Exception | None = None
    asked: int = 0
    open: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)

    def probe(self) -> str:
        self.asked += 1
        self.entered.set()
        assert self.open.wait(10)
        if self.fault is not None:
            raise self.fault
        return "core"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def storage() -> Storage:
    storage = Storage()
    storage.open.set()
    return storage


@pytest.fixture
def health(storage: Storage, clock: Clock) -> Health:
    return Health({"storage": storage.probe}, {}, clock)


def test_a_result_serves_all_who_ask_within_a_second(health: Health, storage: Storage, clock: Clock) -> None:
    first = health.check()
    clock.pass_by(FRESH - timedelta(microseconds=1))
    assert [health.check() for _ in range(200)] == [first] * 200
    assert storage.asked == 1


def test_after_a_second_storage_is_asked_again(health: Health, storage: Storage, clock: Clock) -> None:
    assert health.check()[0].ok
    storage.fault = StorageDown("Azure Storage does not answer")
    clock.pass_by(FRESH)
    assert [(one.ok, one.detail) for one in health.check()] == [(False, "Azure Storage does not answer")]
    assert storage.asked == 2


def test_a_bad_result_is_kept_as_long_as_a_good_one(health: Health, storage: Storage) -> None:
    storage.fault = StorageDown("down")
    assert [health.check()[0].ok for _ in range(50)] == [False] * 50
    assert storage.asked == 1


def test_who_asks_during_a_check_shares_its_result(health: Health, storage: Storage) -> None:
    storage.open.clear()
    with ThreadPoolExecutor(16) as pool:
        asking = [pool.submit(health.check) for _ in range(16)]
        assert storage.entered.wait(10)
        storage.open.set()
        results = [one.result(10) for one in asking]
    assert storage.asked == 1
    assert all(result is results[0] for result in results)


# the first use of the app


@pytest.fixture
def first_use(storage: Storage, clock: Clock) -> FirstUse[str]:
    return FirstUse(storage.probe, clock)


def test_what_was_made_is_kept(first_use: FirstUse[str], storage: Storage, clock: Clock) -> None:
    assert first_use.get() == "core"
    clock.pass_by(timedelta(days=1))
    assert (first_use.get(), storage.asked) == ("core", 1)


def test_storage_that_does_not_answer_is_left_alone_for_a_second(
    first_use: FirstUse[str], storage: Storage, clock: Clock
) -> None:
    storage.fault = StorageDown("down")
    for _ in range(50):
        with pytest.raises(StorageDown, match="down"):
            first_use.get()
    assert storage.asked == 1
    storage.fault = None
    clock.pass_by(PAUSE)
    assert (first_use.get(), storage.asked) == ("core", 2)


def test_those_who_wait_for_the_first_use_do_not_try_one_after_the_other(
    first_use: FirstUse[str], storage: Storage
) -> None:
    storage.fault = StorageDown("down")
    storage.open.clear()
    with ThreadPoolExecutor(16) as pool:
        asking = [pool.submit(first_use.get) for _ in range(16)]
        assert storage.entered.wait(10)
        storage.open.set()
        assert {type(one.exception(10)) for one in asking} == {StorageDown}
    assert storage.asked == 1


def test_a_setting_that_was_mended_works_with_the_next_call(first_use: FirstUse[str], storage: Storage) -> None:
    storage.fault = ConfigError(["API_CLIENT_ID is missing"])
    with pytest.raises(ConfigError):
        first_use.get()
    storage.fault = None
    assert first_use.get() == "core"


# the endpoint


class Callers:
    """Knows one operator."""

    def of_bearer(self, token: str) -> Any:
        return SimpleNamespace(may=lambda role: token == "operator")


@pytest.fixture
def app(health: Health) -> Iterator[None]:
    core: Any = SimpleNamespace(health=health, setting_warnings=("a limit is too large",), callers=Callers())
    wiring.use(core)
    yield
    wiring.use(None)


def ready(token: str = "") -> tuple[int, str]:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    request = func.HttpRequest("GET", "http://127.0.0.1/", headers=headers, body=b"")
    answer = web._run(ENDPOINTS["get_ready"], get_ready, request)
    return answer.status_code, answer.get_body().decode()


@pytest.mark.usefixtures("app")
def test_a_hundred_probes_of_the_platform_are_one_question_to_storage(storage: Storage) -> None:
    assert {ready()[0] for _ in range(100)} == {200}
    assert storage.asked == 1


@pytest.mark.usefixtures("app")
def test_warnings_of_settings_are_for_operators_and_leave_an_instance_ready() -> None:
    status, told = ready("operator")
    assert (status, "a limit is too large" in told) == (200, True)
    assert "warnings" not in ready()[1]
    assert "warnings" not in ready("somebody")[1]


@pytest.mark.usefixtures("app")
def test_an_instance_whose_check_takes_too_long_says_that_it_is_not_ready(clock: Clock, storage: Storage) -> None:
    impatient = Health({"storage": storage.probe}, {"signInKeys": storage.probe}, clock, patience=0.05)
    current: Any = wiring.core()
    current.health = impatient
    storage.open.clear()
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(impatient.check)
        assert storage.entered.wait(10)
        status, told = ready("operator")
        storage.open.set()
    assert status == 503
    answer = json.loads(told)
    assert answer["status"] == "notReady"
    assert [(one["name"], one["state"]) for one in answer["dependencies"]] == [
        ("storage", "down"),
        ("signInKeys", "down"),
    ]
    assert {one["detail"] for one in answer["dependencies"]} == {"a check that is under way has no result yet"}
    assert asking.result(10)[0].ok
