"""Visitors of a website hear a code and one neutral sentence, whatever went wrong; the log holds the rest."""

from __future__ import annotations

import ast
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest

from functions import interact_widget_http, system_http, wiring
from functions.http import web
from functions.http.endpoints import ENDPOINTS, Endpoint
from functions.http.problems import STATUS, TooLarge
from functions.http.visitor_problems import NOT_AVAILABLE, OF_THE_BODY, sentence
from shared.kernel.callers import Caller
from shared.kernel.errors import (
    AppError,
    ConfigError,
    Conflict,
    Denied,
    Finding,
    Invalid,
    NotAllowed,
    NotFound,
    NotKnown,
    RateLimited,
    StorageDown,
    Upstream,
)
from tests.structure.source import ROOT

REGISTERED = (interact_widget_http, system_http)  # importing them registers their endpoints
VISITORS = [endpoint for endpoint in ENDPOINTS.values() if endpoint.from_pages]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
# What may never be read by a visitor: settings, app settings, tables, the tenant, what Microsoft said.
INSIDE = (
    "o365UserId SECRET_KEYS PLATFORM_ACS_CONNECTION_STRING (table-sessions) Contoso Graph AADSTS50076 pat@shop.example"
)
SECRETIVE = re.compile(
    r"setting|[A-Z]+_[A-Z_]+|acsConnection|o365|table|Storage|Graph|Entra|Azure|AADSTS|Microsoft|tenant|licen[cs]e|ACS",
    re.I,
)
# Files that the calls of a widget run through; each code they can raise has a sentence.
PATHS = (
    "functions/interact_widget_http.py",
    "functions/http/headers.py",
    "functions/http/problems.py",
    "functions/http/web.py",
    "shared/kernel/errors.py",
    "shared/kernel/json_text.py",
    "shared/kernel/wire.py",
    "shared/clients/entra/caller_tokens.py",
    "shared/clients/entra/signing_keys.py",
    "shared/storage/failures.py",
    "shared/storage/secrets.py",
    "shared/tenants/widget_keys.py",
    "shared/interact/**/*.py",
)


def failing(
    endpoint: Endpoint, exc: Exception, caller: Caller = web.NOBODY
) -> tuple[dict[str, Any], func.HttpResponse]:
    """The answer of an endpoint whose handler raises."""

    def handler(call: web.Call) -> func.HttpResponse:
        call.caller = caller
        raise exc

    request = func.HttpRequest(
        endpoint.method, "http://127.0.0.1/", headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}, body=b""
    )
    response = web._run(endpoint, handler, request)
    return json.loads(response.get_body()), response


def codes() -> Iterator[str]:
    """Every code that stands in those files: of a class, or given to an error."""
    for pattern in PATHS:
        for path in Path(ROOT).glob(pattern):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.keyword) and node.arg == "code" and isinstance(node.value, ast.Constant):
                    yield str(node.value.value)
                named = [getattr(target, "id", "") for target in node.targets] if isinstance(node, ast.Assign) else []
                if isinstance(node, ast.Assign) and named == ["code"] and isinstance(node.value, ast.Constant):
                    yield str(node.value.value)
    yield from (f"Meeting{outcome}" for outcome in ("PolicyMissing", "UserUnknown", "PermissionMissing", "Failed"))
    yield from ("InvalidConnectionString", "HostNotAllowed", "TokenWrongApp", "NotLicensed")


CODES = sorted(set(codes()))


def test_the_codes_of_the_widgets_calls_are_found() -> None:
    assert {"WidgetKeyInvalid", "AcsDenied", "InteractNotConfigured", "StorageUnavailable", "SessionEnded"} <= set(
        CODES
    )
    assert len(VISITORS) == 5


@pytest.mark.parametrize("code", CODES)
def test_each_code_has_one_neutral_sentence(code: str) -> None:
    said = sentence(code)
    assert said.endswith(".")
    assert not SECRETIVE.search(said), said


@pytest.mark.parametrize("code", CODES)
def test_a_visitor_hears_the_code_and_its_sentence_and_nothing_else(code: str) -> None:
    for kind in (AppError, NotKnown, NotAllowed, NotFound, Conflict, Upstream):
        exc = kind(INSIDE, code=code, missing=[INSIDE], remedy=INSIDE, claims=INSIDE, etag=7)
        told, response = failing(VISITORS[0], exc)
        assert set(told) == {"type", "title", "status", "detail", "code", "traceId", "error"}
        assert (told["status"], told["code"], told["traceId"]) == (STATUS[kind], code, TRACE)
        assert (told["detail"], told["error"]["message"]) == (sentence(code), sentence(code))
        assert not any(word in str(told) for word in INSIDE.split())
        assert response.headers["x-trace-id"] == TRACE


@pytest.mark.parametrize("endpoint", VISITORS, ids=lambda endpoint: endpoint.name)
def test_every_call_of_a_page_tells_no_more(endpoint: Endpoint, caplog: pytest.LogCaptureFixture) -> None:
    for exc in (ConfigError([INSIDE]), StorageDown(INSIDE), Upstream(INSIDE), Denied(INSIDE, reason=INSIDE)):
        caplog.clear()
        with caplog.at_level(logging.INFO, "nimbus"):
            told, _ = failing(endpoint, exc)
        assert told["detail"] == NOT_AVAILABLE
        assert "SECRET_KEYS" not in str(told)
        line = next(record for record in caplog.records if record.getMessage().startswith("call "))
        assert line.nimbus_trace == TRACE  # type: ignore[attr-defined]
        assert INSIDE in line.nimbus_detail  # type: ignore[attr-defined]


def test_a_mistake_of_ours_is_told_a_visitor_like_any_other() -> None:
    told, response = failing(VISITORS[0], RuntimeError(INSIDE))
    assert (response.status_code, told["code"]) == (500, "InternalError")
    assert "Quote the trace id" in told["detail"]


def test_the_pause_of_a_limit_is_told() -> None:
    told, response = failing(VISITORS[0], RateLimited(f"too many {INSIDE}", retry_after=2.5))
    assert (response.status_code, response.headers["Retry-After"]) == (429, "3")
    assert INSIDE not in str(told)


@pytest.mark.parametrize("code", sorted(OF_THE_BODY))
def test_findings_of_the_visitors_own_body_stay(code: str) -> None:
    told, _ = failing(
        VISITORS[0], Invalid([Finding("target", "is not a user principal name", "InvalidValue")], code=code)
    )
    assert told["errors"] == [{"path": "target", "message": "is not a user principal name", "code": "InvalidValue"}]


@pytest.mark.parametrize("code", ["HostNotAllowed", "InvalidConnectionString", "NotLicensed"])
def test_findings_about_anything_else_do_not(code: str) -> None:
    told, _ = failing(VISITORS[0], Invalid([Finding("", INSIDE, code)], INSIDE, code=code))
    assert "errors" not in told
    assert told["detail"] == NOT_AVAILABLE


def test_a_back_end_that_has_proved_itself_hears_the_detail() -> None:
    events = ENDPOINTS["post_session_event"]
    back_end = Caller("t", "o", "", frozenset({"Integration"}))
    told, _ = failing(events, Conflict("another agent is there", code="Conflict", limit=1), back_end)
    assert (told["detail"], told["limit"]) == ("another agent is there", 1)


def test_a_back_end_whose_token_is_not_good_hears_what_a_visitor_hears() -> None:
    def refuse(token: str) -> Caller:
        raise NotKnown("the access token is made for https://graph.microsoft.com", code="TokenWrongAudience")

    def identified(call: web.Call) -> func.HttpResponse:
        call.identify("Integration")
        return call.nothing()

    core: Any = SimpleNamespace(callers=SimpleNamespace(of_bearer=refuse))
    wiring.use(core)
    try:
        request = func.HttpRequest("POST", "http://127.0.0.1/", headers={"authorization": "Bearer x"}, body=b"")
        events = ENDPOINTS["post_session_event"]
        response = web._run(events, identified, request)
    finally:
        wiring.use(None)
    assert json.loads(response.get_body())["detail"] == "The access token is not accepted."


def test_callers_with_an_account_still_hear_the_detail() -> None:
    settings = ENDPOINTS["get_openapi"]
    for exc in (NotFound("there is no such user", code="UserNotFound"), NotAllowed("not yours"), TooLarge("300 KiB")):
        told, _ = failing(settings, exc)
        assert told["detail"] == exc.detail
