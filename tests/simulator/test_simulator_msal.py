"""Real MSAL signs in at the simulated Entra, unchanged."""

from __future__ import annotations

from typing import Any

import msal
import pytest

from tests.simulator.cloud_client import (
    CONTOSO,
    FABRIKAM,
    GRAPH,
    HOME,
    LOGIN,
    NIMBUS_APP,
    NIMBUS_SECRET,
    PASSWORD1,
    PRESENCE1,
    CloudClient,
    bearer,
)

SCOPES = [f"{GRAPH}/.default"]


def confidential(cloud: CloudClient, tenant: str = CONTOSO, secret: str = NIMBUS_SECRET) -> Any:
    return msal.ConfidentialClientApplication(
        NIMBUS_APP, authority=f"{LOGIN}/{tenant}", client_credential=secret, http_client=cloud.http
    )


def public(cloud: CloudClient, tenant: str = CONTOSO) -> Any:
    return msal.PublicClientApplication(NIMBUS_APP, authority=f"{LOGIN}/{tenant}", http_client=cloud.http)


def by_password(cloud: CloudClient, tenant: str = CONTOSO) -> dict[str, Any]:
    result = confidential(cloud, tenant).acquire_token_by_username_password(PRESENCE1, PASSWORD1, scopes=SCOPES)
    return dict(result)


def may_read_presence(cloud: CloudClient, token: str) -> bool:
    url = f"{GRAPH}/v1.0/communications/getPresencesByUserId"
    return cloud.http.post(url, json={"ids": ["x"]}, headers=bearer(token), timeout=10).ok


def test_an_app_signs_in_with_its_secret_and_reads_presence(cloud: CloudClient) -> None:
    app = confidential(cloud)
    result = app.acquire_token_for_client(SCOPES)
    assert may_read_presence(cloud, result["access_token"])
    assert app.acquire_token_for_client(SCOPES)["token_source"] == "cache"


def test_a_wrong_secret_is_invalid_client(cloud: CloudClient) -> None:
    result = confidential(cloud, secret="wrong").acquire_token_for_client(SCOPES)
    assert (result["error"], result["error_codes"]) == ("invalid_client", [7000215])


def test_a_guest_signs_in_with_a_password_at_the_customers_tenant(cloud: CloudClient) -> None:
    result = by_password(cloud)
    assert "Presence.Read.All" in result["scope"]
    assert result["id_token_claims"]["tid"] == CONTOSO
    assert may_read_presence(cloud, result["access_token"])


def test_a_refresh_token_works_at_another_tenant_and_is_replaced(cloud: CloudClient) -> None:
    first = by_password(cloud)["refresh_token"]
    result = confidential(cloud, FABRIKAM).acquire_token_by_refresh_token(first, SCOPES)
    assert result["refresh_token"] != first
    assert may_read_presence(cloud, result["access_token"])


def test_a_device_code_token_belongs_to_a_public_client(cloud: CloudClient) -> None:
    app = public(cloud, HOME)
    flow = app.initiate_device_flow(["Presence.Read.All"])
    pending = app.acquire_token_by_device_flow(flow, exit_condition=lambda _: True)
    assert pending["error"] == "authorization_pending"
    cloud.control("POST", f"devicecodes/{flow['user_code']}", {"upn": PRESENCE1})
    refresh = app.acquire_token_by_device_flow(flow)["refresh_token"]
    assert "access_token" in public(cloud).acquire_token_by_refresh_token(refresh, SCOPES)
    refused = confidential(cloud).acquire_token_by_refresh_token(refresh, SCOPES)
    assert refused["error_codes"] == [700025]


def test_a_denied_device_code_says_so(cloud: CloudClient) -> None:
    app = public(cloud, HOME)
    flow = app.initiate_device_flow(["Presence.Read.All"])
    cloud.control("POST", f"devicecodes/{flow['user_code']}", {"deny": True})
    assert app.acquire_token_by_device_flow(flow)["error_codes"] == [65004]


@pytest.mark.filterwarnings("ignore:response_mode")
def test_a_code_sign_in_with_pkce_gives_roles_to_the_portal(cloud: CloudClient) -> None:
    cloud.contoso(users=[{"userPrincipalName": "admin@contoso.example", "appRoles": ["TenantAdmin"]}])
    api_app = "a0000000-0000-4000-8000-000000000001"
    app: Any = msal.ConfidentialClientApplication(
        api_app,
        authority=f"{LOGIN}/{CONTOSO}",
        client_credential="local-api-client-secret",
        http_client=cloud.http,
    )
    flow = app.initiate_auth_code_flow([f"{api_app}/.default"], redirect_uri="http://127.0.0.1:7071/portal/callback")
    page = cloud.http.get(flow["auth_uri"], timeout=10)
    assert "admin@contoso.example" in page.text
    back = cloud.http.get(f"{flow['auth_uri']}&login_as=admin@contoso.example", allow_redirects=False, timeout=10)
    query = back.headers["Location"].partition("?")[2]
    answer = dict(pair.split("=", 1) for pair in query.split("&"))
    result = app.acquire_token_by_auth_code_flow(flow, answer)
    assert result["id_token_claims"]["roles"] == ["TenantAdmin"]
    again = app.acquire_token_by_auth_code_flow(flow, answer)
    assert again["error_codes"] == [54005]


def test_on_behalf_of_needs_a_token_for_the_asking_app(cloud: CloudClient) -> None:
    cloud.contoso(consents=[{"clientId": "a0000000-0000-4000-8000-000000000001", "scopes": ["Contacts.Read"]}])
    app: Any = msal.ConfidentialClientApplication(
        "a0000000-0000-4000-8000-000000000001",
        authority=f"{LOGIN}/{CONTOSO}",
        client_credential="local-api-client-secret",
        http_client=cloud.http,
    )
    asked = app.acquire_token_on_behalf_of(cloud.token(upn="alice@contoso.example"), [f"{GRAPH}/Contacts.Read"])
    assert "Contacts.Read" in asked["scope"]
    foreign = app.acquire_token_on_behalf_of(cloud.token(audience=GRAPH), [f"{GRAPH}/Contacts.Read"])
    assert foreign["error_codes"] == [500131]


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        ({"mfa": True}, 50076),
        ({"locked": True}, 50053),
        ({"disabled": True}, 50057),
        ({"passwordExpired": True}, 50055),
        ({"password": "changed"}, 50126),
    ],
)
def test_an_account_in_trouble_is_refused_with_its_code(cloud: CloudClient, flags: dict[str, Any], code: int) -> None:
    cloud.control("POST", f"accounts/{PRESENCE1}", flags)
    assert by_password(cloud)["error_codes"] == [code]


def test_a_device_code_sign_in_passes_where_a_password_meets_mfa(cloud: CloudClient) -> None:
    cloud.control("POST", f"accounts/{PRESENCE1}", {"mfa": True})
    app = public(cloud, HOME)
    flow = app.initiate_device_flow(["Presence.Read.All"])
    cloud.control("POST", f"devicecodes/{flow['user_code']}", {"upn": PRESENCE1})
    refresh = app.acquire_token_by_device_flow(flow)["refresh_token"]
    assert "access_token" in public(cloud).acquire_token_by_refresh_token(refresh, SCOPES)
    assert by_password(cloud)["error_codes"] == [50076]
