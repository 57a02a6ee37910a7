"""Who calls: an Entra access token for this API, in the v1 or the v2 form, and what it proves.

kind of token    scp                       idtyp       azp (v1: appid)   sub
delegated        the scopes granted        user, none  the calling app   differs from app to app
app-only         none                      app, none   the calling app   the same as oid
id token         none, so it is refused    none        none              differs from app to app

An id token of our own sign-in has our client id as its audience and the user's app roles, so neither of them tells
it from an access token; nor does its nonce, which is missing after a renewal. ``idtyp`` is an optional claim.
Source: entra-docs, access-token-claims-reference and id-token-claims-reference.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.clients.entra.audience import comparable
from shared.clients.entra.signed_token import SignedToken
from shared.clients.entra.signing_keys import SigningKey, SigningKeys
from shared.kernel.clock import Clock
from shared.kernel.clouds import Cloud
from shared.kernel.errors import NotKnown

EXPIRED: Final = "TokenExpired"
NOT_YET: Final = "TokenNotYetValid"
WRONG_AUDIENCE: Final = "TokenWrongAudience"
INVALID: Final = "TokenInvalid"

LONGEST_NAME: Final = 256
LAST_SECOND: Final = 253_402_300_799  # of the year 9999, where datetime ends
PERSONAL_ACCOUNTS: Final = "9188040d-6c67-4c5b-b112-36a304b66dad"  # tid of every personal Microsoft account

_GUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified access token says. ``tid`` and ``oid`` together are the identity; ``app`` is the client id of the
    app that got the token, None if the token names none. All three are in lower case.
    """

    tid: str
    oid: str
    app: str | None
    name: str
    roles: frozenset[str]
    scopes: frozenset[str]
    app_only: bool
    upn: str | None


class CallerTokens:
    def __init__(
        self,
        keys: SigningKeys,
        cloud: Cloud,
        audiences: Collection[str],
        clock: Clock,
        leeway: timedelta = timedelta(seconds=60),
    ) -> None:
        self._keys = keys
        self._cloud = cloud
        self._audiences = frozenset(map(comparable, audiences))
        self._clock = clock
        self._leeway = leeway

    def verify(self, token: str) -> Claims:
        """Returns the claims of a good access token.

        Raises NotKnown with the code TokenExpired, TokenNotYetValid, TokenWrongAudience or, for every other
        flaw, TokenInvalid. Unreachable and Broken mean that Entra's keys cannot be had.
        """
        try:
            signed = SignedToken.parse(token)
            if signed.has_nonce:
                raise NotKnown("The access token is meant for Microsoft Graph", code=WRONG_AUDIENCE)
            key = self._keys.find(signed.kid)
            if key is None or not signed.is_signed_by(key.public):
                raise ValueError("its signature is not Entra's")
            claims = signed.claims()
            self._check_issuer(claims, key)
            self._check_audience(claims)
            self._check_times(claims)
            return _read(claims)
        except ValueError as exc:
            raise NotKnown(f"The access token is not valid: {exc}", code=INVALID) from None

    def _check_issuer(self, claims: dict[str, object], key: SigningKey) -> None:
        """The issuer is the token's own tenant, in the form of its version, and the key may sign for it."""
        tid, version = _guid(claims, "tid"), claims.get("ver")
        v2 = f"{self._cloud.login}/{tid}/v2.0"
        expected = {"1.0": f"{self._cloud.v1_issuer}/{tid}/", "2.0": v2}.get(
            version if isinstance(version, str) else ""
        )
        if expected is None or claims.get("iss") != expected:
            raise ValueError("its issuer is not its tenant")
        # Keys name their issuer in the v2 form, also those that sign v1 tokens.
        if key.issuer is not None and key.issuer.replace("{tenantid}", tid) not in (expected, v2):
            raise ValueError("its key does not sign for its tenant")
        if tid.lower() == PERSONAL_ACCOUNTS:
            raise ValueError("a personal account belongs to no tenant")

    def _check_audience(self, claims: dict[str, object]) -> None:
        audience = claims.get("aud")
        if not isinstance(audience, str):
            raise ValueError("its audience is not a text")
        if comparable(audience) not in self._audiences:
            raise NotKnown("The access token is meant for another API", code=WRONG_AUDIENCE)

    def _check_times(self, claims: dict[str, object]) -> None:
        now = self._clock()
        expires, starts = _moment(claims, "exp"), _moment(claims, "nbf")
        _moment(claims, "iat")
        if expires is None:
            raise ValueError("it never expires")
        if now - expires >= self._leeway:
            raise NotKnown("The access token has expired", code=EXPIRED)
        if starts is not None and starts - now > self._leeway:
            raise NotKnown("The access token is not valid yet", code=NOT_YET)


def _read(claims: dict[str, object]) -> Claims:
    roles = claims.get("roles", [])
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise ValueError("its roles are not a list of texts")
    upns = (_said(claims, name) for name in ("preferred_username", "upn", "unique_name"))
    app = _app(claims)
    app_only = "scp" not in claims
    scopes = frozenset(_text(claims, "scp").split())
    if not (_is_of_an_app(claims, app) if app_only else scopes):
        raise ValueError("it has no scope and is not an application's own; an id token is no access token")
    return Claims(
        tid=_guid(claims, "tid").lower(),
        oid=_guid(claims, "oid").lower(),
        app=app,
        name=_said(claims, "name"),
        roles=frozenset(roles),
        scopes=scopes,
        app_only=app_only,
        upn=next((upn for upn in upns if upn), None),
    )


def _app(claims: dict[str, object]) -> str | None:
    """Returns the client id of the app that got the token, in lower case. Raises ValueError."""
    name = "appid" if claims.get("ver") == "1.0" else "azp"
    return _guid(claims, name).lower() if name in claims else None


def _is_of_an_app(claims: dict[str, object], app: str | None) -> bool:
    """Returns whether an application got the token for itself (client credentials). Raises ValueError."""
    if kind := _text(claims, "idtyp"):
        return kind == "app"
    return app is not None and _text(claims, "sub") == _text(claims, "oid")


def _text(claims: dict[str, object], name: str) -> str:
    """The claim, or '' where it is absent."""
    value = claims.get(name, "")
    if not isinstance(value, str):
        raise ValueError(f"its claim {name} is not a text")
    return value


def _said(claims: dict[str, object], name: str) -> str:
    """A text for people: without control characters, halves of surrogates and the like, and not too long."""
    readable = (char for char in _text(claims, name) if unicodedata.category(char)[0] != "C")
    return "".join(readable).strip()[:LONGEST_NAME]


def _guid(claims: dict[str, object], name: str) -> str:
    value = _text(claims, name)
    if not _GUID.fullmatch(value):
        raise ValueError(f"its claim {name} is not a GUID")
    return value


def _moment(claims: dict[str, object], name: str) -> datetime | None:
    """Whole seconds since 1970, None where the claim is absent. Entra never writes fractions."""
    value = claims.get(name)
    if name not in claims:
        return None
    if type(value) is not int or not 0 <= value <= LAST_SECOND:  # bool is an int, too
        raise ValueError(f"its claim {name} is not a time")
    return datetime.fromtimestamp(value, UTC)
