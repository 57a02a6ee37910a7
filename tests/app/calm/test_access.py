"""Who may call what: tokens, roles and tenants, on the running app."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest

from tests.app.stack import CONTOSO, FABRIKAM, HOME, AppStack

PERSONAL_ACCOUNTS = "9188040d-6c67-4c5b-b112-36a304b66dad"
SETTINGS = f"/api/tenants/{CONTOSO}/settings"


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    "audience",
    [
        "api://nimbus-extensions",
        "API://Nimbus-Extensions/",
        "a0000000-0000-4000-8000-000000000001",
        "A0000000-0000-4000-8000-000000000001",
    ],
)
def test_both_token_versions_and_both_audiences_are_accepted(stack: AppStack, version: int, audience: str) -> None:
    token = stack.token(version=version, audience=audience)
    assert stack.call("GET", SETTINGS, token=token).status_code == 200


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"expiresIn": -120}, "TokenExpired"),
        ({"notBefore": 600}, "TokenNotYetValid"),
        ({"audience": "https://graph.microsoft.com"}, "TokenWrongAudience"),
        ({"claims": {"tid": FABRIKAM}}, "TokenInvalid"),
        ({"claims": {"iss": "https://sts.windows.net/evil/"}}, "TokenInvalid"),
        ({"claims": {"exp": None}}, "TokenInvalid"),
        ({"claims": {"oid": None}}, "TokenInvalid"),
        ({"audience": "api://a0000000-0000-4000-8000-000000000001"}, "TokenWrongAudience"),
        ({"tenantId": PERSONAL_ACCOUNTS}, "TokenInvalid"),
        ({"idToken": True}, "TokenInvalid"),
        ({"idToken": True, "claims": {"nonce": None}}, "TokenInvalid"),  # of a renewal
        ({"idToken": True, "claims": {"nonce": None}, "roles": ["Integration"]}, "TokenInvalid"),
        ({"idToken": True, "claims": {"nonce": None}, "version": 1}, "TokenInvalid"),
        ({"claims": {"scp": None}}, "TokenInvalid"),
        ({"claims": {"scp": None, "idtyp": None}}, "TokenInvalid"),
        ({"claims": {"scp": ""}}, "TokenInvalid"),
    ],
)
def test_a_bad_token_is_401_and_says_why(stack: AppStack, claims: dict[str, Any], code: str) -> None:
    answer = stack.call("GET", SETTINGS, token=stack.token(**claims))
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "Bearer a.b.c", "Bearer " + "x" * 9000])
def test_a_header_that_is_no_token_is_401(stack: AppStack, header: str) -> None:
    answer = stack.call("GET", SETTINGS, token=None, headers={"Authorization": header})
    assert answer.status_code == 401, answer.text


def test_keys_rotate_without_a_restart_and_a_key_nobody_published_is_refused(stack: AppStack) -> None:
    before = stack.token()
    stack.control("POST", "keys/rotate")
    for _ in range(10):  # both worker processes
        assert stack.call("GET", SETTINGS, token=stack.token()).status_code == 200
    assert stack.call("GET", SETTINGS, token=before).status_code == 200
    answer = stack.call("GET", SETTINGS, token=stack.token(key="unknown"))
    assert (answer.status_code, answer.json()["code"]) == (401, "TokenInvalid")


@pytest.mark.parametrize(
    ("roles", "more", "status", "code"),
    [
        (["Agent"], {}, 403, "RoleMissing"),
        (["ServiceOwner"], {}, 403, "RoleMissing"),
        (["Operator"], {}, 403, "RoleMissing"),  # not from the home tenant
        (["Integration"], {}, 403, "RoleMissing"),  # a person's token
        (["Integration"], {"appOnly": True}, 200, None),
        (["Integration"], {"appOnly": True, "version": 1, "claims": {"idtyp": None}}, 200, None),
        (["Integration"], {"appOnly": True, "claims": {"idtyp": None}}, 200, None),
        (["Nobody"], {}, 403, "RoleMissing"),
    ],
)
def test_roles_count_only_where_they_belong(
    stack: AppStack, roles: list[str], more: dict[str, Any], status: int, code: str | None
) -> None:
    answer = stack.call("GET", SETTINGS, token=stack.token(CONTOSO, *roles, **more))
    assert (answer.status_code, answer.json().get("code")) == (status, code)


def test_an_integration_may_read_settings_and_not_write_them(stack: AppStack) -> None:
    token = stack.token(CONTOSO, "Integration", appOnly=True)
    assert stack.call("PATCH", SETTINGS, {}, token=token, etag='"1"').status_code == 403


def test_a_tenant_that_is_not_onboarded_is_403_and_for_operators_404(stack: AppStack) -> None:
    stranger = str(uuid.uuid4())
    mine = stack.call("GET", f"/api/tenants/{stranger}/settings", token=stack.token(stranger))
    assert (mine.status_code, mine.json()["code"]) == (403, "TenantNotOnboarded")
    operator = stack.token(HOME, "Operator")
    asked = stack.call("GET", f"/api/tenants/{stranger}/settings", token=operator)
    assert (asked.status_code, asked.json()["code"]) == (404, "TenantNotFound")
    assert stack.call("GET", "/api/tenants/not-a-guid/settings", token=operator).status_code == 404


@pytest.mark.parametrize("path", ["/api/settings/schema", "/api/search-fields", "/api/permissions"])
def test_what_belongs_to_no_tenant_is_for_those_of_a_tenant_and_operators(stack: AppStack, path: str) -> None:
    stranger = str(uuid.uuid4())
    refused = stack.call("GET", path, token=stack.token(stranger))
    assert (refused.status_code, refused.json()["code"]) == (403, "TenantNotOnboarded")
    assert stack.call("GET", path, token=stack.token(stranger, "Operator")).status_code == 403
    assert stack.call("GET", path, token=stack.token(HOME, "Operator")).status_code == 200
    assert stack.call("GET", path).status_code == 200


def test_an_operator_reaches_every_tenant_and_a_tenant_id_in_capitals_is_the_same(stack: AppStack) -> None:
    operator = stack.token(HOME, "Operator")
    assert stack.call("GET", SETTINGS, token=operator).status_code == 200
    assert (
        stack.call("GET", SETTINGS.upper().replace("/API/TENANTS", "/api/tenants"), token=operator).status_code == 200
    )


def test_a_services_and_users_list_never_crosses_tenants(stack: AppStack) -> None:
    fabrikam = stack.token(FABRIKAM)
    for kind in ("services", "users"):
        contoso_items = stack.call("GET", f"/api/tenants/{CONTOSO}/{kind}").json()["items"]
        listed = stack.call("GET", f"/api/tenants/{FABRIKAM}/{kind}", token=fabrikam).json()
        upns = {item["upn"] for item in contoso_items}
        assert upns.isdisjoint(item["upn"] for item in listed["items"])
        assert stack.call("GET", f"/api/tenants/{CONTOSO}/{kind}", token=fabrikam).status_code == 403


def test_a_continuation_serves_the_list_and_tenant_it_was_given_for_and_no_other(stack: AppStack) -> None:
    def listed(path: str, continuation: str, token: str) -> tuple[int, str]:
        answer = stack.call("GET", path, params={"top": 1, "continuation": continuation}, token=token)
        return answer.status_code, answer.json().get("code", "")

    services, users = (f"/api/tenants/{CONTOSO}/{kind}" for kind in ("services", "users"))
    given = stack.call("GET", f"{services}?top=1").json()["continuation"]
    assert "contoso" not in given
    assert listed(services, given, stack.admin_token) == (200, "")
    refused = (422, "InvalidValue")
    assert listed(users, given, stack.admin_token) == refused
    assert listed(services.replace(CONTOSO, FABRIKAM), given, stack.token(FABRIKAM)) == refused
    for garbage in ("x", "service:a@b.example", given[:-2], "é" * 9, "v1.local.a.b", "v1." + "A" * 5000):
        assert listed(services, garbage, stack.admin_token) == refused


def test_a_filter_that_is_left_empty_is_422_and_not_the_whole_list(stack: AppStack) -> None:
    presence = f"/api/tenants/{CONTOSO}/presence"
    for name in ("userId", "upn"):
        answer = stack.call("GET", f"{presence}?{name}=&top=5")
        assert answer.status_code == 422
        assert [finding["path"] for finding in answer.json()["errors"]] == [name]
    assert stack.call("GET", f"{presence}?top=&continuation=").status_code == 200, "the first page, as of any form"


def test_the_trace_of_the_caller_is_taken_up(stack: AppStack) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "x-ms-client-tracking-id": "flow-42\r\n evil"[:7]}
    answer = stack.call("GET", SETTINGS, headers=headers)
    assert answer.headers["x-trace-id"] == trace


def test_no_log_line_holds_a_token(stack: AppStack) -> None:
    token = stack.token(name="Marked Caller")
    assert stack.call("GET", SETTINGS, token=token).status_code == 200
    said = " ".join(str(event) for event in stack.events("log") + stack.events("invocation"))
    assert re.search(r"eyJ[A-Za-z0-9_-]{10,}\.", said) is None
