"""Each shape of token that Entra makes, and what it counts as: a user's or an application's access token, or none."""

from __future__ import annotations

from typing import Any

import pytest

from shared.clients.entra.caller_tokens import CallerTokens
from shared.interact.widget.authorization import Authorization
from shared.kernel.callers import INTEGRATION, TENANT_ADMIN, Callers
from shared.kernel.errors import NotKnown
from shared.tenants.setting_catalogue import Interact
from tests.clients.fake_cloud import API_CLIENT, AUDIENCE, BACK_END, OID, TENANT, KeyMaker

PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"  # the tenant of all personal Microsoft accounts
PERSONAL_ISSUER = f"https://login.microsoftonline.com/{PERSONAL}/v2.0"
PAIRWISE = "Nb-8vIG1jVxgHjCbPJkDBjfEJfHqQdqZIB-0lKkGvd0"
GRAPH = "https://graph.microsoft.com"

V1 = {
    "ver": "1.0",
    "iss": f"https://sts.windows.net/{TENANT}/",
    "azp": None,
    "azpacr": None,
    "preferred_username": None,
}
USER_V2: dict[str, Any] = {"sub": PAIRWISE, "azp": BACK_END, "scp": "access_as_user"}
USER_V1: dict[str, Any] = V1 | {
    "appid": BACK_END,
    "appidacr": "1",
    "upn": "ada@contoso.example",
    "scp": "access_as_user",
}
NOBODY: dict[str, Any] = {"scp": None, "name": None, "preferred_username": None, "upn": None}
APP_V2: dict[str, Any] = NOBODY | {"sub": OID, "azp": BACK_END, "azpacr": "1"}
APP_V1: dict[str, Any] = V1 | NOBODY | {"sub": OID, "appid": BACK_END, "appidacr": "1"}
ID_V2: dict[str, Any] = {"aud": API_CLIENT, "sub": PAIRWISE, "azp": None, "azpacr": None, "scp": None}
ID_V1: dict[str, Any] = V1 | {
    "aud": API_CLIENT,
    "sub": PAIRWISE,
    "scp": None,
    "amr": ["pwd"],
    "upn": "ada@contoso.example",
}

USER, APP, INVALID, OTHER_API = "user", "app", "TokenInvalid", "TokenWrongAudience"

SHAPES: dict[str, tuple[dict[str, Any], str]] = {
    "v2, delegated": (USER_V2, USER),
    "v2, delegated, several scopes": (USER_V2 | {"scp": "a access_as_user"}, USER),
    "v2, delegated, idtyp user": (USER_V2 | {"idtyp": "user"}, USER),
    "v2, delegated, for the client id": (USER_V2 | {"aud": API_CLIENT}, USER),
    "v1, delegated": (USER_V1, USER),
    "v1, delegated, idtyp user": (USER_V1 | {"idtyp": "user"}, USER),
    "v1, delegated, for the client id": (USER_V1 | {"aud": API_CLIENT}, USER),
    "v2, delegated, an app that calls itself": (USER_V2 | {"azp": API_CLIENT}, USER),
    "v2, delegated, oid equal to sub": (USER_V2 | {"sub": OID}, USER),
    "v2, app-only, idtyp": (APP_V2 | {"idtyp": "app"}, APP),
    "v2, app-only, without idtyp": (APP_V2, APP),
    "v2, app-only, for the client id": (APP_V2 | {"aud": API_CLIENT}, APP),
    "v2, app-only, idtyp and nothing else": (APP_V2 | {"idtyp": "app", "azp": None, "sub": None}, APP),
    "v1, app-only, idtyp": (APP_V1 | {"idtyp": "app"}, APP),
    "v1, app-only, without idtyp": (APP_V1, APP),
    "v1, app-only, for the client id": (APP_V1 | {"aud": API_CLIENT}, APP),
    "v2, id token of a sign-in": (ID_V2 | {"nonce": "n"}, INVALID),
    "v2, id token of a renewal": (ID_V2, INVALID),
    "v1, id token of a sign-in": (ID_V1 | {"nonce": "n"}, INVALID),
    "v1, id token of a renewal": (ID_V1, INVALID),
    "v2, id token with azp": (ID_V2 | {"azp": API_CLIENT}, INVALID),
    "v2, id token for the App ID URI": (ID_V2 | {"aud": AUDIENCE}, INVALID),
    "v2, id token with oid equal to sub": (ID_V2 | {"sub": OID}, INVALID),
    "v2, id token with idtyp user": (ID_V2 | {"idtyp": "user", "azp": API_CLIENT, "sub": OID}, INVALID),
    "v2, of a device": (APP_V2 | {"idtyp": "device"}, INVALID),
    "v2, of an app that is not the subject": (APP_V2 | {"sub": PAIRWISE}, INVALID),
    "v1, the app named as v2 does": (APP_V1 | {"appid": None, "azp": BACK_END}, INVALID),
    "v2, the app named as v1 does": (APP_V2 | {"azp": None, "appid": BACK_END}, INVALID),
    "v2, delegated, no scope": (USER_V2 | {"scp": ""}, INVALID),
    "v2, delegated, blank scope": (USER_V2 | {"scp": "  "}, INVALID),
    "v2, app-only, empty scope": (APP_V2 | {"scp": "", "idtyp": "app"}, INVALID),
    "v2, app-only, idtyp in capitals": (APP_V2 | {"idtyp": "APP"}, INVALID),
    "v2, app-only, idtyp no text": (APP_V2 | {"idtyp": ["app"]}, INVALID),
    "v2, app-only, azp no GUID": (APP_V2 | {"azp": "the back end"}, INVALID),
    "v2, app-only, sub no text": (APP_V2 | {"sub": [OID]}, INVALID),
    "v2, delegated, azp no text": (USER_V2 | {"azp": 5}, INVALID),
    "v2, delegated, another audience of this app": (USER_V2 | {"aud": f"api://{API_CLIENT}"}, OTHER_API),
    "v1, app-only, another audience of this app": (APP_V1 | {"aud": f"{AUDIENCE}/v2"}, OTHER_API),
    "v2, id token of another app": (ID_V2 | {"aud": BACK_END}, OTHER_API),
    "v1, delegated, for Graph": (USER_V1 | {"aud": GRAPH, "scp": "User.Read", "idtyp": "user"}, OTHER_API),
    "v1, delegated, for Graph's id": (USER_V1 | {"aud": "00000003-0000-0000-c000-000000000000"}, OTHER_API),
    "v1, app-only, for Graph": (APP_V1 | {"aud": GRAPH, "roles": ["User.Read.All"], "idtyp": "app"}, OTHER_API),
    "v2, delegated, personal account": (USER_V2 | {"tid": PERSONAL, "iss": PERSONAL_ISSUER}, INVALID),
    "v2, id token, personal account": (ID_V2 | {"tid": PERSONAL, "iss": PERSONAL_ISSUER}, INVALID),
    "v2, app-only, personal tenant": (APP_V2 | {"tid": PERSONAL, "iss": PERSONAL_ISSUER}, INVALID),
    "v2, delegated, personal tenant in capitals": (
        USER_V2 | {"tid": PERSONAL.upper(), "iss": PERSONAL_ISSUER.replace(PERSONAL, PERSONAL.upper())},
        INVALID,
    ),
}  # fmt: skip

each_shape = pytest.mark.parametrize(("claims", "counts_as"), SHAPES.values(), ids=SHAPES.keys())


@each_shape
def test_each_shape_of_token_counts_as_what_it_is(
    tokens: CallerTokens, maker: KeyMaker, claims: dict[str, Any], counts_as: str
) -> None:
    assert kind(tokens, maker.token(**claims)) == counts_as


def kind(tokens: CallerTokens, token: str) -> str:
    try:
        return APP if tokens.verify(token).app_only else USER
    except NotKnown as refused:
        return refused.code


@each_shape
def test_only_an_applications_token_counts_as_integration(
    tokens: CallerTokens, maker: KeyMaker, claims: dict[str, Any], counts_as: str
) -> None:
    token = maker.token(**claims | {"roles": ["TenantAdmin", "Integration", "Operator"]})
    roles = {APP: {TENANT_ADMIN, INTEGRATION}, USER: {TENANT_ADMIN}}
    assert counted(tokens, token) == roles.get(counts_as, counts_as)


def counted(tokens: CallerTokens, token: str) -> object:
    try:
        return Callers(tokens, home_tenant_id="another tenant", scopes=()).of_bearer(token).roles
    except NotKnown as refused:
        return refused.code


@pytest.mark.parametrize("choice", ["VerifyToken", "VerifyTokenAndTenant"])
@each_shape
def test_verify_token_takes_and_refuses_the_same_shapes(
    tokens: CallerTokens, maker: KeyMaker, claims: dict[str, Any], counts_as: str, choice: Any
) -> None:
    code = {APP: "accepted", USER: "accepted"}.get(counts_as, counts_as)
    assert started(tokens, Interact(authorization=choice), maker.token(**claims)) == code


def started(tokens: CallerTokens, settings: Interact, token: str) -> str:
    try:
        Authorization(tokens).check(TENANT, settings, token)
    except NotKnown as refused:
        return refused.code
    return "accepted"
