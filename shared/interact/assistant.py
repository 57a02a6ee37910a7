"""A Teams user's token for Communication Services, from the token the user's Assistant calls this API with."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Protocol

from shared.concurrency.expiring_cache import Kept
from shared.interact.acs.problems import acs_problems
from shared.kernel.acs_connection_string import ConnectionString, Refused, read_connection_string
from shared.kernel.clock import Clock, to_wire
from shared.kernel.errors import ConfigError, Denied, NotAllowed, NotKnown
from shared.kernel.wire import Wire
from shared.tenants.settings.settings import TenantSettings
from shared.tenants.tenants import Head

PATIENCE: Final = 5.0  # seconds for the exchange at ACS
RENEW_BEFORE: Final = timedelta(minutes=5)
MOST_KEPT: Final = 1_000  # tokens in mind

_CONSENT: Final = "An admin of your organization has to consent to Teams.ManageCalls and Teams.ManageChats of Azure "
_CONSENT_OF: Final = "Communication Services for this app."


class AssistantToken(Wire):
    token: str
    expires_on: str


class Exchanges(Protocol):
    """Entra. Raises Denied with ConsentMissing, InteractionRequired, AssertionExpired, AssertionRefused or Entra's
    own code as reason; Throttled, Unreachable or Broken.
    """

    def acs_token(self, tenant_id: str, assertion: str) -> str: ...


class Identities(Protocol):
    """A resource of ACS. Raises Denied, Throttled, Unreachable or Broken."""

    def exchange_token(
        self, connection: ConnectionString, entra_token: str, client_id: str, user_id: str, timeout: float
    ) -> tuple[str, datetime]: ...


class Assistant:
    """``client_id`` is this API's app, which the callers' tokens are made for; ``platform`` the connection string of
    the platform's own ACS.
    """

    def __init__(
        self,
        settings: TenantSettings,
        exchanges: Exchanges,
        identities: Identities,
        client_id: str,
        platform: str,
        acs_suffixes: tuple[str, ...],
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._exchanges = exchanges
        self._identities = identities
        self._client_id = client_id
        self._platform = platform
        self._suffixes = acs_suffixes
        self._kept: Kept[AssistantToken] = Kept(clock, MOST_KEPT)

    def token(self, head: Head, user_id: str, assertion: str) -> AssistantToken:
        """A token of the user at the tenant's own ACS or the platform's. ``assertion`` was verified and is the user's.

        Raises NotAllowed (``AssistantDisabled``, ``ConsentMissing``, ``UserTokenNeeded``), NotKnown (``TokenExpired``,
        ``InteractionRequired`` with Entra's ``claims``), Upstream. The token is kept in this process until 5 min
        before it expires.
        """
        if "Assistant" not in head.tenant.value.products:
            raise NotAllowed("Assistant is not licensed", code="AssistantDisabled")
        own = self._own(head)
        connection = own or self._platforms()

        def make() -> tuple[AssistantToken, datetime]:
            entra_token = self._entra_token(head.tenant_id, assertion)
            with acs_problems(platform=own is None):
                token, expires_on = self._identities.exchange_token(
                    connection, entra_token, self._client_id, user_id, PATIENCE
                )
            return AssistantToken(token=token, expires_on=to_wire(expires_on)), expires_on - RENEW_BEFORE

        return self._kept.get(head.tenant_id, connection.fingerprint, assertion, make=make)

    def forget_tenant(self, tenant_id: str) -> None:
        """Drop what this process keeps of a tenant that leaves. Other processes keep its tokens until they expire."""
        self._kept.forget_tenant(tenant_id)

    def _own(self, head: Head) -> ConnectionString | None:
        if not head.settings.value.assistant.use_own_acs:
            return None
        text = self._settings.connection_string(head, "assistant")
        return None if text is None else read_connection_string(text, self._suffixes)

    def _platforms(self) -> ConnectionString:
        try:
            return read_connection_string(self._platform, self._suffixes)
        except Refused as exc:
            raise ConfigError([f"PLATFORM_ACS_CONNECTION_STRING: {exc.detail}"]) from None

    def _entra_token(self, tenant_id: str, assertion: str) -> str:
        try:
            return self._exchanges.acs_token(tenant_id, assertion)
        except Denied as exc:
            raise _ours(exc) from None


def _ours(exc: Denied) -> Exception:
    """What the caller can do about a refusal of Entra."""
    match exc.reason:
        case "ConsentMissing":
            remedy = _CONSENT + _CONSENT_OF
            return NotAllowed(exc.detail, code="ConsentMissing", remedy=remedy, **exc.members)
        case "InteractionRequired":
            return NotKnown(exc.detail, code="InteractionRequired", **exc.members)
        case "AssertionExpired":
            return NotKnown("the access token has expired", code="TokenExpired")
        case "AssertionRefused":
            return NotAllowed("this needs the token of a user, not of an app", code="UserTokenNeeded")
        case _:
            return exc
