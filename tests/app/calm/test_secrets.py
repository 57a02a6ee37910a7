"""Connection strings: write-only, checked before they are kept, and checked against the resource on request."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from shared.interact.acs.connection_check import MOST_CHECKS
from tests.app.stack import AppStack, NewTenant

CONTOSO_KEY = base64.b64encode(b"\x01" * 64).decode()
CONTOSO_STRING = f"endpoint=https://contoso.communication.azure.com/;accesskey={CONTOSO_KEY}"
INTERACT = "interact.acsConnectionString"


@pytest.fixture
def tenant(stack: AppStack) -> NewTenant:
    return stack.new_tenant(services=0)


@pytest.fixture
def path(tenant: NewTenant) -> str:
    return f"/api/tenants/{tenant.id}/settings"


def patch(tenant: NewTenant, path: str, body: Any) -> Any:
    etag = tenant.call("GET", path).headers["ETag"]
    return tenant.call("PATCH", path, body, etag=etag)


def test_a_secret_can_be_set_replaced_kept_and_cleared_and_never_read(tenant: NewTenant, path: str) -> None:
    assert tenant.call("GET", path).json()["interact"]["acsConnectionString"]["set"] is False
    saved = patch(tenant, path, {"interact": {"acsConnectionString": CONTOSO_STRING, "enabled": True}})
    secret = saved.json()["interact"]["acsConnectionString"]
    assert (secret["set"], secret["endpoint"]) == (True, "https://contoso.communication.azure.com")
    assert len(secret["fingerprint"]) == 16
    assert CONTOSO_KEY not in saved.text
    assert "sealed" not in saved.text

    read = tenant.call("GET", path)
    same = tenant.call("PUT", path, read.json(), etag=read.headers["ETag"])
    assert same.headers["ETag"] == read.headers["ETag"]
    without: dict[str, Any] = {"interact": {"enabled": True}}
    kept = tenant.call("PUT", path, without, etag=read.headers["ETag"]).json()
    assert kept["interact"]["acsConnectionString"]["fingerprint"] == secret["fingerprint"]
    again = patch(tenant, path, {"interact": {"acsConnectionString": CONTOSO_STRING}})
    assert again.json()["interact"]["acsConnectionString"]["fingerprint"] == secret["fingerprint"]

    refused = patch(tenant, path, {"interact": {"acsConnectionString": None}})
    assert refused.status_code == 422
    assert [(f["path"], f["code"]) for f in refused.json()["errors"]] == [(INTERACT, "Required")]
    cleared = patch(tenant, path, {"interact": {"acsConnectionString": None, "enabled": False}})
    assert cleared.json()["interact"]["acsConnectionString"]["set"] is False


def test_a_reset_clears_secrets_and_keeps_the_widget_key(tenant: NewTenant, path: str) -> None:
    patch(
        tenant,
        path,
        {"interact": {"acsConnectionString": CONTOSO_STRING}, "outbound": {"maxScheduledTasksPerService": 3}},
    )
    key = tenant.call("GET", f"/api/tenants/{tenant.id}/interact/widget-key").json()
    assert tenant.call("DELETE", path).status_code == 428
    etag = tenant.call("GET", path).headers["ETag"]
    reset = tenant.call("DELETE", path, etag=etag)
    assert reset.status_code == 200
    assert reset.json()["interact"]["acsConnectionString"]["set"] is False
    assert reset.json()["outbound"]["maxScheduledTasksPerService"] == 20
    assert tenant.call("GET", f"/api/tenants/{tenant.id}/interact/widget-key").json() == key


@pytest.mark.parametrize("section", ["interact", "assistant"])
def test_a_switch_that_needs_a_string_says_so(tenant: NewTenant, path: str, section: str) -> None:
    switch = {"interact": "enabled", "assistant": "useOwnAcs"}[section]
    answer = patch(tenant, path, {section: {switch: True}})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == f"{section}.acsConnectionString"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("nonsense", "InvalidConnectionString"),
        (f"endpoint=https://evil.example/;accesskey={CONTOSO_KEY}", "HostNotAllowed"),
        (f"endpoint=https://x.communication.azure.com.evil.example/;accesskey={CONTOSO_KEY}", "HostNotAllowed"),
        (f"endpoint=http://contoso.communication.azure.com/;accesskey={CONTOSO_KEY}", "InvalidConnectionString"),
        (f"endpoint=https://contoso.communication.azure.com:444/;accesskey={CONTOSO_KEY}", "InvalidConnectionString"),
        ("endpoint=https://contoso.communication.azure.com/;accesskey=%%%", "InvalidConnectionString"),
        (CONTOSO_STRING + ";accesskey=AAAA", "InvalidConnectionString"),
        (CONTOSO_STRING + "x" * 10_000, "InvalidConnectionString"),
    ],
)
def test_a_string_that_could_lead_elsewhere_is_refused_before_anything_is_sent(
    stack: AppStack, tenant: NewTenant, path: str, text: str, code: str
) -> None:
    answer = patch(tenant, path, {"interact": {"acsConnectionString": text}})
    assert answer.status_code == 422
    assert [(f["path"], f["code"]) for f in answer.json()["errors"]] == [(INTERACT, code)]
    check = tenant.call("POST", f"/api/tenants/{tenant.id}/interact/acs-check", {"connectionString": text})
    assert (check.status_code, check.json()["ok"], check.json()["outcome"]) == (200, False, code)
    assert check.json()["remedy"]
    assert "evil" not in json.dumps(stack.control("GET", "requests"))


def test_the_stored_string_is_checked_and_the_outcome_kept_without_a_new_version(tenant: NewTenant, path: str) -> None:
    check = f"/api/tenants/{tenant.id}/interact/acs-check"
    nothing = tenant.call("POST", check)
    assert (nothing.status_code, nothing.json()["errors"][0]["path"]) == (422, "connectionString")
    etag = patch(tenant, path, {"interact": {"acsConnectionString": CONTOSO_STRING}}).headers["ETag"]
    result = tenant.call("POST", check)
    assert (result.status_code, result.json()["outcome"], result.json()["ok"]) == (200, "TokenIssued", True)
    read = tenant.call("GET", path)
    assert read.headers["ETag"] == etag
    assert read.json()["interact"]["acsConnectionString"]["lastCheck"]["outcome"] == "TokenIssued"
    denied = CONTOSO_STRING.replace(CONTOSO_KEY, base64.b64encode(b"\x02" * 64).decode())
    assert tenant.call("POST", check, {"connectionString": denied}).json()["outcome"] == "Denied"
    kept = tenant.call("GET", path).json()["interact"]["acsConnectionString"]["lastCheck"]
    assert kept["outcome"] == "TokenIssued"  # of the stored string, not of the one tried
    patch(tenant, path, {"interact": {"acsConnectionString": denied}})
    assert tenant.call("GET", path).json()["interact"]["acsConnectionString"]["lastCheck"] is None


def test_one_check_too_many_within_a_minute_is_429(tenant: NewTenant) -> None:
    check = f"/api/tenants/{tenant.id}/assistant/acs-check"
    answers = [tenant.call("POST", check, {"connectionString": "x"}) for _ in range(MOST_CHECKS + 1)]
    assert [answer.status_code for answer in answers] == [200] * MOST_CHECKS + [429]
    assert int(answers[-1].headers["Retry-After"]) <= 60
