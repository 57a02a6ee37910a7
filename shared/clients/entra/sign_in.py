"""Access tokens for Graph: as the application, or as one of the presence accounts, in a customer's tenant."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Protocol

import msal
import requests

from shared.app_settings.config import PresenceAccount
from shared.clients.entra.token_endpoint import RENEW_BEFORE, STUMBLES, EntraHttp, Token, token_in
from shared.concurrency.expiring_cache import Entries, Turns
from shared.kernel.clock import Clock
from shared.kernel.clouds import Cloud
from shared.kernel.errors import Broken, Denied

GUEST_SCOPES: Final = ("Presence.Read.All", "User.Read", "User.ReadBasic.All")

APPLICATION: Final = "application"
MOST_KEPT: Final = 10_000  # tokens in this process, about 2 KB each; others are read from the shelf

_Key = tuple[str, str]


class Shelf(Protocol):
    """Keeps tokens for all instances, by tenant and by who they are for. Fails by giving nothing."""

    def token(self, tenant_id: str, who: str) -> tuple[str, datetime] | None: ...
    def keep_token(self, tenant_id: str, who: str, value: str, renew_at: datetime) -> None: ...
    def forget_token(self, tenant_id: str, who: str, value: str | None = None) -> None: ...
    def claim(self, tenant_id: str, who: str) -> bool: ...
    def refresh_token(self, upn: str, configured: str | None) -> str | None: ...
    def keep_refresh_token(self, upn: str, configured: str | None, latest: str) -> None: ...


class SignIns:
    """Keeps tokens until 5 min before they expire, in this process and on a shelf for all. Safe between threads.

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
        shelf: Shelf,
    ) -> None:
        self._http = EntraHttp(session, cloud.login, clock)
        self._cloud = cloud
        self._client_id = client_id
        self._client_secret = client_secret
        self._clock = clock
        self._shelf = shelf
        self._tokens: Entries[str, datetime] = Entries(clock, MOST_KEPT)
        self._turns = Turns()

    def app_token(self, tenant_id: str, *, fresh: bool = False) -> str:
        """A Graph token with the roles the tenant granted. Raises Denied, Throttled, Unreachable or Broken."""
        return self._token((tenant_id, APPLICATION), lambda: self._as_app(tenant_id), fresh=fresh)

    def guest_token(self, tenant_id: str, account: PresenceAccount, *, fresh: bool = False) -> str:
        """A Graph token of the account as guest of the tenant; ``fresh`` signs in even if one is at hand.

        Raises Denied with Entra's code or ``NoCredentials`` as reason, Throttled, Unreachable or Broken.
        """
        key = (tenant_id, account.upn.casefold())
        return self._token(key, lambda: self._as_guest(tenant_id, account), fresh=fresh)

    def guest_scopes(self, tenant_id: str, account: PresenceAccount) -> frozenset[str]:
        """The delegated permissions a sign-in now gives the account in the tenant; raises like ``guest_token``."""
        return self._as_guest(tenant_id, account).scopes

    def forget(self, tenant_id: str, upn: str | None, token: str | None = None) -> None:
        """Drop the token at hand, ``upn`` None for the application's: Graph does not accept it.

        With ``token`` only if it is this one: another call may have replaced it meanwhile.
        """
        key = (tenant_id, upn.casefold() if upn else APPLICATION)
        with self._turns.of(key):
            if token in (None, self._tokens.get(*key)):
                self._tokens.remove(*key)
            self._shelf.forget_token(*key, token)

    def forget_tenant(self, tenant_id: str) -> None:
        """Drop what this process keeps of a tenant that leaves. Other processes keep its tokens until they expire."""
        self._tokens.forget_tenant(tenant_id)

    def _token(self, key: _Key, sign_in: Callable[[], Token], *, fresh: bool) -> str:
        # One at a time per tenant and account: to Entra many equal sign-ins at once are a loop (AADSTS50196).
        with self._turns.of(key):
            at_hand = None if fresh else self._at_hand(key)
            if at_hand is None:
                token = sign_in()
                at_hand = token.value
                self._tokens.put(*key, token.value, token.renew_at)
                self._shelf.keep_token(*key, token.value, token.renew_at)
            return at_hand

    def _at_hand(self, key: _Key) -> str | None:
        """A token that serves, None if it is on us to get one."""
        if known := self._tokens.get(*key):
            return known
        shelved = self._shelf.token(*key)
        if shelved is None:
            return None
        now, (token, renew_at) = self._clock(), shelved
        if now < renew_at:
            self._tokens.put(*key, token, renew_at)
            return token
        # For a few minutes the old one still serves, so only one instance goes and asks for the next.
        serves = now < renew_at + RENEW_BEFORE / 2
        return token if serves and not self._shelf.claim(*key) else None

    def _as_app(self, tenant_id: str) -> Token:
        scopes = [f"{self._cloud.graph}/.default"]
        return self._asked("the application", lambda: self._secret_app(tenant_id).acquire_token_for_client(scopes))

    def _as_guest(self, tenant_id: str, account: PresenceAccount) -> Token:
        scopes = [f"{self._cloud.graph}/{scope}" for scope in GUEST_SCOPES]
        refresh_token = self._shelf.refresh_token(account.upn, account.refresh_token)
        if refresh_token is None and account.password is None:
            raise Denied(f"No credentials are configured for {account.upn}", reason="NoCredentials")
        if refresh_token is None:
            return self._asked(
                account.upn,
                lambda: self._secret_app(tenant_id).acquire_token_by_username_password(
                    account.upn, account.password, scopes
                ),
            )
        token = self._asked(
            account.upn,
            lambda: self._public_app(tenant_id).acquire_token_by_refresh_token(refresh_token, scopes),
        )
        if token.refresh_token and token.refresh_token != refresh_token:
            self._shelf.keep_refresh_token(account.upn, account.refresh_token, token.refresh_token)
        return token

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
        except STUMBLES as exc:
            raise Broken(f"Entra answered {who} with something that makes no sense") from exc
        return token_in(answer, who, asked_at)
