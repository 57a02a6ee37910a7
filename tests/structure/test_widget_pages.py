"""Which pages of the widget are served where: its client everywhere, the demo in local runs only."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest

from functions import wiring
from functions.http.endpoints import ENDPOINTS
from functions.http.web import NOBODY, Call
from functions.widget_pages_http import fetch_widget_demo, fetch_widget_file
from shared.kernel.errors import NotFound


@pytest.fixture
def run() -> Iterator[Any]:
    """What a page may know of the app: whether this is a local run."""
    facts: Any = SimpleNamespace(local_run=True)
    wiring.use(facts)
    yield facts
    wiring.use(None)


def status(file: str) -> int:
    """The demo page for an empty name."""
    name = "fetch_widget_file" if file else "fetch_widget_demo"
    request = func.HttpRequest("GET", f"http://127.0.0.1/{file}", route_params={"file": file}, body=b"")
    handler = fetch_widget_file if file else fetch_widget_demo
    try:
        return int(handler(Call(request, ENDPOINTS[name], "t", NOBODY)).status_code)
    except NotFound:
        return 404


@pytest.mark.parametrize("file", ["", "demo.html", "demo.js", "demo.css"])
def test_the_demo_is_there_in_local_runs_only(run: Any, file: str) -> None:
    assert status(file) == 200
    run.local_run = False
    assert status(file) == 404


def test_the_client_is_there_for_every_website(run: Any) -> None:
    run.local_run = False
    assert status("nimbus-widget.js") == 200
