"""Access tokens for Graph: as the application, or as one of the presence accounts, in a customer's tenant."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

import msal
import requests

from shared import log
from shared.clients.entra import EntraHttp, Token, token_in
from shared.clock import Clock
from shared.clouds import Cloud
from shared.config import PresenceAccount
from shared.errors import AppError, Broken, Denied

GUEST_SCOPES: Final = ("Presence.Read.All", "User.Read", "User.ReadBasic.All")

# MSAL reads Entra's documents as if they were always whole; a half one ends in any of these.
_STUMBLES: Final = (ValueError, TypeError, LookupError, AttributeError, RuntimeError, msal.exceptions.MsalError)

_Key = tuple[str, str | None]


class SignIns:
    """Keeps tokens in this process until 5 min before they expire. Safe to share between threads.

    Every sign-in makes an MSAL app of its own: MSAL remembers an HTTP 400 for 60 s, so that an admin who has
    just given consent would see the old refusal, and its token cache asks a clock of its own. The price is one
    GET of the tenant's metadata per sign-in, that is per hour.
    """

    def __init__(
        self,
        session: requests.Session,
        cloud: Cloud,
        client_id: str,
        client_secret: str,
        clock: Clock,
        on_rotated: Callable[[str, str], None] | None = None,
    ) -> None:
        """``on_rotated`` is told the UPN and the new refresh token whenever Entra hands one out."""
        self._http = EntraHttp(session, cloud.login, clock)
        self._cloud = cloud
        self._client_id = client_id
        self._client_secret = client_secret
        self._clock = clock
        self._on_rotated = on_rotated
        self._tokens: dict[_Key, Token] = {}
        self._turns: dict[_Key, threading.Lock] = {}
        # By UPN: the refresh token that was configured, and the one it has become.
        self._rotated: dict[str, tuple[str, str]] = {}

    def app_token(self, tenant_id: str, *, fresh: bool = False) -> str:
        """A Graph token with the roles the tenant granted. Raises Denied, Throttled, Unreachable or Broken."""
        return self._token((tenant_id, None), lambda: self._as_app(tenant_id), fresh=fresh)

    def guest_token(self, tenant_id: str, account: PresenceAccount, *, fresh: bool = False) -> str:
        """A Graph token of the account as guest of the tenant; ``fresh`` signs in even if one is at hand.

        Raises Denied with Entra's code or ``NoCredentials`` as reason, Throttled, Unreachable or Broken.
        """
        if not (account.refresh_token or account.password):
            raise Denied(f"No credentials are configured for {account.upn}", reason="NoCredentials")
        key = (tenant_id, account.upn.casefold())
        return self._token(key, lambda: self._as_guest(tenant_id, account), fresh=fresh)

    def forget(self, tenant_id: str, upn: str | None) -> None:
        """Drop the token at hand, None for the application's: Graph does not accept it."""
        self._tokens.pop((tenant_id, upn.casefold() if upn else None), None)

    def _token(self, key: _Key, sign_in: Callable[[], Token], *, fresh: bool) -> str:
        # One at a time per tenant and account: to Entra many equal sign-ins at once are a loop (AADSTS50196).
        with self._turns.setdefault(key, threading.Lock()):
            known = self._tokens.get(key)
            if known is None or fresh or self._clock() >= known.renew_at:
                known = self._tokens[key] = sign_in()
            return known.value

    def _as_app(self, tenant_id: str) -> Token:
        scopes = [f"{self._cloud.graph}/.default"]
        return self._asked("the application", lambda: self._secret_app(tenant_id).acquire_token_for_client(scopes))

    def _as_guest(self, tenant_id: str, account: PresenceAccount) -> Token:
        scopes = [f"{self._cloud.graph}/{scope}" for scope in GUEST_SCOPES]
        if not account.refresh_token:
            return self._asked(
                account.upn,
                lambda: self._secret_app(tenant_id).acquire_token_by_username_password(
                    account.upn, account.password, scopes
                ),
            )
        refresh_token = self._latest(account.upn, account.refresh_token)
        token = self._asked(
            account.upn,
            lambda: self._public_app(tenant_id).acquire_token_by_refresh_token(refresh_token, scopes),
        )
        if token.refresh_token and token.refresh_token != refresh_token:
            self._rotate(account.upn, account.refresh_token, token.refresh_token)
        return token

    def _latest(self, upn: str, configured: str) -> str:
        origin, latest = self._rotated.get(upn.casefold(), ("", ""))
        return latest if origin == configured else configured

    def _rotate(self, upn: str, configured: str, latest: str) -> None:
        self._rotated[upn.casefold()] = (configured, latest)
        if self._on_rotated is None:
            return
        try:
            self._on_rotated(upn, latest)
        except AppError as exc:
            # The sign-in itself succeeded, and the old token lives on at Entra: lost is only its longer life.
            log.warning("a new refresh token could not be kept", account=upn, why=exc.detail)

    def _secret_app(self, tenant_id: str) -> Any:
        return msal.ConfidentialClientApplication(
            self._client_id, client_credential=self._client_secret, **self._places(tenant_id)
        )

    def _public_app(self, tenant_id: str) -> Any:
        # A code from the device sign-in belongs to a public client: with a secret Entra answers AADSTS700025.
        return msal.PublicClientApplication(self._client_id, **self._places(tenant_id))

    def _places(self, tenant_id: str) -> dict[str, Any]:
        authority = f"{self._cloud.login}/{tenant_id}"
        return {"authority": authority, "http_client": self._http, "instance_discovery": False}

    def _asked(self, who: str, ask: Callable[[], object]) -> Token:
        asked_at = self._clock()
        try:
            answer = ask()
        except _STUMBLES as exc:
            raise Broken(f"Entra answered {who} with something that makes no sense") from exc
        return token_in(answer, who, asked_at)
