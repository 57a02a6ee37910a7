"""Log lines say whom they are about: the tenant, and of a call the caller as well, refused or not."""

from __future__ import annotations

import ast
import json
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest

from functions import settings_http, wiring
from functions.http import messages, web
from functions.http.endpoints import ENDPOINTS
from shared.kernel.callers import Callers
from shared.kernel.errors import NotFound, NotKnown, StorageDown
from shared.tenants.caller_rates import CallerRates
from tests.structure.source import ROOT, modules

REGISTERED = settings_http  # importing it registers its endpoints
HOME, OPENED, OTHER = (f"{n}0000000-0000-4000-8000-000000000000" for n in (9, 1, 2))
# Lines about what belongs to no tenant, or whose tenant is not known where they are written.
ABOUT_NO_TENANT = {
    "Entra's signing keys cannot be renewed",
    "Entra's signing keys can be renewed again",
    "work in a thread of its own failed",
    "a user without a token cannot be deleted",  # names the user, whose id names the resource
    "journal tidied",
    "a widget key was refused",  # one that belongs to nobody
    "app settings need attention",
    "unexpected error",  # has the trace id of the call's line
}


def lines() -> Iterator[tuple[str, str, set[str | None]]]:
    """Where each log line stands, how it begins, and what it tells."""
    for room in ("shared", "functions"):
        for module in modules(ROOT, room):
            for node in ast.walk(module.tree):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in ("log.info", "log.warning", "log.error"):
                    message = ast.literal_eval(node.args[0]) if isinstance(node.args[0], ast.Constant) else "?"
                    yield f"{module.name}:{node.lineno}", message, {keyword.arg for keyword in node.keywords}


def test_each_line_names_its_tenant() -> None:
    found = list(lines())
    assert len(found) > 60
    assert [(place, text) for place, text, told in found if "tenant" not in told and text not in ABOUT_NO_TENANT] == []
    assert {text for _, text, _ in found} >= ABOUT_NO_TENANT


class Tokens:
    """Verifies tokens ``<role>@<tid>``; the role ``unscoped`` stands for an admin's token without the scope."""

    def verify(self, token: str) -> Any:
        if token == "bad":
            raise NotKnown("the access token is not valid")
        role, _, tid = token.partition("@")
        scopes, roles = ({"other"}, {"TenantAdmin"}) if role == "unscoped" else ({"access_as_user"}, {role})
        return SimpleNamespace(tid=tid, oid=f"oid-of-{role}", name="Name", roles=roles, scopes=scopes, app_only=False)


class OnlyOne:
    def head(self, tenant_id: str) -> Any:
        if tenant_id != OPENED:
            raise NotFound("there is no such tenant", code="TenantNotFound")
        return SimpleNamespace(tenant_id=tenant_id)


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    core: Any = SimpleNamespace(
        callers=Callers(Tokens(), home_tenant_id=HOME, scopes=["access_as_user"]),
        caller_rates=CallerRates(),
        tenants=OnlyOne(),
        operator_audit=SimpleNamespace(note_read=lambda *_: None),
    )
    wiring.use(core)
    with caplog.at_level(logging.INFO, "nimbus"):
        yield caplog
    wiring.use(None)


@pytest.mark.parametrize(
    ("token", "tenant", "status", "said"),
    [
        (f"TenantAdmin@{OPENED}", OPENED, 204, (OPENED, "oid-of-TenantAdmin", OPENED, None)),
        (f"Operator@{HOME}", OPENED, 204, (OPENED, "oid-of-Operator", HOME, None)),
        (f"Operator@{HOME}", OPENED.upper(), 204, (OPENED, "oid-of-Operator", HOME, None)),
        (f"Operator@{HOME}", OTHER, 404, (OTHER, "oid-of-Operator", HOME, "TenantNotFound")),
        (f"Agent@{OPENED}", OPENED, 403, (OPENED, "oid-of-Agent", OPENED, "RoleMissing")),
        (f"TenantAdmin@{OTHER}", OPENED, 403, (OPENED, "oid-of-TenantAdmin", OTHER, "WrongTenant")),
        (f"TenantAdmin@{OTHER}", OTHER, 403, (OTHER, "oid-of-TenantAdmin", OTHER, "TenantNotOnboarded")),
        (f"TenantAdmin@{OTHER}", "evil\nline", 403, (OTHER, "oid-of-TenantAdmin", OTHER, "WrongTenant")),
        (f"unscoped@{OPENED}", OPENED, 403, (OPENED, "oid-of-unscoped", OPENED, "ScopeMissing")),
        ("bad", OPENED, 401, (OPENED, None, None, "Unauthenticated")),
    ],
)
def test_a_call_names_the_tenant_it_is_about_and_who_called_even_if_refused(
    logged: pytest.LogCaptureFixture, token: str, tenant: str, status: int, said: tuple[str | None, ...]
) -> None:
    request = func.HttpRequest(
        "GET",
        "http://127.0.0.1/",
        headers={"authorization": f"Bearer {token}"},
        route_params={"tenantId": tenant},
        body=b"",
    )
    response = web._run(ENDPOINTS["get_settings"], lambda call: call.nothing(), request)
    assert response.status_code == status
    (line,) = [record for record in logged.records if record.getMessage().startswith("call ")]
    names = ("tenant", "caller", "caller_tenant", "code")
    assert tuple(getattr(line, f"nimbus_{name}", None) for name in names) == said
    assert not hasattr(line, "nimbus_detail")  # the caller has read it


@pytest.mark.parametrize(
    ("body", "tenant"),
    [
        (json.dumps({"tenantId": OPENED.upper()}).encode(), OPENED),
        (b'{"tenantId": "x\\ny"}', None),
        (b"{}", None),
        (b"nonsense", None),
    ],
)
def test_a_queue_message_that_fails_names_its_tenant(
    caplog: pytest.LogCaptureFixture, body: bytes, tenant: str | None
) -> None:
    message = func.QueueMessage(id="m", body=body)
    with pytest.raises(StorageDown), messages.failures_logged(message, "poll_presence"):
        raise StorageDown("nobody there")
    (line,) = caplog.records
    assert getattr(line, "nimbus_tenant", None) == tenant
    assert (line.nimbus_operation, line.nimbus_why) == ("poll_presence", "StorageUnavailable")  # type: ignore[attr-defined]


@pytest.mark.parametrize("module", [one for one in modules(ROOT, "functions") if one.name.endswith("_queue")])
def test_each_queue_trigger_logs_its_failures(module: Any) -> None:
    assert module.text.count("failures_logged(message, ") == module.text.count("queue_trigger(")
