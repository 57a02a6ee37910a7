"""A user's token for this API exchanged for one that calls Graph or Communication Services in the user's name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msal
import requests

from shared.clients.entra.token_endpoint import STUMBLES, EntraHttp, Token, token_in
from shared.concurrency.expiring_cache import Kept
from shared.kernel.clock import Clock
from shared.kernel.clouds import Cloud
from shared.kernel.errors import Broken, Denied
from shared.kernel.sign_in_errors import Family

# The app id is 1fd5118e-2576-4263-8130-9503064c837a in every tenant; Entra takes the URI in scopes.
ACS: Final = "https://auth.msft.communication.azure.com"
ACS_SCOPES: Final = ("Teams.ManageCalls", "Teams.ManageChats")

CONSENT_MISSING: Final = "ConsentMissing"
INTERACTION_REQUIRED: Final = "InteractionRequired"
ASSERTION_EXPIRED: Final = "AssertionExpired"
ASSERTION_REFUSED: Final = "AssertionRefused"

# A new sign-in of the user mends these.
_SIGN_IN_AGAIN: Final[frozenset[Family]] = frozenset(
    {"SecondFactor", "ConditionalAccess", "SignInExpired", "PasswordExpired"}
)

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
        says so), AssertionExpired, AssertionRefused, else Entra's own code (member ``remedy`` where there is one).
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
        claims = answer.get("claims")
        wanted: dict[str, Any] = {"claims": claims} if isinstance(claims, str) and claims else {}
        if wanted and answer.get("error") == "interaction_required":  # whatever the code
            return Denied(exc.detail, reason=INTERACTION_REQUIRED, **wanted)
        if exc.fault is None:
            return exc
        if exc.fault.consent:
            return Denied(exc.detail, reason=CONSENT_MISSING, missingScopes=scopes, clientId=self._client_id)
        if exc.fault.family in _SIGN_IN_AGAIN:
            return Denied(exc.detail, reason=INTERACTION_REQUIRED, **wanted)
        match exc.fault.family:
            case "AssertionExpired":
                return Denied(exc.detail, reason=ASSERTION_EXPIRED)
            case "AssertionRefused":
                return Denied(exc.detail, reason=ASSERTION_REFUSED)
        return Denied(exc.detail, reason=exc.reason, fault=exc.fault.in_own_sign_in())
