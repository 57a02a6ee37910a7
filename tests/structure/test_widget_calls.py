"""Each call of a widget is counted: by its address before anybody asks whose key it shows, then by the key."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest

from functions import interact_widget_http, wiring
from functions.endpoints import ENDPOINTS
from functions.web import NOBODY, Call
from shared.errors import RateLimited
from shared.interact import rates
from shared.interact.rates import WidgetRates

ADDRESS, TENANT = "203.0.113.1", "t1"
CALLS = ("get_widget", "start_session", "get_session", "post_session_event", "renew_session_token")


class OneWidget:
    """Every key is the tenant's; ``asked`` counts who wanted to know."""

    asked = 0

    def head(self, widget_key: str | None) -> Any:
        self.asked += 1
        return SimpleNamespace(tenant_id=TENANT)


@pytest.fixture
def interact() -> Iterator[Any]:
    room = SimpleNamespace(widget=OneWidget(), widget_rates=WidgetRates(lambda: 0.0))
    core: Any = SimpleNamespace(interact=room)
    wiring.use(core)
    yield room
    wiring.use(None)


def make(name: str) -> None:
    headers = {"x-forwarded-for": ADDRESS, "x-widget-key": "k"}
    request = func.HttpRequest("GET", "http://127.0.0.1/", headers=headers, body=b"")
    getattr(interact_widget_http, name)(Call(request, ENDPOINTS[name], "t", NOBODY))


@pytest.mark.parametrize("name", CALLS)
def test_an_address_that_calls_too_often_is_told_before_its_key_is_looked_up(interact: Any, name: str) -> None:
    for _ in range(rates.CALLS_PER_ADDRESS.burst):
        interact.widget_rates.address(ADDRESS)
    with pytest.raises(RateLimited, match="calls from your address"):
        make(name)
    assert interact.widget.asked == 0


@pytest.mark.parametrize("name", CALLS)
def test_a_key_that_is_used_too_often_is_told_so_wherever_the_calls_come_from(interact: Any, name: str) -> None:
    for _ in range(rates.CALLS_PER_KEY.burst):
        interact.widget_rates.key(TENANT)
    with pytest.raises(RateLimited, match="calls with this widget key"):
        make(name)
