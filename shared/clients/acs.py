"""Azure Communication Services: users and their tokens, with failures in our errors.

Nothing raised or logged here holds an access key, a signature or a token: what the SDK and the far side say in
their own words is left behind.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import requests
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.core.pipeline import PipelineResponse
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.core.pipeline.transport import RequestsTransport

from shared.http.upstream_answers import PAUSE_LEAST, PAUSE_MOST, PAUSE_UNSAID
from shared.kernel import log
from shared.kernel.clock import from_wire
from shared.kernel.errors import Broken, Denied, Throttled, Unreachable, Upstream

if TYPE_CHECKING:
    from azure.communication.identity import CommunicationIdentityClient

Scope = Literal["voip.join", "chat.join.limited"]

CONNECT_TIMEOUT: Final = 3.05  # seconds, as everywhere; a caller in a hurry gets less
FOR_DELETION: Final = 5.0  # seconds at most to delete a user that cannot be used
WHOM: Final = "Azure Communication Services"

# A raw id such as 8:acs:<guid>_<guid>, 8:gcch-acs:... in other clouds. It becomes a part of a path.
_USER_ID: Final = re.compile(r"8:[A-Za-z0-9:._-]{1,250}")
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750; the SDK makes a text of whatever it finds
# The SDK believes what it reads: an answer of another shape ends in any of these. binascii.Error is a ValueError.
_STUMBLES: Final = (ValueError, TypeError, LookupError, AttributeError, RuntimeError, ArithmeticError)


class Resource(Protocol):
    """A resource of ACS. The caller answers for the host: what is named here gets called."""

    @property
    def endpoint(self) -> str:
        """https:// and the host."""

    @property
    def access_key(self) -> str:
        """Base64."""


class AcsIdentities:
    """Each method calls once, follows no redirect and raises Denied, Throttled, Unreachable or Broken.

    Denied has the reason ``Denied`` for a 401 and ``Forbidden`` for a 403. ``timeout`` is in seconds and limits
    each silence of the far side; a whole answer may take twice as long, so a caller with a limit in all must be
    able to stop waiting.
    """

    def __init__(self, session: requests.Session) -> None:
        self._session = session

    def create_user(self, connection: Resource, timeout: float) -> str:
        """The id of a new user."""
        with _asking():
            user = self._client(connection, timeout).create_user()
            return _user_id(user.properties["id"])

    def issue_token(
        self, connection: Resource, user_id: str, scopes: Sequence[Scope], lifetime: timedelta, timeout: float
    ) -> tuple[str, datetime]:
        """A token of the user and when it expires. ACS takes a lifetime of 1 to 24 hours."""
        from azure.communication.identity import CommunicationUserIdentifier  # noqa: PLC0415 - see _client

        with _asking():
            issued = self._client(connection, timeout).get_token(
                CommunicationUserIdentifier(_user_id(user_id)), list(scopes), token_expires_in=lifetime
            )
            # A text in SDK 1.5, whatever its annotation says.
            return _token(issued.token), from_wire(str(issued.expires_on))

    def create_user_with_token(
        self, connection: Resource, scopes: Sequence[Scope], lifetime: timedelta, timeout: float
    ) -> tuple[str, str, datetime]:
        """The id of a new user, its token, and when that expires, in one call. A user whose token makes no sense is
        deleted again.
        """
        made: list[str] = []

        def note(response: PipelineResponse[Any, Any]) -> None:
            with suppress(AzureError, *_STUMBLES):  # the SDK will stumble, too
                made.append(_user_id(response.http_response.json()["identity"]["id"]))

        try:
            with _asking():
                user, issued = self._client(connection, timeout).create_user_and_token(
                    list(scopes), token_expires_in=lifetime, raw_response_hook=note
                )
                return _user_id(user.properties["id"]), _token(issued.token), from_wire(str(issued.expires_on))
        except Upstream:
            for user_id in made:
                self._delete_useless(connection, user_id, min(timeout, FOR_DELETION))
            raise

    def exchange_token(
        self, connection: Resource, entra_token: str, client_id: str, user_id: str, timeout: float
    ) -> tuple[str, datetime]:
        """A token of the Teams user whose Entra token this is, and when it expires.

        ``client_id`` is the app the Entra token was made for, ``user_id`` the object id of its user; ACS compares both.
        """
        with _asking():
            issued = self._client(connection, timeout).get_token_for_teams_user(entra_token, client_id, user_id)
            return _token(issued.token), from_wire(str(issued.expires_on))

    def delete_user(self, connection: Resource, user_id: str, timeout: float) -> None:
        """Remove the user with all tokens; one that is gone already is no error."""
        from azure.communication.identity import CommunicationUserIdentifier  # noqa: PLC0415 - see _client

        with _asking():
            try:
                self._client(connection, timeout).delete_user(CommunicationUserIdentifier(_user_id(user_id)))
            except HttpResponseError as exc:
                if exc.status_code != 404:
                    raise

    def _delete_useless(self, connection: Resource, user_id: str, timeout: float) -> None:
        try:
            self.delete_user(connection, user_id, timeout)
        except Upstream as exc:
            log.warning("a user without a token cannot be deleted", user=user_id, why=exc.code)

    def _client(self, connection: Resource, timeout: float) -> CommunicationIdentityClient:
        """A client for one call: making one takes 0.4 ms, and a kept one would keep the key."""
        from azure.communication.identity import (  # noqa: PLC0415 - 20 ms of a cold start that few calls need
            CommunicationIdentityClient,
        )

        # At DEBUG the SDK quotes what it cannot read of an answer: maybe a token.
        logging.getLogger("azure.communication.identity").setLevel(logging.INFO)
        # Limits given to the client would be ignored beside a transport of our own.
        transport = RequestsTransport(
            session=self._session,
            session_owner=False,
            connection_timeout=min(timeout, CONNECT_TIMEOUT),
            read_timeout=timeout,
        )
        return CommunicationIdentityClient(
            connection.endpoint,
            AzureKeyCredential(connection.access_key),
            transport=transport,
            retry_total=0,
            # Policies that do nothing. azure-core follows redirects to any host, and writes a line per request;
            # its other logger would write the Authorization header, too.
            redirect_policy=SansIOHTTPPolicy(),
            http_logging_policy=SansIOHTTPPolicy(),
            logging_policy=SansIOHTTPPolicy(),
        )


@contextmanager
def _asking() -> Iterator[None]:
    """What the SDK raises as ours, and without its cause: that quotes what the far side said."""
    try:
        yield
    except (AzureError, *_STUMBLES) as exc:
        raise _ours(exc) from None


def _ours(exc: Exception) -> Upstream:
    kind = type(exc).__name__
    match exc:
        case IncompleteReadError():
            return Unreachable(f"{WHOM} broke off its answer")
        case HttpResponseError(status_code=401):
            return Denied(f"{WHOM} does not accept the access key", reason="Denied")
        case HttpResponseError(status_code=403):
            return Denied(f"{WHOM} does not allow this", reason="Forbidden")
        case HttpResponseError(status_code=429):
            return Throttled(f"{WHOM} answered 429", retry_after=_pause(exc))
        case HttpResponseError():
            return Broken(f"{WHOM} answered {exc.status_code} ({kind})")
        case ServiceRequestError() | ServiceResponseError() if _is_silence(exc.inner_exception):
            return Unreachable(f"{WHOM} does not answer ({kind})")
        case _:
            return Broken(f"{WHOM} answered with something that makes no sense ({kind})")


def _is_silence(inner: BaseException | None) -> bool:
    """Whether the connection failed, rather than what came over it."""
    silent = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
    return isinstance(inner, silent) or not isinstance(inner, requests.RequestException)


def _pause(exc: HttpResponseError) -> float:
    """Seconds of Retry-After; ACS gives a number."""
    said = str(getattr(exc.response, "headers", {}).get("Retry-After", "")).strip()
    seconds = float(said) if said.isascii() and said.isdigit() else PAUSE_UNSAID
    return min(max(seconds, PAUSE_LEAST), PAUSE_MOST)


def _user_id(said: object) -> str:
    if not isinstance(said, str) or not _USER_ID.fullmatch(said):
        raise ValueError("not the id of a user")
    return said


def _token(said: object) -> str:
    if not isinstance(said, str) or not _TOKEN.fullmatch(said):
        raise ValueError("not a token")
    return said
