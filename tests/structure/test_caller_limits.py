"""Every call with a verified caller is counted, also one that is refused its role; calls that ask Microsoft twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest

import function_app
from functions import permissions_http, wiring
from functions.http import web
from functions.http.endpoints import ENDPOINTS, Endpoint
from shared.kernel.callers import AGENT, OPERATOR, TENANT_ADMIN, Caller, Callers
from shared.kernel.errors import NotKnown
from shared.tenants import caller_rates
from shared.tenants.caller_rates import CallerRates

assert function_app.app, "importing the app is what fills ENDPOINTS"
CONTOSO, HOME = "11111111-1111-4111-8111-111111111111", "99999999-9999-4999-8999-999999999999"
# Handlers that have Microsoft asked, now or by a message.
ASKING = {"check_interact_acs", "check_assistant_acs", "check_meeting", "try_presence_accounts", "check_filter"}
ASKING |= {"get_presence_accounts", "get_tenant_permissions", "put_watch_group", "search_contacts"}
ASKING |= {"make_assistant_token"}


class Tokens:
    """A token is ``tenant role``, or ``tenant role scope`` for one with another scope; any other is refused."""

    def verify(self, token: str) -> Any:
        tid, *said = token.split(" ")
        if not said:
            raise NotKnown("no", code="TokenInvalid")
        scopes = {said[1] if said[1:] else "access_as_user"}
        return SimpleNamespace(tid=tid, oid="someone", name="", roles={said[0]}, scopes=scopes, app_only=False)


@pytest.fixture
def rates() -> Iterator[CallerRates]:
    rates = CallerRates(lambda: 0.0)
    heads = SimpleNamespace(head=lambda tenant_id: SimpleNamespace(tenant_id=tenant_id))
    checks = SimpleNamespace(check=lambda head: {"components": []})
    audit = SimpleNamespace(note_read=lambda *_: None)
    callers = Callers(Tokens(), home_tenant_id=HOME, scopes=["access_as_user"])
    core: Any = SimpleNamespace(
        callers=callers, caller_rates=rates, tenants=heads, permissions=checks, operator_audit=audit
    )
    wiring.use(core)
    yield rates
    wiring.use(None)


def ask(token: str, tenant: str = CONTOSO) -> func.HttpResponse:
    request = func.HttpRequest(
        "GET",
        f"http://127.0.0.1/api/tenants/{tenant}/permissions",
        headers={"authorization": f"Bearer {token}"},
        route_params={"tenantId": tenant},
        body=b"",
    )
    endpoint = ENDPOINTS["get_tenant_permissions"]
    return web._run(endpoint, permissions_http.get_tenant_permissions, request)


def outcome(response: func.HttpResponse) -> tuple[int, str | None]:
    return response.status_code, json.loads(response.get_body()).get("code")


def test_a_caller_over_its_limit_is_told_when_to_come_back(rates: CallerRates) -> None:
    for _ in range(caller_rates.CALLS_PER_CALLER.burst):
        rates.call(Caller(CONTOSO, "someone", "", frozenset()))
    refused = ask(f"{CONTOSO} {TENANT_ADMIN}")
    assert outcome(refused) == (429, "RateLimited")
    assert refused.mimetype == "application/problem+json"
    assert int(refused.headers["Retry-After"]) >= 1


def test_a_refused_role_is_charged_and_a_refused_token_is_not(rates: CallerRates) -> None:
    for _ in range(caller_rates.CALLS_PER_CALLER.burst):
        assert outcome(ask(f"{CONTOSO} {AGENT}")) == (403, "RoleMissing")
        assert outcome(ask("nonsense")) == (401, "TokenInvalid")
    assert outcome(ask(f"{CONTOSO} {AGENT}")) == (429, "RateLimited")
    assert outcome(ask("nonsense")) == (401, "TokenInvalid")


def test_a_token_without_the_scope_is_charged_too(rates: CallerRates) -> None:
    for _ in range(caller_rates.CALLS_PER_CALLER.burst):
        assert outcome(ask(f"{CONTOSO} {TENANT_ADMIN} other")) == (403, "ScopeMissing")
    assert outcome(ask(f"{CONTOSO} {TENANT_ADMIN} other")) == (429, "RateLimited")


def test_a_call_that_asks_microsoft_has_the_tighter_limit(rates: CallerRates) -> None:
    for _ in range(caller_rates.UPSTREAM_PER_CALLER.burst):
        assert ask(f"{CONTOSO} {TENANT_ADMIN}").status_code == 200
    assert outcome(ask(f"{CONTOSO} {TENANT_ADMIN}")) == (429, "RateLimited")


def test_an_operator_at_the_limit_leaves_the_tenants_own_admins_alone(rates: CallerRates) -> None:
    for _ in range(caller_rates.UPSTREAM_PER_CALLER.burst):
        assert ask(f"{HOME} {OPERATOR}").status_code == 200
    assert ask(f"{HOME} {OPERATOR}").status_code == 429
    assert ask(f"{CONTOSO} {TENANT_ADMIN}").status_code == 200


def test_whatever_asks_microsoft_for_a_caller_is_registered_so() -> None:
    def asks(endpoint: Endpoint) -> bool:
        return endpoint.asks_microsoft

    assert {endpoint.name for endpoint in filter(asks, ENDPOINTS.values())} == ASKING
