"""Whether a session may start: the token of the customer's own app, as far as the tenant asks for one."""

from __future__ import annotations

from typing import Protocol

from shared.kernel.errors import NotKnown
from shared.tenants.setting_catalogue import Interact


class Proven(Protocol):
    @property
    def tid(self) -> str: ...
    @property
    def app(self) -> str | None: ...


class Tokens(Protocol):
    """Tokens made for Interact, app-only ones of client credentials too.

    ``verify`` raises NotKnown with TokenExpired, TokenNotYetValid, TokenWrongAudience or TokenInvalid; Unreachable
    or Broken while Entra's keys cannot be had.
    """

    def verify(self, token: str) -> Proven: ...


class Authorization:
    """Decides by the tenant's settings whether the token a start brings is good enough."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def check(self, tenant_id: str, settings: Interact, token: str | None) -> bool:
        """Returns whether the caller proved something: True once its token was accepted.

        ``tenant_id`` owns the widget key. Without authorization in the settings the token is not looked at. Raises
        NotKnown with TokenMissing, TokenWrongTenant, TokenWrongApp, or as ``Tokens`` does.
        """
        if settings.authorization == "None":
            return False
        if not token:
            raise NotKnown("send an access token of your own app as a bearer token", code="TokenMissing")
        proven = self._tokens.verify(token)
        if settings.authorization == "VerifyTokenAndTenant" and proven.tid != tenant_id:
            raise NotKnown("the access token belongs to another tenant", code="TokenWrongTenant")
        if settings.token_client_ids and proven.app not in settings.token_client_ids:
            raise NotKnown("the access token belongs to an app that may not start a session", code="TokenWrongApp")
        return True
