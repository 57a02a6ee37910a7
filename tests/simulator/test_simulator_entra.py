"""The simulated Entra refuses what Entra refuses, in its words."""

from __future__ import annotations

import re
from typing import Any

import jwt
import pytest
import requests

from tests.simulator.cloud_client import (
    CONTOSO,
    GRAPH,
    LOGIN,
    NIMBUS_APP,
    PRESENCE1,
    CloudClient,
    claims_of,
    code_of,
)


def common_keys(cloud: CloudClient) -> list[dict[str, Any]]:
    return list(cloud.http.get(f"{LOGIN}/common/discovery/v2.0/keys", timeout=10).json()["keys"])


def test_a_refusal_has_all_members_of_an_entra_error(cloud: CloudClient) -> None:
    cloud.control("POST", f"accounts/{PRESENCE1}", {"mfa": True})
    answer = cloud.sign_in()
    body = answer.json()
    assert answer.status_code == 400
    assert (body["error"], body["suberror"], body["error_codes"]) == ("invalid_grant", "basic_action", [50076])
    words = r"AADSTS50076: .* Trace ID: \S+ Correlation ID: \S+ Timestamp: \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"
    assert re.fullmatch(words, body["error_description"])
    assert {"timestamp", "trace_id", "correlation_id", "error_uri", "claims"} <= set(body)


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"client_secret": "wrong"}, 7000215),
        ({"client_secret": ""}, 7000218),
        ({"client_id": "b0000000-0000-4000-8000-000000000009"}, 700016),
        ({"password": "wrong"}, 50126),
        ({"username": "nobody@nimbus.example"}, 50034),
        ({"scope": f"{GRAPH}/Mail.Read"}, 65001),
        ({"scope": "https://vault.azure.net/.default"}, 500011),
        ({"grant_type": ""}, 900144),
        ({"grant_type": "refresh_token", "refresh_token": "made-up"}, 70000),
    ],
)
def test_a_bad_request_is_refused_with_its_code(cloud: CloudClient, form: dict[str, str], code: int) -> None:
    assert code_of(cloud.sign_in(**form)) == code


def test_an_unknown_tenant_is_refused_everywhere(cloud: CloudClient) -> None:
    nowhere = "33333333-3333-4333-8333-333333333333"
    assert code_of(cloud.sign_in(nowhere)) == 90002
    discovery = cloud.http.get(f"{LOGIN}/{nowhere}/v2.0/.well-known/openid-configuration", timeout=10)
    assert code_of(discovery) == 90002


def test_a_user_of_another_tenant_must_be_a_guest(cloud: CloudClient) -> None:
    cloud.contoso(guests=[])
    assert code_of(cloud.sign_in()) == 50020


def test_consent_is_per_tenant(cloud: CloudClient) -> None:
    cloud.contoso(consents=[])
    assert code_of(cloud.sign_in()) == 65001
    assert cloud.sign_in("22222222-2222-4222-8222-222222222222").ok


def test_an_app_no_tenant_has_heard_of_gets_no_token_there(cloud: CloudClient) -> None:
    cloud.contoso(consents=[], grants=[])
    assert code_of(cloud.sign_in(grant_type="client_credentials", scope=f"{GRAPH}/.default")) == 700016


def test_a_graph_token_has_the_first_form(cloud: CloudClient) -> None:
    claims = claims_of(cloud.sign_in().json()["access_token"])
    assert claims["iss"] == f"https://sts.windows.net/{CONTOSO}/"
    assert (claims["aud"], claims["ver"], claims["appid"], claims["upn"]) == (GRAPH, "1.0", NIMBUS_APP, PRESENCE1)
    assert "Presence.Read.All" in claims["scp"].split()


def test_an_app_token_carries_granted_roles_and_no_scope(cloud: CloudClient) -> None:
    token = cloud.sign_in(grant_type="client_credentials", scope=f"{GRAPH}/.default").json()["access_token"]
    claims = claims_of(token)
    assert claims["roles"] == ["Presence.Read.All", "User.Read.All"]
    assert "scp" not in claims


def test_revoked_refresh_tokens_are_refused(cloud: CloudClient) -> None:
    refresh = cloud.sign_in().json()["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": refresh}
    assert cloud.sign_in(**form).ok
    cloud.control("POST", f"accounts/{PRESENCE1}", {"revokeTokens": True})
    assert code_of(cloud.sign_in(**form)) == 50173


def test_a_confidential_refresh_token_needs_the_secret(cloud: CloudClient) -> None:
    refresh = cloud.sign_in().json()["refresh_token"]
    answer = cloud.sign_in(grant_type="refresh_token", refresh_token=refresh, client_secret="")
    assert (answer.status_code, code_of(answer)) == (401, 7000218)


def test_common_discovery_has_the_issuer_template(cloud: CloudClient) -> None:
    config = cloud.http.get(f"{LOGIN}/common/v2.0/.well-known/openid-configuration", timeout=10).json()
    assert config["issuer"] == f"{LOGIN}/{{tenantid}}/v2.0"
    assert config["jwks_uri"] == f"{LOGIN}/common/discovery/v2.0/keys"
    assert common_keys(cloud)[0]["issuer"] == f"{LOGIN}/{{tenantid}}/v2.0"
    first_form = cloud.http.get(f"{LOGIN}/{CONTOSO}/.well-known/openid-configuration", timeout=10).json()
    assert first_form["issuer"] == f"https://sts.windows.net/{CONTOSO}/"


@pytest.mark.parametrize("version", [1, 2])
def test_a_made_token_is_verified_by_an_independent_library(cloud: CloudClient, version: int) -> None:
    token = cloud.token(version=version, roles=["TenantAdmin"])
    key = next(key for key in common_keys(cloud) if key["kid"] == jwt.get_unverified_header(token)["kid"])
    claims = jwt.decode(token, jwt.PyJWK(key, "RS256"), algorithms=["RS256"], audience="api://nimbus-extensions")
    expected = f"https://sts.windows.net/{CONTOSO}/" if version == 1 else f"{LOGIN}/{CONTOSO}/v2.0"
    assert (claims["iss"], claims["roles"], claims["scp"]) == (expected, ["TenantAdmin"], "access_as_user")


def test_token_wishes_are_granted_to_the_letter(cloud: CloudClient) -> None:
    made = claims_of(cloud.token(appOnly=True, roles=["Integration"], claims={"oid": None, "extra": 1}))
    assert "scp" not in made
    assert "oid" not in made
    assert (made["idtyp"], made["extra"]) == ("app", 1)
    assert claims_of(cloud.token(upn="x@y.example"))["oid"] == claims_of(cloud.token(upn="X@y.example"))["oid"]
    foreign = claims_of(cloud.token(tenantId="44444444-4444-4444-8444-444444444444", expiresIn=-5))
    assert foreign["exp"] < foreign["iat"]


def test_rotation_keeps_old_keys_unless_told_to_drop_them(cloud: CloudClient) -> None:
    before = {key["kid"] for key in common_keys(cloud)}
    new = cloud.control("POST", "keys/rotate")["kid"]
    assert {key["kid"] for key in common_keys(cloud)} == before | {new}
    last = cloud.control("POST", "keys/rotate?drop=true")["kid"]
    assert {key["kid"] for key in common_keys(cloud)} == {last}


def test_an_unknown_key_is_published_nowhere(cloud: CloudClient) -> None:
    token = cloud.token(key="unknown")
    assert jwt.get_unverified_header(token)["kid"] not in {key["kid"] for key in common_keys(cloud)}


def consent(cloud: CloudClient, **more: str) -> requests.Response:
    query = {
        "client_id": NIMBUS_APP,
        "scope": f"{GRAPH}/.default",
        "redirect_uri": "http://127.0.0.1:7071/api/consent/callback",
        "state": "s1",
        **more,
    }
    return cloud.http.get(f"{LOGIN}/{CONTOSO}/v2.0/adminconsent", params=query, allow_redirects=False, timeout=10)


def test_admin_consent_grants_and_goes_back(cloud: CloudClient) -> None:
    cloud.contoso(consents=[], grants=[])
    back = consent(cloud).headers["Location"]
    assert "admin_consent=True" in back
    assert "state=s1" in back
    assert cloud.sign_in().ok


def test_refused_admin_consent_says_admin_consent_true_as_well(cloud: CloudClient) -> None:
    cloud.contoso(consents=[], denyAdminConsent=True)
    back = consent(cloud).headers["Location"]
    assert "admin_consent=True" in back
    assert "error=access_denied" in back
    assert code_of(cloud.sign_in()) == 65001


def test_consent_to_single_scopes_grants_no_roles(cloud: CloudClient) -> None:
    cloud.contoso(consents=[], grants=[])
    consent(cloud, scope=f"{GRAPH}/Presence.Read.All {GRAPH}/User.Read")
    tenant = cloud.control("GET", f"tenants/{CONTOSO}")
    assert tenant["consents"] == [{"clientId": NIMBUS_APP, "scopes": ["Presence.Read.All", "User.Read"]}]
    assert tenant["grants"] == []


def test_a_silent_sign_in_needs_an_earlier_one(cloud: CloudClient) -> None:
    query = {
        "client_id": NIMBUS_APP,
        "response_type": "code",
        "redirect_uri": "http://127.0.0.1:7071/portal/callback",
        "scope": "openid",
        "state": "s2",
    }
    url = f"{LOGIN}/{CONTOSO}/oauth2/v2.0/authorize"

    def ask(**more: str) -> str:
        answer = cloud.http.get(url, params={**query, **more}, allow_redirects=False, timeout=10)
        return answer.headers["Location"]

    assert "error=login_required" in ask(prompt="none")
    assert "code=" in ask(login_as=PRESENCE1)
    # The gateway is another host to the cookie jar, as it is to a browser, so the cookie is sent by hand.
    cloud.http.cookies.set("simulator_user", PRESENCE1)
    assert "code=" in ask(prompt="none")
