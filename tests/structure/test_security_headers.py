"""Every kind of answer carries the headers that guard it, and is kept by nobody unless it says so.

That every function gives them is shown beside the calls of all functions, in test_conformance.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest

import function_app
from functions import widget_pages_http, wiring
from functions.http import consent_page, web
from functions.http.endpoints import ENDPOINTS, Endpoint
from functions.http.web import Call
from shared.kernel.errors import Malformed, NotKnown, RateLimited
from shared.presence.guest_accounts.consent import Consent
from tests.structure.guarded import GUARDS, NO_FRAMES

assert function_app.app, "importing the app is what fills ENDPOINTS"
OPEN: Endpoint = dataclasses.replace(ENDPOINTS["get_live"], name="tried")


def answer(handle: Callable[[Call], func.HttpResponse], endpoint: Endpoint = OPEN, **headers: str) -> dict[str, str]:
    """Returns the headers, their names in lower case."""
    return answer_to(func.HttpRequest("GET", "http://127.0.0.1/", headers=headers, body=b""), handle, endpoint)


def answer_to(
    request: func.HttpRequest, handle: Callable[[Call], func.HttpResponse], endpoint: Endpoint
) -> dict[str, str]:
    response = web._run(endpoint, handle, request)
    return {name.lower(): value for name, value in response.headers.items()}


def fails(error: Exception) -> Callable[[Call], func.HttpResponse]:
    def handle(call: Call) -> func.HttpResponse:
        raise error

    return handle


@pytest.fixture
def local_run() -> Iterator[None]:
    core: Any = SimpleNamespace(local_run=True)
    wiring.use(core)
    yield
    wiring.use(None)


KINDS: dict[str, Callable[[Call], func.HttpResponse]] = {
    "JSON": lambda call: call.ok({"a": 1}),
    "JSON with an ETag": lambda call: call.ok({}, etag=3),
    "a table": lambda call: call.csv("a,b", None),
    "a page": lambda call: call.html("<p>hello</p>"),
    "nothing": lambda call: call.nothing(),
    "nothing with 200": lambda call: call.nothing(200),
    "a refusal": fails(NotKnown("who are you?")),
    "a rate limit": fails(RateLimited("too many", retry_after=3)),
    "a mistake of ours": fails(ZeroDivisionError()),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_of_any_kind_is_guarded_and_not_stored(kind: str) -> None:
    found = answer(KINDS[kind])
    assert found.items() >= GUARDS.items()
    assert found["cache-control"] == "no-store"
    assert found["x-trace-id"]


@pytest.mark.parametrize("kind", KINDS)
def test_so_is_one_that_pages_of_other_origins_may_read(kind: str) -> None:
    found = answer(KINDS[kind], dataclasses.replace(OPEN, from_pages=True), origin="https://shop.example")
    assert found.items() >= GUARDS.items()
    assert (found["cache-control"], found["vary"]) == ("no-store", "Origin")


@pytest.mark.parametrize(
    "page",
    [
        consent_page.neutral_page(),
        consent_page.page(Consent("Contoso", ())),
        consent_page.page(Consent("Contoso", ("Presence.Read.All",))),
    ],
)
def test_a_page_with_data_is_not_stored_and_stands_in_no_frame(page: str) -> None:
    found = answer(lambda call: call.html(page))
    assert found["cache-control"] == "no-store"
    assert NO_FRAMES in found["content-security-policy"]
    assert "script" not in found["content-security-policy"]


def test_a_link_that_leads_nowhere_is_not_stored_either() -> None:
    refused = answer(fails(Malformed("this link is old", code="ConsentStateInvalid")))
    assert refused["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("file", "cache"),
    [
        ("nimbus-widget.js", "public, max-age=3600"),
        ("demo.js", "no-cache"),
        ("demo.css", "no-cache"),
        ("demo.html", "no-cache"),
    ],
)
@pytest.mark.usefixtures("local_run")
def test_a_file_is_guarded_and_keeps_its_own_time_in_caches(file: str, cache: str) -> None:
    def fetched(**headers: str) -> dict[str, str]:
        path = {"file": file}
        request = func.HttpRequest("GET", "http://127.0.0.1/", headers=headers, route_params=path, body=b"")
        return answer_to(request, widget_pages_http.fetch_widget_file, ENDPOINTS["fetch_widget_file"])

    found = fetched()
    assert found.items() >= GUARDS.items()
    assert found["cache-control"] == cache
    unchanged = fetched(**{"if-none-match": found["etag"]})
    assert unchanged.items() >= GUARDS.items() | {("cache-control", cache)}
    assert (NO_FRAMES in found.get("content-security-policy", "")) == file.endswith(".html")
