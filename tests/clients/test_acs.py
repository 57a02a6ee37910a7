"""Identities of ACS through the real SDK: against a far side that answers anything, and against the simulator."""

from __future__ import annotations

import base64
import logging
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import requests

from shared.clients.acs import AcsIdentities
from shared.http.gateway import open_session
from shared.kernel.errors import AppError, Broken, Denied, Throttled, Unreachable
from tests.clients.fake_cloud import Answer, FakeCloud
from tests.simulator.cloud_client import CloudClient, running

HOST = "contoso.communication.azure.com"
KEY = base64.b64encode(b"\x01" * 64).decode()
USER = "8:acs:11111111-1111-4111-8111-111111111111_22222222-2222-4222-8222-222222222222"
HOUR = timedelta(hours=1)
CREATE = f"/{HOST}/identities"
USER_PATH = f"{CREATE}/{USER.replace(':', '%3A')}"
ISSUE = f"/{HOST}/identities/{USER.replace(':', '%3A')}/:issueAccessToken"
JSON = {"Content-Type": "application/json"}
EXPIRES = "2026-03-01T13:00:00.1234567+00:00"


@dataclass(frozen=True)
class Resource:
    endpoint: str = f"https://{HOST}"
    access_key: str = KEY


@pytest.fixture
def identities(session: requests.Session) -> AcsIdentities:
    return AcsIdentities(session)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudClient]:
    with running(tmp_path_factory.mktemp("simulator")) as client:
        yield client


@pytest.fixture
def real(simulated: CloudClient) -> Iterator[AcsIdentities]:
    simulated.control("POST", "reset")
    with open_session(simulated.gateway) as session:
        yield AcsIdentities(session)


def create(identities: AcsIdentities) -> str:
    return identities.create_user(Resource(), 2)


def issue(identities: AcsIdentities, user: str = USER) -> tuple[str, datetime]:
    return identities.issue_token(Resource(), user, ["voip.join", "chat.join.limited"], HOUR, 2)


def test_a_user_gets_a_token_and_is_deleted(real: AcsIdentities) -> None:
    user = create(real)
    token, expires_on = issue(real, user)
    assert token.count(".") == 2
    assert timedelta(minutes=58) < expires_on - datetime.now(UTC) <= HOUR
    real.delete_user(Resource(), user, 2)
    with pytest.raises(Broken, match="404"):
        issue(real, user)


def test_deleting_a_user_twice_is_no_error(real: AcsIdentities) -> None:
    user = create(real)
    real.delete_user(Resource(), user, 2)
    real.delete_user(Resource(), user, 2)


def test_another_key_is_denied(real: AcsIdentities) -> None:
    user = create(real)
    other = Resource(access_key=base64.b64encode(bytes(64)).decode())
    with pytest.raises(Denied) as refused:
        real.delete_user(other, user, 2)
    assert refused.value.reason == "Denied"


def test_a_resource_nobody_made_is_unreachable(real: AcsIdentities) -> None:
    with pytest.raises(Unreachable):
        real.create_user(Resource("https://nobody.communication.azure.com"), 2)


@pytest.mark.parametrize("state", ["drop", "hang"])
def test_silence_is_unreachable(real: AcsIdentities, simulated: CloudClient, state: str) -> None:
    simulated.control("PUT", f"acs/{HOST}", {"state": state})
    with pytest.raises(Unreachable):
        real.create_user(Resource(), 0.2)


def test_a_token_asks_for_its_scopes_and_its_minutes(cloud: FakeCloud, identities: AcsIdentities) -> None:
    cloud.on(ISSUE, Answer(body={"token": "t.o.k", "expiresOn": EXPIRES}))
    assert issue(identities) == ("t.o.k", datetime(2026, 3, 1, 13, 0, 0, 123456, tzinfo=UTC))
    assert cloud.asked[0].json() == {"scopes": ["voip.join", "chat.join.limited"], "expiresInMinutes": 60}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(401), Denied),
        (Answer(401, b"{not json", JSON), Denied),
        (Answer(403, {"error": {"code": "Forbidden", "message": "no"}}), Denied),
        (Answer(429), Throttled),
        (Answer(429, b"<html>", {"Content-Type": "text/html"}), Throttled),
        (Answer(drop=True), Unreachable),
        (Answer(201, b"{", {"Content-Length": "1000", "Connection": "close"}), Unreachable),
        (Answer(200, {"identity": {"id": USER}}), Broken),
        (Answer(201, b""), Broken),
        (Answer(201, b"<html>", {"Content-Type": "text/html"}), Broken),
        (Answer(201, b"{not json", JSON), Broken),
        (Answer(201, b"\xff\xfe", JSON), Broken),
        (Answer(201, b"[" * 100_000, JSON), Broken),
        (Answer(201, b"no gzip", {"Content-Encoding": "gzip"}), Broken),
        (Answer(201, b"<a/>", {"Content-Type": "application/xml"}), Broken),
        (Answer(400), Broken),
        (Answer(404), Broken),
        (Answer(409), Broken),
        (Answer(500), Broken),
        (Answer(503, headers={"Retry-After": "1"}), Broken),
    ],
)
def test_each_answer_is_one_of_our_errors(
    cloud: FakeCloud, identities: AcsIdentities, answer: Answer, error: type[AppError]
) -> None:
    cloud.on(CREATE, answer)
    with pytest.raises(error) as failed:
        create(identities)
    assert failed.type is error
    assert len(cloud.asked) == 1


@pytest.mark.parametrize(
    "body",
    [
        *(None, [], "text", 5, True, {}, {"identity": None}, {"identity": 5}, {"identity": {}}),
        *(
            {"identity": {"id": said}}
            for said in (None, 5, "", [USER], {"id": USER}, "../..", "8:\n", "8:" + "a" * 999)
        ),
    ],
)
def test_an_odd_user_is_broken(cloud: FakeCloud, identities: AcsIdentities, body: object) -> None:
    cloud.on(CREATE, Answer(201, body, JSON))
    with pytest.raises(Broken):
        create(identities)


@pytest.mark.parametrize(
    "body",
    [
        *(None, [], "text", {}, {"token": "t.o.k"}, {"expiresOn": EXPIRES}),
        *({"token": said, "expiresOn": EXPIRES} for said in (None, "", "a\nb", "ä", [5], {"a": 1})),
        *({"token": "t.o.k", "expiresOn": said} for said in (None, 5, "", "soon", "2026-03-01T13:00:00", {"a": 1})),
    ],
)
def test_an_odd_token_is_broken(cloud: FakeCloud, identities: AcsIdentities, body: object) -> None:
    cloud.on(ISSUE, Answer(200, body, JSON))
    with pytest.raises(Broken):
        issue(identities)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"accessToken": None},
        {"accessToken": {"token": "a\nb", "expiresOn": EXPIRES}},
        {"accessToken": {"token": "t.o.k", "expiresOn": "soon"}},
        {"accessToken": [5]},
    ],
)
def test_a_user_whose_token_cannot_be_read_is_deleted(
    cloud: FakeCloud, identities: AcsIdentities, more: dict[str, object]
) -> None:
    cloud.on(CREATE, Answer(201, {"identity": {"id": USER}} | more, JSON))
    cloud.on(USER_PATH, Answer(204, b""))
    with pytest.raises(Broken):
        identities.create_user_with_token(Resource(), ["voip.join"], HOUR, 2)
    assert [(asked.method, asked.path) for asked in cloud.asked] == [("POST", CREATE), ("DELETE", USER_PATH)]


def test_a_user_without_a_token_that_cannot_be_deleted_is_named_in_the_log(
    cloud: FakeCloud, identities: AcsIdentities, caplog: pytest.LogCaptureFixture
) -> None:
    cloud.on(CREATE, Answer(201, {"identity": {"id": USER}}, JSON))
    cloud.on(USER_PATH, Answer(500))
    with pytest.raises(Broken):
        identities.create_user_with_token(Resource(), ["voip.join"], HOUR, 2)
    assert USER in caplog.text


@pytest.mark.parametrize("key", ["A", "no base6", "ä"])
def test_an_odd_key_is_broken_and_nothing_is_sent(cloud: FakeCloud, identities: AcsIdentities, key: str) -> None:
    with pytest.raises(Broken):
        identities.create_user(Resource(access_key=key), 2)
    assert cloud.asked == []


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_no_redirect_is_followed(cloud: FakeCloud, identities: AcsIdentities, status: int) -> None:
    cloud.on(CREATE, Answer(status, headers={"Location": "https://evil.example/identities"}))
    with pytest.raises(Broken):
        create(identities)
    assert [asked.path for asked in cloud.asked] == [CREATE]


@pytest.mark.parametrize(("said", "pause"), [("7", 7), ("0", 1), ("999999", 300), ("soon", 5), ("", 5)])
def test_throttling_carries_the_pause(cloud: FakeCloud, identities: AcsIdentities, said: str, pause: float) -> None:
    cloud.on(CREATE, Answer(429, headers={"Retry-After": said}))
    with pytest.raises(Throttled) as throttled:
        create(identities)
    assert throttled.value.retry_after == pause


def test_no_key_signature_or_token_is_logged_or_raised(
    cloud: FakeCloud, identities: AcsIdentities, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = "eyJ0b2tlbg.very.secret"
    cloud.on(ISSUE, Answer(200, {"token": token, "Token": token, "expiresOn": EXPIRES}, JSON))
    issue(identities)
    cloud.on(ISSUE, Answer(200, {"token": token, "expiresOn": token}, JSON))
    with pytest.raises(Broken) as odd:
        issue(identities)
    cloud.on(ISSUE, Answer(400, {"error": {"details": token}}, JSON))
    with pytest.raises(Broken) as refused:
        issue(identities)
    signature = cloud.asked[0].headers["Authorization"].removeprefix("HMAC-SHA256 ")
    shown = caplog.text + "".join("".join(traceback.format_exception(failed.value)) for failed in (odd, refused))
    for secret in (token, KEY, signature, "Signature="):
        assert secret not in shown
