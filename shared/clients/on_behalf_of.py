"""A user's token for this API exchanged for one that calls Graph or Communication Services in the user's name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msal
import requests

from shared.clients.entra import STUMBLES, EntraHttp, Token, token_in
from shared.clock import Clock
from shared.clouds import Cloud
from shared.errors import Broken, Denied
from shared.kept import Kept

# The app id is 1fd5118e-2576-4263-8130-9503064c837a in every tenant; Entra takes the URI in scopes.
ACS: Final = "https://auth.msft.communication.azure.com"
ACS_SCOPES: Final = ("Teams.ManageCalls", "Teams.ManageChats")

CONSENT_MISSING: Final = "ConsentMissing"
INTERACTION_REQUIRED: Final = "InteractionRequired"
ASSERTION_EXPIRED: Final = "AssertionExpired"
ASSERTION_REFUSED: Final = "AssertionRefused"

# Source: entra-docs, reference-error-codes and v2-oauth2-on-behalf-of-flow.
_REASONS: Final = {
    f"AADSTS{code}": reason
    for reason, codes in {
        CONSENT_MISSING: (65001, 65004, 65005, 90094, 90095, 650056, 650057, 500011),
        INTERACTION_REQUIRED: (
            *(50072, 50074, 50076, 50078, 50079, 50158, 53004),  # a second factor
            *(50005, 50097, 50131, 53000, 53001, 53002, 53003, 530032, 530035),  # conditional access
            *(50055, 50132, 50133, 50144, 50173, 70043),  # sign in again
        ),
        ASSERTION_EXPIRED: (500133,),
        ASSERTION_REFUSED: (50013, 500131, 7000114),
    }.items()
    for code in codes
}

MOST_KEPT: Final = 1_000  # tokens in mind; a process that serves more users asks Entra again


class OnBehalfOf:
    """Keeps tokens in this process only, until 5 min before they expire, under a hash of what they came from.

    Safe to share between threads. The assertion must be verified by the caller at each use: a token at hand is
    given without asking Entra again. ``client_id`` is the app the assertion was made for; Entra takes no other.
    """

    def __init__(
        self,
        session: requests.Session,
        cloud: Cloud,
        client_id: str,
        client_secret: str,
        clock: Clock,
        most_kept: int = MOST_KEPT,
    ) -> None:
        self._http = EntraHttp(session, cloud.login, clock)
        self._cloud = cloud
        self._client_id = client_id
        self._client_secret = client_secret
        self._clock = clock
        self._kept: Kept[str] = Kept(clock, most_kept)

    def graph_token(self, tenant_id: str, assertion: str, scopes: Sequence[str]) -> str:
        """A delegated Graph token with at least these scopes, such as ``Contacts.Read``.

        Raises Throttled, Unreachable, Broken, or Denied with one of these reasons: ConsentMissing (members
        ``missingScopes`` and ``clientId``), InteractionRequired (member ``claims``, what Entra wants, where it
        says so), AssertionExpired, AssertionRefused, else Entra's own code.
        """
        return self._token(tenant_id, assertion, [f"{self._cloud.graph}/{scope}" for scope in scopes])

    def acs_token(self, tenant_id: str, assertion: str) -> str:
        """A token that Communication Services exchanges for one of its own. Raises as ``graph_token`` does."""
        return self._token(tenant_id, assertion, [f"{ACS}/{scope}" for scope in ACS_SCOPES])

    def forget_tenant(self, tenant_id: str) -> None:
        """Drop what this process keeps of a tenant that leaves. Other processes keep its tokens until they expire."""
        self._kept.forget_tenant(tenant_id)

    def _token(self, tenant_id: str, assertion: str, scopes: list[str]) -> str:
        def make() -> tuple[str, datetime]:
            token = self._exchange(tenant_id, assertion, scopes)
            return token.value, token.renew_at

        return self._kept.get(tenant_id, *sorted(scopes), assertion, make=make)

    def _exchange(self, tenant_id: str, assertion: str, scopes: list[str]) -> Token:
        # An app of its own for each exchange, see SignIns: MSAL would keep tokens and remember refusals.
        asked_at = self._clock()
        try:
            app: Any = msal.ConfidentialClientApplication(  # reads the tenant's metadata
                self._client_id,
                client_credential=self._client_secret,
                authority=f"{self._cloud.login}/{tenant_id}",
                http_client=self._http,
                instance_discovery=False,
            )
            answer = app.acquire_token_on_behalf_of(assertion, scopes)
        except STUMBLES as exc:
            raise Broken("Entra answered an exchange of tokens with something that makes no sense") from exc
        try:
            return token_in(answer, "the exchange of a user's token", asked_at)
        except Denied as exc:
            raise self._refused(exc, answer, scopes) from None

    def _refused(self, exc: Denied, answer: dict[str, Any], scopes: list[str]) -> Denied:
        reason = _REASONS.get(exc.reason, exc.reason)
        members: dict[str, object] = {}
        if reason == CONSENT_MISSING:
            members = {"missingScopes": scopes, "clientId": self._client_id}
        elif reason == INTERACTION_REQUIRED and isinstance(answer.get("claims"), str):
            members = {"claims": answer["claims"]}
        return Denied(exc.detail, reason=reason, **members)
