"""How large a body may be: by endpoint, judged before it is read, and told in the description and in the refusal."""

from __future__ import annotations

import json
from typing import Any

import azure.functions as func
import pytest

import function_app
from functions.http import openapi
from functions.http.endpoints import ENDPOINTS, Endpoint
from functions.http.problems import LengthMissing, TooLarge, WrongMediaType, problem
from functions.http.request_body import body_of
from functions.http.web import NOBODY, Call
from shared.kernel.body_limits import BODY_LIMIT, HOST_RECOMMENDED, VISITOR_BODY_LIMIT
from shared.kernel.errors import AppError, Malformed

assert function_app.app, "importing the app is what fills ENDPOINTS"
WITH_BODY = [endpoint for endpoint in ENDPOINTS.values() if endpoint.body is not None]
JSON = {"content-type": "application/json"}


class Sent(func.HttpRequest):
    """A request that counts how often its body is read."""

    def __init__(self, body: bytes, headers: dict[str, str]) -> None:
        super().__init__("POST", "http://127.0.0.1/", headers=headers, body=body)
        self.read = 0

    def get_body(self) -> bytes:
        self.read += 1
        return bytes(super().get_body())


def refusal(endpoint: Endpoint, sent: Sent) -> type[AppError] | None:
    try:
        _ = Call(sent, endpoint, "t", NOBODY).json
    except AppError as exc:
        return type(exc)
    return None


def text_of(size: int) -> bytes:
    return b'"' + b"x" * (size - 2) + b'"'


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=lambda endpoint: endpoint.name)
def test_a_widget_may_send_8_kib_and_everybody_else_256(endpoint: Endpoint) -> None:
    of_visitors = endpoint.path.startswith("api/interact/")
    assert endpoint.body_limit == (8 * 1024 if of_visitors else 256 * 1024)
    assert bool(endpoint.open_because) == of_visitors


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=lambda endpoint: endpoint.name)
def test_the_description_tells_the_limit(endpoint: Endpoint) -> None:
    operation: Any = openapi.document()["paths"][f"/{endpoint.path}"][endpoint.method.lower()]
    assert operation["x-body-limit"] == endpoint.body_limit
    assert f"{endpoint.body_limit // 1024} KiB" in operation["responses"]["413"]["description"]


@pytest.mark.parametrize("name", ["start_session", "post_session_event", "put_service", "patch_settings"])
def test_a_body_of_the_limit_is_read_and_one_byte_more_is_not(name: str) -> None:
    endpoint = ENDPOINTS[name]
    assert refusal(endpoint, Sent(text_of(endpoint.body_limit), JSON)) is None
    assert refusal(endpoint, Sent(text_of(endpoint.body_limit + 1), JSON)) is TooLarge


@pytest.mark.parametrize("length", [str(VISITOR_BODY_LIMIT + 1), "9" * 18])
def test_a_body_that_says_it_is_too_large_is_refused_unread(length: str) -> None:
    sent = Sent(b"{}", JSON | {"content-length": length})
    assert refusal(ENDPOINTS["start_session"], sent) is TooLarge
    assert sent.read == 0


@pytest.mark.parametrize("length", ["", "2", "-1", "many", "9" * 5_000])
def test_what_a_body_says_of_its_length_is_no_excuse(length: str) -> None:
    large = Sent(text_of(VISITOR_BODY_LIMIT + 1), JSON | {"content-length": length})
    assert refusal(ENDPOINTS["start_session"], large) is TooLarge
    assert refusal(ENDPOINTS["start_session"], Sent(b"{}", JSON | {"content-length": length})) is None


def test_size_is_judged_after_the_media_type_and_before_the_text() -> None:
    large = b"{" * (BODY_LIMIT + 1)
    assert refusal(ENDPOINTS["put_service"], Sent(large, {"content-type": "text/plain"})) is WrongMediaType
    assert refusal(ENDPOINTS["put_service"], Sent(large, JSON)) is TooLarge
    assert refusal(ENDPOINTS["put_service"], Sent(b"{", JSON)) is Malformed


def test_a_body_that_may_be_left_out_is_limited_too_and_one_in_chunks_is_no_empty_one() -> None:
    endpoint = ENDPOINTS["check_interact_acs"]
    assert Call(Sent(b"", {}), endpoint, "t", NOBODY).json_if_any == {}
    with pytest.raises(TooLarge):
        _ = Call(Sent(text_of(BODY_LIMIT + 1), {}), endpoint, "t", NOBODY).json_if_any
    with pytest.raises(LengthMissing):
        body_of(Sent(b"", {"transfer-encoding": "chunked"}), limit=BODY_LIMIT)


def test_the_refusal_names_the_limit() -> None:
    with pytest.raises(TooLarge) as caught:
        body_of(Sent(text_of(VISITOR_BODY_LIMIT + 1), {}), limit=VISITOR_BODY_LIMIT)
    answer = problem(caught.value, "t")
    told = json.loads(answer.get_body())
    assert (answer.status_code, told["code"], told["limit"]) == (413, "BodyTooLarge", VISITOR_BODY_LIMIT)
    assert "8 KiB" in told["detail"]


def test_the_host_lets_through_what_the_app_refuses_with_a_problem() -> None:
    assert max(endpoint.body_limit for endpoint in ENDPOINTS.values()) * 2 <= HOST_RECOMMENDED
