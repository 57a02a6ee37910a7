"""The simulated Entra makes each kind of token with the claims of the real one."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from tests.simulator.cloud_client import (
    API_APP,
    CONTOSO,
    GRAPH,
    LOGIN,
    NIMBUS_APP,
    PRESENCE1,
    CloudClient,
    bearer,
    claims_of,
)

BACK_END = "a0000000-0000-4000-8000-000000000003"


@pytest.mark.parametrize(("version", "app"), [(1, "appid"), (2, "azp")])
def test_a_users_token_has_a_scope_the_app_and_a_subject_of_its_own(cloud: CloudClient, version: int, app: str) -> None:
    claims = claims_of(cloud.token(version=version, upn="alice@contoso.example"))
    assert (claims["scp"], claims[app], claims["idtyp"]) == ("access_as_user", API_APP, "user")
    assert claims["sub"] != claims["oid"]
    assert ({"azp", "appid"} - {app}).isdisjoint(claims)


@pytest.mark.parametrize(("version", "app"), [(1, "appid"), (2, "azp")])
def test_an_apps_own_token_has_no_scope_and_its_service_principal_as_subject(
    cloud: CloudClient, version: int, app: str
) -> None:
    claims = claims_of(cloud.token(version=version, appOnly=True, roles=["Integration"]))
    assert (claims[app], claims["idtyp"], claims["roles"]) == (BACK_END, "app", ["Integration"])
    assert claims["sub"] == claims["oid"]
    assert {"scp", "name", "upn", "preferred_username"}.isdisjoint(claims)


@pytest.mark.parametrize("version", [1, 2])
def test_an_id_token_has_the_app_as_audience_and_nothing_of_an_access_token(cloud: CloudClient, version: int) -> None:
    claims = claims_of(cloud.token(idToken=True, version=version, upn="alice@contoso.example", roles=["TenantAdmin"]))
    assert (claims["aud"], claims["ver"], claims["roles"]) == (API_APP, f"{version}.0", ["TenantAdmin"])
    assert claims["nonce"]
    assert claims["sub"] != claims["oid"]
    assert {"scp", "azp", "appid", "azpacr", "appidacr", "idtyp"}.isdisjoint(claims)


def test_the_id_token_of_a_renewal_has_no_nonce(cloud: CloudClient) -> None:
    first = cloud.sign_in(scope=f"{GRAPH}/.default openid offline_access").json()
    form = {"grant_type": "refresh_token", "scope": f"{GRAPH}/.default openid"}
    renewed = claims_of(cloud.sign_in(**form, refresh_token=first["refresh_token"]).json()["id_token"])
    assert (renewed["aud"], renewed["tid"], renewed["preferred_username"]) == (NIMBUS_APP, CONTOSO, PRESENCE1)
    assert {"nonce", "scp", "azp", "appid", "idtyp"}.isdisjoint(renewed)
    assert {"oid", "sub", "uti", "rh", "ver", "iss"} <= renewed.keys()


@pytest.mark.parametrize("member", ["audience", "appOnly", "scp", "expiresIn", "notBefore"])
def test_an_id_token_takes_no_member_of_an_access_token(cloud: CloudClient, member: str) -> None:
    answer = cloud.control("POST", "token", {"tenantId": CONTOSO, "idToken": True, member: None}, status=400)
    assert member in answer["error"]


@pytest.mark.parametrize("wish", [{}, {"appOnly": True}, {"version": 2}])
def test_only_graph_can_verify_a_token_for_graph(cloud: CloudClient, wish: dict[str, Any]) -> None:
    token = cloud.token(
        audience=GRAPH, roles=["User.Read.All"], scp=None if "appOnly" in wish else "User.Read.All", **wish
    )
    assert "nonce" in jwt.get_unverified_header(token)
    keys = cloud.http.get(f"{LOGIN}/common/discovery/v2.0/keys", timeout=10).json()["keys"]
    key = next(key for key in keys if key["kid"] == jwt.get_unverified_header(token)["kid"])
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, jwt.PyJWK(key, "RS256"), algorithms=["RS256"], audience=GRAPH)
    assert cloud.http.get(f"{GRAPH}/v1.0/users", headers=bearer(token), timeout=10).ok
    head, _, rest = token.partition(".")
    assert cloud.http.get(f"{GRAPH}/v1.0/users", headers=bearer(f"{head}A.{rest}"), timeout=10).status_code == 401


@pytest.mark.parametrize("claims", [{"scp": None}, {"scp": None, "idtyp": None}, {"scp": None, "idtyp": "device"}])
def test_graph_takes_no_token_that_is_neither_a_users_nor_an_apps(cloud: CloudClient, claims: dict[str, Any]) -> None:
    token = cloud.token(audience=GRAPH, roles=["User.Read.All"], claims=claims)
    assert cloud.http.get(f"{GRAPH}/v1.0/users", headers=bearer(token), timeout=10).status_code == 401


def test_an_apps_token_without_the_optional_claim_is_known_by_its_subject(cloud: CloudClient) -> None:
    token = cloud.token(audience=GRAPH, appOnly=True, roles=["User.Read.All"], claims={"idtyp": None})
    assert cloud.http.get(f"{GRAPH}/v1.0/users", headers=bearer(token), timeout=10).ok
