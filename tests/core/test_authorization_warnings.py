"""An admin is told when tokens of more apps than their own start a session."""

from __future__ import annotations

from typing import Any

import pytest

from shared.interact.widget.authorization_warnings import authorization_warnings
from tests.core.world import World

SHOP = "a0000000-0000-4000-8000-0000000000aa"


@pytest.mark.parametrize(
    ("interact", "code", "says"),
    [
        ({}, None, ""),
        ({"tokenClientIds": [SHOP]}, None, ""),
        ({"authorization": "VerifyToken"}, "AnyTenantAccepted", "any app of any tenant"),
        ({"authorization": "VerifyTokenAndTenant"}, "AnyAppAccepted", "any app of your tenant"),
        ({"authorization": "VerifyToken", "tokenClientIds": [SHOP]}, None, ""),
        ({"authorization": "VerifyTokenAndTenant", "tokenClientIds": [SHOP]}, None, ""),
    ],
)
def test_without_client_ids_the_answer_warns_whose_tokens_are_taken(
    world: World, interact: dict[str, Any], code: str | None, says: str
) -> None:
    world.set(interact=interact)
    warnings = authorization_warnings(world.head, world.head.settings.value)
    assert [warned.code for warned in warnings] == ([code] if code else [])
    assert all(warned.path == "interact.tokenClientIds" and says in warned.message for warned in warnings)
