"""Which of an Operator's calls leave a line in the tenant's history, and that the line comes first."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest

import function_app
from functions import wiring
from functions.http import web
from functions.http.endpoints import ENDPOINTS
from functions.http.operator_calls import WITHOUT_LINE
from shared.kernel.callers import OPERATOR, Caller, Role
from shared.kernel.errors import StorageDown
from shared.tenants.caller_rates import CallerRates

REGISTERED = function_app  # importing it registers its endpoints
HOME, TENANT = (f"{n}0000000-0000-4000-8000-000000000000" for n in (9, 1))
INTO_TENANTS = [one for one in ENDPOINTS.values() if OPERATOR in one.roles and "{tenantId}" in one.path]


class Audit:
    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []
        self.down = False

    def note_read(self, tenant_id: str, by: Caller) -> None:
        self._tell("read", tenant_id, by.oid)

    def note_call(self, tenant_id: str, by: Caller, method: str, path: str) -> None:
        self._tell("call", tenant_id, by.oid, method, path)

    def _tell(self, *line: str) -> None:
        if self.down:
            raise StorageDown("nobody there")
        self.told.append(line)


@pytest.fixture
def audit() -> Iterator[Audit]:
    audit = Audit()

    def caller(token: str) -> Caller:
        roles: frozenset[Role] = frozenset({"Operator"} if token == HOME else {"TenantAdmin"})
        return Caller(token, "ola", "Ola", roles)

    core: Any = SimpleNamespace(
        callers=SimpleNamespace(of_bearer=caller),
        caller_rates=CallerRates(),
        tenants=SimpleNamespace(head=lambda tenant_id: SimpleNamespace(tenant_id=tenant_id)),
        operator_audit=audit,
    )
    wiring.use(core)
    yield audit
    wiring.use(None)


def called(name: str, tid: str, tenant: str = TENANT) -> tuple[int, bool]:
    """The status, and whether the handler ran."""
    ran: list[bool] = []

    def handler(call: web.Call) -> func.HttpResponse:
        ran.append(True)
        return call.nothing()

    request = func.HttpRequest(
        ENDPOINTS[name].method,
        f"http://127.0.0.1/api/tenants/{tenant}/some?top=1",
        headers={"authorization": f"Bearer {tid}"},
        route_params={"tenantId": tenant},
        body=b"",
    )
    return web._run(ENDPOINTS[name], handler, request).status_code, bool(ran)


@pytest.mark.parametrize("endpoint", INTO_TENANTS, ids=lambda endpoint: endpoint.name)
def test_each_call_of_an_operator_into_a_tenant_leaves_a_line(audit: Audit, endpoint: Any) -> None:
    assert called(endpoint.name, HOME) == (204, True)
    expected: list[tuple[str, ...]]
    if endpoint.name in WITHOUT_LINE:
        expected = []
    elif endpoint.method == "GET":
        expected = [("read", TENANT, "ola")]
    else:
        expected = [("call", TENANT, "ola", endpoint.method, f"/api/tenants/{TENANT}/some")]
    assert audit.told == expected


@pytest.mark.parametrize("name", ["get_settings", "list_services", "put_service"])
def test_without_its_line_a_call_does_nothing(audit: Audit, name: str) -> None:
    audit.down = True
    assert called(name, HOME) == (503, False)


@pytest.mark.parametrize("name", ["get_settings", "put_service"])
def test_an_admin_leaves_none_and_an_operator_at_home_neither(audit: Audit, name: str) -> None:
    assert called(name, TENANT) == (204, True)
    assert called(name, HOME, HOME) == (204, True)
    assert called(name, TENANT, HOME) == (403, False)
    assert audit.told == []


def test_what_leaves_no_line_is_named_rightly() -> None:
    assert {endpoint.name for endpoint in INTO_TENANTS} >= WITHOUT_LINE
