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
from functions.http.operator_calls import SETTINGS_WRITES, WITHOUT_LINE
from functions.poison_http import requeue_any_poison
from shared.kernel.callers import OPERATOR, Caller, Role
from shared.kernel.errors import StorageDown
from shared.messaging.dead_letters import EVERYBODY, SetAside
from shared.tenants.caller_rates import CallerRates

REGISTERED = function_app  # importing it registers its endpoints
HOME, TENANT = (f"{n}0000000-0000-4000-8000-000000000000" for n in (9, 1))
OF_OPERATORS = [one for one in ENDPOINTS.values() if OPERATOR in one.roles]
INTO_TENANTS = [one for one in OF_OPERATORS if "{tenantId}" in one.path]
# Endpoints whose path names no tenant, and why their calls add no line before the handler runs.
OF_NO_TENANT = {
    "get_permissions": "the catalogue is the same for all tenants",
    "get_settings_schema": "the schema is the same for all tenants",
    "list_search_fields": "the fields are the same for all tenants",
    "list_tenants": "names and licensed products are the platform's bookkeeping",
    "list_all_poison": "queue, reason and time are the platform's bookkeeping; the messages are not shown",
    "requeue_any_poison": "the handler adds the line once it knows the tenant of the message",
}


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
    elif endpoint.method == "GET" or endpoint.name in SETTINGS_WRITES:
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
    assert {endpoint.name for endpoint in INTO_TENANTS} >= WITHOUT_LINE | SETTINGS_WRITES


def test_each_endpoint_for_operators_either_names_a_tenant_or_has_a_reason_not_to() -> None:
    assert {endpoint.name for endpoint in OF_OPERATORS if endpoint not in INTO_TENANTS} == OF_NO_TENANT.keys()


def test_a_settings_write_that_changes_nothing_still_leaves_a_line_since_its_answer_is_the_document(
    audit: Audit,
) -> None:
    for name in ("put_settings", "patch_settings", "delete_settings"):
        assert called(name, HOME) == (204, True)
    assert audit.told == [("read", TENANT, "ola")] * 3


class Messages:
    """Set aside for a tenant, or for none where the id is ``nobodys``. ``told`` is the audit at the time of sending."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self.sent: list[tuple[str, str]] = []
        self.told: list[tuple[str, ...]] = []

    def tenant_of(self, note_id: str) -> str | None:
        return None if note_id == "nobodys" else TENANT

    def requeue(self, whose: str, note_id: str) -> SetAside:
        self.told = [*self._audit.told]
        self.sent.append((whose, note_id))
        return SetAside(id=note_id, queue="q", reason="r", at="2026-03-01T12:00:00.000Z", attempts=5)


@pytest.fixture
def poison(audit: Audit) -> Messages:
    messages: Any = Messages(audit)
    current: Any = wiring.core()
    current.poison = messages
    return messages  # type: ignore[no-any-return]


def requeued(note_id: str) -> int:
    path = f"http://127.0.0.1/api/outbound/poison/{note_id}/requeue"
    headers = {"authorization": f"Bearer {HOME}"}
    request = func.HttpRequest("POST", path, headers=headers, route_params={"id": note_id}, body=b"")
    status: int = web._run(ENDPOINTS["requeue_any_poison"], requeue_any_poison, request).status_code
    return status


def test_an_operator_who_sends_a_tenants_message_again_leaves_a_line_there_first(
    audit: Audit, poison: Messages
) -> None:
    line = ("call", TENANT, "ola", "POST", "/api/outbound/poison/7/requeue")
    assert requeued("7") == 200
    assert (poison.sent, poison.told, audit.told) == ([(TENANT, "7")], [line], [line])


def test_without_its_line_a_tenants_message_is_not_sent_again(audit: Audit, poison: Messages) -> None:
    audit.down = True
    assert requeued("7") == 503
    assert poison.sent == []


def test_a_message_of_no_tenant_is_sent_again_without_a_line(audit: Audit, poison: Messages) -> None:
    assert requeued("nobodys") == 200
    assert (poison.sent, audit.told) == ([(EVERYBODY, "nobodys")], [])
