"""What each call of a widget is charged to: by its address before its key is looked up, then by what it proves."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest

from functions import interact_widget_http, wiring
from functions.http.endpoints import ENDPOINTS
from functions.http.web import NOBODY, Call
from shared.interact.widget import rates
from shared.interact.widget.rates import WidgetRates
from shared.kernel.errors import NotKnown, RateLimited
from shared.kernel.wire import Wire
from shared.tenants.setting_catalogue import Interact

ADDRESS, ELSEWHERE, TENANT = "203.0.113.1", "198.51.100.1", "t1"
CALLS = ("get_widget", "start_session", "get_session", "post_session_event", "renew_session_token")
OF_SESSIONS = CALLS[2:]
SECRET = "the session's secret"


class Started(Wire):
    session_id: str
    session_secret: str


class OneWidget:
    """Every key is the tenant's; ``asked`` counts who wanted to know."""

    asked = 0

    def head(self, widget_key: str | None) -> Any:
        self.asked += 1
        settings = SimpleNamespace(interact=Interact(enabled=True))
        tenant = SimpleNamespace(value=SimpleNamespace(products=["Interact"]))
        return SimpleNamespace(tenant_id=TENANT, settings=SimpleNamespace(value=settings), tenant=tenant)

    def facts(self, head: Any) -> dict[str, Any]:
        return {}


class OneSession:
    """A session with one secret; ``served`` counts what got as far as it."""

    served = 0

    def of_customer(self, tenant_id: str, session_id: str, secret: str) -> Any:
        if secret != SECRET:
            raise NotKnown("the session secret is not the session's", code="SessionSecretInvalid")
        return None

    def state(self, held: Any) -> dict[str, Any]:
        self.served += 1
        return {}

    def token(self, held: Any) -> dict[str, Any]:
        return self.state(held)

    def customer_event(self, head: Any, held: Any, secret: str, event: Any) -> dict[str, Any]:
        return self.state(held)

    def start(self, head: Any, wanted: Any) -> Any:
        self.served += 1
        return Started(session_id=f"s{self.served}", session_secret=SECRET)


class AnyToken:
    """Accepts the token ``good``, and a tenant asks for one or not."""

    asks = False

    def check(self, tenant_id: str, settings: Any, token: str | None) -> bool:
        if self.asks and token != "good":
            raise NotKnown("no", code="TokenInvalid")
        return self.asks


@pytest.fixture
def interact() -> Iterator[Any]:
    room = SimpleNamespace(
        widget=OneWidget(), widget_rates=WidgetRates(lambda: 0.0), sessions=OneSession(), authorization=AnyToken()
    )
    core: Any = SimpleNamespace(interact=room)
    wiring.use(core)
    yield room
    wiring.use(None)


def make(name: str, address: str = ADDRESS, *, secret: str = "", token: str = "") -> None:
    """A call as the host hands it over; raises what the trigger raises."""
    headers = {"x-forwarded-for": address, "x-widget-key": "k", "content-type": "application/json"}
    headers |= {"x-session-secret": secret} if secret else {}
    headers |= {"authorization": f"Bearer {token}"} if token else {}
    start = name == "start_session"
    body = b'{"conversation": "direct", "target": "a@b.example"}' if start else b'{"type": "customerLeft"}'
    params = {} if name in CALLS[:2] else {"sessionId": "s1"}
    request = func.HttpRequest("GET", "http://127.0.0.1/", headers=headers, route_params=params, body=body)
    getattr(interact_widget_http, name)(Call(request, ENDPOINTS[name], "t", NOBODY))


def empty_the_key(limits: WidgetRates) -> None:
    for _ in range(rates.CALLS_PER_KEY.burst):
        limits.proved_nothing(TENANT)


def empty_the_address(limits: WidgetRates, *, but: int = 0) -> None:
    for _ in range(rates.CALLS_PER_ADDRESS.burst - but):
        limits.arrive(ADDRESS)


@pytest.mark.parametrize("name", CALLS)
def test_an_address_that_calls_too_often_is_told_before_its_key_is_looked_up(interact: Any, name: str) -> None:
    empty_the_address(interact.widget_rates)
    with pytest.raises(RateLimited, match="calls from your address"):
        make(name)
    assert interact.widget.asked == 0


@pytest.mark.parametrize("name", ["get_widget", *OF_SESSIONS])
def test_a_call_that_proves_nothing_is_charged_to_the_key_wherever_it_comes_from(interact: Any, name: str) -> None:
    """A wrong secret proves nothing, and neither does none at all."""
    for _ in range(rates.CALLS_PER_KEY.burst - 1):
        interact.widget_rates.proved_nothing(TENANT)
    if name == "get_widget":
        make(name)
    else:
        with pytest.raises(NotKnown):
            make(name, secret="guess")
    for secret in ("", "guess"):
        with pytest.raises(RateLimited, match="calls with this widget key"):
            make(name, ELSEWHERE, secret=secret)


@pytest.mark.parametrize("name", OF_SESSIONS)
def test_a_call_with_the_right_secret_is_served_though_the_key_is_used_up(interact: Any, name: str) -> None:
    empty_the_key(interact.widget_rates)
    for _ in range(rates.RENEWALS_PER_SESSION.burst):
        make(name, secret=SECRET)
    assert interact.sessions.served == rates.RENEWALS_PER_SESSION.burst


@pytest.mark.parametrize("name", OF_SESSIONS)
def test_a_session_started_here_is_served_at_an_address_that_is_used_up(interact: Any, name: str) -> None:
    make("start_session")
    empty_the_address(interact.widget_rates, but=1)  # the start took one
    make(name, secret=SECRET)
    with pytest.raises(RateLimited, match="calls from your address"):
        make(name, secret="guess")


def test_renewals_are_limited_by_session(interact: Any) -> None:
    for _ in range(rates.RENEWALS_PER_SESSION.burst):
        make("renew_session_token", secret=SECRET)
    with pytest.raises(RateLimited, match="new tokens for this session"):
        make("renew_session_token", secret=SECRET)
    make("get_session", secret=SECRET)


def test_a_start_with_an_accepted_token_is_served_though_strangers_used_up_the_starts(interact: Any) -> None:
    for number in range(rates.STARTS_PER_KEY.burst):
        make("start_session", f"203.{number % 256}.{number // 256}.9")
    with pytest.raises(RateLimited, match="sessions with this widget key"):
        make("start_session", ELSEWHERE)
    interact.authorization.asks = True
    make("start_session", ELSEWHERE, token="good")
    with pytest.raises(NotKnown):
        make("start_session", ELSEWHERE, token="bad")


def test_starts_are_limited_by_address_before_they_take_from_the_key(interact: Any) -> None:
    for _ in range(rates.STARTS_PER_ADDRESS.burst):
        make("start_session")
    for _ in range(rates.STARTS_PER_ADDRESS.burst):
        with pytest.raises(RateLimited, match="sessions from your address"):
            make("start_session")
    served = interact.sessions.served
    for number in range(rates.STARTS_PER_KEY.burst - served):
        make("start_session", f"203.{number % 256}.{number // 256}.9")
