"""The claims of Entra's tokens, in the v1 and the v2 form."""

from __future__ import annotations

import base64
import hashlib
import json
import time
import uuid
from dataclasses import dataclass
from typing import Any, Final

from simulator.keys import Claims

GRAPH: Final = "https://graph.microsoft.com"
GRAPH_APP: Final = "00000003-0000-0000-c000-000000000000"
GRAPH_AUDIENCES: Final = frozenset({GRAPH, f"{GRAPH}/", GRAPH_APP})
#: Communication Services as a resource of Entra, for tokens of Teams users.
ACS: Final = "https://auth.msft.communication.azure.com"
ACS_APP: Final = "1fd5118e-2576-4263-8130-9503064c837a"
ACS_AUDIENCES: Final = frozenset({ACS, f"{ACS}/", ACS_APP})
LIFETIME: Final = 3600


@dataclass(frozen=True)
class Subject:
    """Who a token is about: a user in a tenant, or an app (`upn` None)."""

    tenant_id: str
    oid: str
    upn: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class Wish:
    """What a token should say. `scp` empty means an app-only token."""

    audience: str
    client_id: str
    version: int
    scp: str = ""
    roles: tuple[str, ...] = ()
    expires_in: int = LIFETIME
    not_before: int | None = None
    #: "1" when the client showed a secret, "0" for a public client.
    proof: str = "1"


def issuer(tenant_id: str, version: int) -> str:
    """The issuer of a tenant's tokens in that form."""
    if version == 1:
        return f"https://sts.windows.net/{tenant_id}/"
    return f"https://login.microsoftonline.com/{tenant_id}/v2.0"


def access_claims(subject: Subject, wish: Wish) -> Claims:
    """The claims of an access token."""
    now = int(time.time())
    claims: Claims = {
        "aud": wish.audience,
        "iss": issuer(subject.tenant_id, wish.version),
        "iat": now,
        "nbf": _moment(wish.not_before, now),
        "exp": now + wish.expires_in,
        "oid": subject.oid,
        "sub": subject.oid if not wish.scp else pairwise(subject.oid, wish.audience),
        "tid": subject.tenant_id,
        "uti": _token_id(),
        "ver": f"{wish.version}.0",
        "idtyp": "user" if wish.scp else "app",
    }
    claims |= (
        {"appid": wish.client_id, "appidacr": wish.proof}
        if wish.version == 1
        else {
            "azp": wish.client_id,
            "azpacr": wish.proof,
        }
    )
    if wish.scp:
        claims["scp"] = wish.scp
        claims |= _person(subject, wish.version)
    if wish.roles:
        claims["roles"] = list(wish.roles)
    return claims


def _person(subject: Subject, version: int) -> Claims:
    named: Claims = {"name": subject.name} if subject.name else {}
    if subject.upn is None:
        return named
    if version == 1:
        return {**named, "upn": subject.upn, "unique_name": subject.upn}
    return {**named, "preferred_username": subject.upn}


def id_claims(subject: Subject, client_id: str, nonce: str | None, roles: tuple[str, ...], version: int = 2) -> Claims:
    """The claims of an id token: the app that signs in is the audience, and there is neither scp nor azp nor idtyp.

    It has a nonce only if the sign-in page was asked for one, so none after a renewal.
    """
    now = int(time.time())
    claims: Claims = {
        "aud": client_id,
        "iss": issuer(subject.tenant_id, version),
        "iat": now,
        "nbf": now,
        "exp": now + LIFETIME,
        "oid": subject.oid,
        "rh": "1.AAAA.",
        "sub": pairwise(subject.oid, client_id),
        "tid": subject.tenant_id,
        "uti": _token_id(),
        "ver": f"{version}.0",
        **_person(subject, version),
    }
    if nonce:
        claims["nonce"] = nonce
    if roles:
        claims["roles"] = list(roles)
    return claims


def is_app_only(claims: Claims) -> bool:
    """Whether an app got this access token for itself; ValueError for what is neither an app's nor a user's."""
    if "scp" in claims:
        return False
    if claims.get("idtyp") == "app":
        return True
    app = claims.get("appid" if claims.get("ver") == "1.0" else "azp")
    if "idtyp" in claims or not app or not claims.get("oid") or claims["oid"] != claims.get("sub"):
        raise ValueError("an id token, or none at all")
    return True


def for_graph(claims: Claims) -> bool:
    """Whether only Graph can verify the token's signature, see `KeyRing.sign`."""
    return str(claims.get("aud")) in GRAPH_AUDIENCES


def pairwise(oid: str, audience: str) -> str:
    """A subject that differs from one audience to the next."""
    return base64.urlsafe_b64encode(hashlib.sha256(f"{oid}/{audience}".encode()).digest()).rstrip(b"=").decode()


def _token_id() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()


def client_info(home_oid: str, home_tenant: str) -> str:
    """The `client_info` member MSAL names its accounts by."""
    text = json.dumps({"uid": home_oid, "utid": home_tenant}).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def account_of(claims: Claims) -> str | None:
    """The UPN of a token's user; None in an app-only token."""
    if claims.get("idtyp") == "app":
        return None
    upn: Any = claims.get("upn") or claims.get("preferred_username")
    return str(upn) if upn else None


def within_lifetime(claims: Claims, leeway: int = 0) -> bool:
    """Whether the token is valid now."""
    moments = claims.get("nbf", 0), claims.get("exp")
    if not all(isinstance(moment, int | float) for moment in moments):
        return False
    try:
        begins, ends = map(float, moments)
    except OverflowError:
        return False
    return begins - leeway <= time.time() < ends + leeway


def _moment(not_before: int | None, now: int) -> int:
    """Small numbers are seconds from now, like expiresIn; large ones are seconds since 1970."""
    if not_before is None:
        return now
    return not_before if abs(not_before) > 1_000_000_000 else now + not_before
