"""Warnings about an authorization that admits more apps than an admin may expect. Pure."""

from __future__ import annotations

from typing import Final

from shared.tenants.setting_catalogue import Settings
from shared.tenants.settings.settings import Warned
from shared.tenants.tenants import Head

_PATH: Final = "interact.tokenClientIds"
_MESSAGES: Final = {
    "VerifyToken": (
        "AnyTenantAccepted",
        "a session starts with a token of any app of any tenant; list the client ids of your own apps",
    ),
    "VerifyTokenAndTenant": (
        "AnyAppAccepted",
        "a session starts with a token of any app of your tenant; list the client ids of those that may",
    ),
}


def authorization_warnings(head: Head, settings: Settings) -> list[Warned]:  # noqa: ARG001 - the form all warners have
    """Returns one warning while tokens are verified and no client ids are listed."""
    interact = settings.interact
    if interact.authorization == "None" or interact.token_client_ids:
        return []
    code, message = _MESSAGES[interact.authorization]
    return [Warned(path=_PATH, code=code, message=message)]
