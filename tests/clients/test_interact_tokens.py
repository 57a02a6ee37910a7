"""Tokens of customers' own apps, as a tenant's settings ask for them: each flaw has its code."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.clients.entra.caller_tokens import CallerTokens
from shared.clients.entra.signing_keys import SigningKeys
from shared.interact.widget.authorization import Authorization
from shared.kernel.errors import NotKnown
from shared.tenants.setting_catalogue import Interact
from tests.clients.fake_cloud import CLOUD, OTHER_TENANT, TENANT, KeyMaker, TurnedClock, a_key, b64url

URI, CLIENT = "api://nimbus-interact", "a0000000-0000-4000-8000-000000000004"
NONE, TOKEN, TENANT_TOO = (
    Interact(),
    Interact(authorization="VerifyToken"),
    Interact(authorization="VerifyTokenAndTenant"),
)


@pytest.fixture
def authorization(keys: SigningKeys, clock: TurnedClock) -> Authorization:
    return Authorization(CallerTokens(keys, CLOUD, [URI, CLIENT], clock))


def app_only(maker: KeyMaker, kid: str = "k1", /, **changes: object) -> str:
    """A token of client credentials: no scp, no roles, no name."""
    bare = {"aud": URI, "scp": None, "roles": None, "name": None, "preferred_username": None, "idtyp": "app"}
    return maker.token(kid, **(bare | changes))


def v1(**changes: object) -> dict[str, object]:
    return {"ver": "1.0", "iss": f"https://sts.windows.net/{TENANT}/"} | changes


def code(authorization: Authorization, token: str | None, settings: Interact = TENANT_TOO) -> str:
    try:
        authorization.check(TENANT, settings, token)
    except NotKnown as refused:
        return refused.code
    return "ok"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"aud": CLIENT},
        v1(),
        v1(aud=CLIENT),
        {"scp": "access_as_user", "name": "Kim"},
        v1(scp="access_as_user"),
    ],
)
def test_app_only_and_delegated_tokens_of_both_versions_are_good(
    authorization: Authorization, maker: KeyMaker, changes: dict[str, object]
) -> None:
    assert code(authorization, app_only(maker, **changes)) == "ok"


def test_without_authorization_nobody_looks_at_the_token(authorization: Authorization, maker: KeyMaker) -> None:
    assert [code(authorization, token, NONE) for token in (None, "", "nonsense")] == ["ok"] * 3
    assert maker.fetches == 0


@pytest.mark.parametrize("settings", [TOKEN, TENANT_TOO])
def test_a_missing_token_is_told_from_a_bad_one(authorization: Authorization, settings: Interact) -> None:
    assert code(authorization, None, settings) == "TokenMissing"
    assert code(authorization, "a.b.c", settings) == "TokenInvalid"


def test_another_tenants_token_is_valid_and_of_the_wrong_tenant(authorization: Authorization, maker: KeyMaker) -> None:
    foreign = app_only(maker, tid=OTHER_TENANT, iss=f"https://login.microsoftonline.com/{OTHER_TENANT}/v2.0")
    assert code(authorization, foreign, TOKEN) == "ok"
    assert code(authorization, foreign, TENANT_TOO) == "TokenWrongTenant"


SHOP, DESK = "a0000000-0000-4000-8000-0000000000aa", "b0000000-0000-4000-8000-0000000000bb"


@pytest.mark.parametrize("choice", ["VerifyToken", "VerifyTokenAndTenant"])
@pytest.mark.parametrize(
    ("changes", "listed", "told"),
    [
        ({"azp": SHOP}, [], "ok"),
        ({"azp": SHOP}, [DESK, SHOP], "ok"),
        ({"azp": SHOP.upper()}, [SHOP], "ok"),
        ({"azp": SHOP}, [DESK], "TokenWrongApp"),
        ({"azp": SHOP, "scp": "access_as_user"}, [SHOP], "ok"),
        ({"azp": DESK, "scp": "access_as_user"}, [SHOP], "TokenWrongApp"),
        ({"azp": None}, [], "ok"),
        ({"azp": None}, [SHOP], "TokenWrongApp"),
        ({"azp": DESK, "appid": SHOP}, [SHOP], "TokenWrongApp"),  # v2 names the app in azp
        ({"azp": DESK, "aud": CLIENT}, [CLIENT], "TokenWrongApp"),  # the audience is not the app that asked
        (v1(azp=None, appid=SHOP), [SHOP], "ok"),
        (v1(azp=None, appid=SHOP), [DESK], "TokenWrongApp"),
        (v1(azp=SHOP, appid=DESK), [SHOP], "TokenWrongApp"),  # v1 names it in appid
        (v1(azp=SHOP), [SHOP], "TokenWrongApp"),
    ],
)
def test_with_client_ids_listed_the_token_of_another_app_is_the_wrong_one(
    authorization: Authorization, maker: KeyMaker, changes: dict[str, object], listed: list[str], told: str, choice: Any
) -> None:
    settings = Interact(authorization=choice, token_client_ids=listed)
    assert code(authorization, app_only(maker, **changes), settings) == told


def test_client_ids_are_not_read_without_authorization_and_the_tenant_comes_first(
    authorization: Authorization, maker: KeyMaker
) -> None:
    assert code(authorization, None, Interact(token_client_ids=[SHOP])) == "ok"
    foreign = app_only(maker, tid=OTHER_TENANT, iss=f"https://login.microsoftonline.com/{OTHER_TENANT}/v2.0")
    settings = Interact(authorization="VerifyTokenAndTenant", token_client_ids=[SHOP])
    assert code(authorization, foreign, settings) == "TokenWrongTenant"


@pytest.mark.parametrize(("seconds", "told"), [(59, "ok"), (60, "TokenExpired"), (61, "TokenExpired")])
def test_a_token_is_good_for_less_than_a_minute_after_its_end(
    authorization: Authorization, maker: KeyMaker, clock: TurnedClock, seconds: int, told: str
) -> None:
    assert code(authorization, app_only(maker, exp=clock.seconds() - seconds)) == told


@pytest.mark.parametrize(("seconds", "told"), [(60, "ok"), (61, "TokenNotYetValid")])
def test_a_token_is_good_up_to_a_minute_before_its_start(
    authorization: Authorization, maker: KeyMaker, clock: TurnedClock, seconds: int, told: str
) -> None:
    assert code(authorization, app_only(maker, nbf=clock.seconds() + seconds)) == told


@pytest.mark.parametrize("audience", ["api://nimbus-extensions", "https://graph.microsoft.com", f"{URI}/x"])
def test_a_token_for_another_api_is_the_wrong_one(authorization: Authorization, maker: KeyMaker, audience: str) -> None:
    assert code(authorization, app_only(maker, aud=audience)) == "TokenWrongAudience"


def unsigned(maker: KeyMaker) -> str:
    return jwt.encode(maker.claims(aud=URI), "", "none", {"kid": "k1"})


def signed_with_the_public_key(maker: KeyMaker) -> str:
    """The old trick: HS256, with what everybody knows as the secret."""
    public = a_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head, body = b64url(b'{"alg":"HS256","kid":"k1"}'), b64url(json.dumps(maker.claims(aud=URI)).encode())
    return f"{head}.{body}.{b64url(hmac.digest(public, f'{head}.{body}'.encode(), hashlib.sha256))}"


def of_another_tenants_key(maker: KeyMaker) -> str:
    maker.publish("theirs", issuer=f"https://login.microsoftonline.com/{OTHER_TENANT}/v2.0")
    return app_only(maker, "theirs")


def of_another_tenants_key_in_the_first_version(maker: KeyMaker) -> str:
    maker.publish("theirs", issuer=f"https://login.microsoftonline.com/{OTHER_TENANT}/v2.0")
    return app_only(maker, "theirs", **v1())


def of_a_key_nobody_published(maker: KeyMaker) -> str:
    maker.private["secret"] = a_key()
    return app_only(maker, "secret")


def whose_tenant_and_issuer_disagree(maker: KeyMaker) -> str:
    return app_only(maker, tid=OTHER_TENANT)


def whose_issuer_is_of_the_other_version(maker: KeyMaker) -> str:
    return app_only(maker, ver="1.0")


def with_a_changed_claim(maker: KeyMaker) -> str:
    head, body, signature = app_only(maker).split(".")
    return f"{head}.{body[:-2]}AA.{signature}"


@pytest.mark.parametrize(
    "hostile",
    [
        unsigned,
        signed_with_the_public_key,
        of_another_tenants_key,
        of_another_tenants_key_in_the_first_version,
        of_a_key_nobody_published,
        whose_tenant_and_issuer_disagree,
        whose_issuer_is_of_the_other_version,
        with_a_changed_claim,
    ],
)
def test_a_forged_token_is_invalid(
    authorization: Authorization, maker: KeyMaker, hostile: Callable[[KeyMaker], str]
) -> None:
    for settings in (TOKEN, TENANT_TOO):
        assert code(authorization, hostile(maker), settings) == "TokenInvalid"


def test_a_key_that_was_rotated_an_hour_ago_signs_nothing_any_more(
    authorization: Authorization, maker: KeyMaker, clock: TurnedClock
) -> None:
    token = app_only(maker, exp=clock.seconds() + 86_400)
    assert code(authorization, token) == "ok"
    maker.publish("k2")
    del maker.published["k1"]
    clock.turn(hours=1)
    assert code(authorization, token) == "TokenInvalid"
    assert code(authorization, app_only(maker, "k2")) == "ok"
