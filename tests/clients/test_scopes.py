"""With API_SCOPES a delegated token needs one of the scopes; an application's token has none and needs none."""

from __future__ import annotations

from typing import Any

import pytest

from shared.clients.entra.caller_tokens import CallerTokens
from shared.kernel.callers import TENANT_ADMIN, Callers
from shared.kernel.errors import AppError
from tests.clients.fake_cloud import OID, KeyMaker

APP: dict[str, Any] = {"scp": None, "sub": OID, "name": None, "preferred_username": None}


def outcome(tokens: CallerTokens, scopes: tuple[str, ...], token: str) -> str:
    try:
        Callers(tokens, home_tenant_id="x", scopes=scopes).of_bearer(token).require(TENANT_ADMIN)
    except AppError as refused:
        return refused.code
    return "accepted"


@pytest.mark.parametrize(
    ("accepted", "claims", "expected"),
    [
        ((), {"scp": "access_as_user"}, "accepted"),
        ((), {"scp": "anything"}, "accepted"),
        (("access_as_user",), {"scp": "access_as_user"}, "accepted"),
        (("access_as_user", "Calls.Read"), {"scp": "openid Calls.Read"}, "accepted"),
        (("access_as_user",), {"scp": "Calls.Read"}, "ScopeMissing"),
        (("access_as_user",), {"scp": "Access_As_User"}, "ScopeMissing"),
        (("access_as_user",), {"scp": "access_as_user.read"}, "ScopeMissing"),
        (("access_as_user",), {"scp": "access_as"}, "ScopeMissing"),
        (("access_as_user",), {"scp": "Calls.Read", "roles": ["access_as_user"]}, "ScopeMissing"),
        (("access_as_user",), APP, "accepted"),
        (("access_as_user",), APP | {"idtyp": "app"}, "accepted"),
        (("access_as_user",), {"scp": None}, "TokenInvalid"),
        (("access_as_user",), {"scp": ""}, "TokenInvalid"),
        (("access_as_user",), {"scp": "access_as_user", "aud": "api://another"}, "TokenWrongAudience"),
    ],
)
def test_a_delegated_token_needs_one_of_the_scopes(
    tokens: CallerTokens, maker: KeyMaker, accepted: tuple[str, ...], claims: dict[str, Any], expected: str
) -> None:
    assert outcome(tokens, accepted, maker.token(**claims)) == expected


def test_the_refusal_names_the_scopes_that_would_do(tokens: CallerTokens, maker: KeyMaker) -> None:
    with pytest.raises(AppError, match=r"access_as_user, Calls\.Read"):
        Callers(tokens, home_tenant_id="x", scopes=("access_as_user", "Calls.Read")).of_bearer(
            maker.token(scp="none")
        ).require(TENANT_ADMIN)


def test_a_caller_without_the_scope_is_known_and_has_no_role(tokens: CallerTokens, maker: KeyMaker) -> None:
    caller = Callers(tokens, home_tenant_id="x", scopes=["access_as_user"]).of_bearer(maker.token(scp="none"))
    assert (caller.oid, caller.roles) == (OID, frozenset())
    assert not caller.may(TENANT_ADMIN)
