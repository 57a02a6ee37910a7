"""Who calls: an identity that was proven, and the roles that count for it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from shared.kernel.errors import NotAllowed

Role = Literal["TenantAdmin", "ServiceOwner", "Agent", "Integration", "Operator"]

TENANT_ADMIN: Final[Role] = "TenantAdmin"
SERVICE_OWNER: Final[Role] = "ServiceOwner"
AGENT: Final[Role] = "Agent"
INTEGRATION: Final[Role] = "Integration"
OPERATOR: Final[Role] = "Operator"
ROLES: Final[tuple[Role, ...]] = (TENANT_ADMIN, SERVICE_OWNER, AGENT, INTEGRATION, OPERATOR)


class Proven(Protocol):
    """What a verified access token says."""

    @property
    def tid(self) -> str: ...
    @property
    def oid(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def roles(self) -> Collection[str]: ...
    @property
    def scopes(self) -> Collection[str]: ...
    @property
    def app_only(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Caller:
    """``oid`` and ``tid`` together are the identity; the name is for people."""

    tid: str
    oid: str
    name: str
    roles: frozenset[Role]

    def may(self, *roles: Role) -> bool:
        return not self.roles.isdisjoint(roles)


def caller_of(claims: Proven, *, home_tenant_id: str) -> Caller:
    """The roles that count: Operator only from the home tenant, Integration only for an app without a user."""
    counted = {role for role in ROLES if role in claims.roles}
    if claims.tid != home_tenant_id:
        counted.discard(OPERATOR)
    if not claims.app_only:
        counted.discard(INTEGRATION)
    return Caller(claims.tid, claims.oid, claims.name, frozenset(counted))


def check_scopes(claims: Proven, accepted: Collection[str]) -> None:
    """Raises NotAllowed (``ScopeMissing``) for a delegated token with none of the accepted scopes.

    Names are compared exactly. Without accepted scopes any will do; an app-only token has none.
    """
    if accepted and not claims.app_only and not set(accepted).intersection(claims.scopes):
        raise NotAllowed(f"the access token needs one of the scopes {', '.join(accepted)}", code="ScopeMissing")


class Tokens(Protocol):
    """Verifies an access token for this API. Raises NotKnown."""

    def verify(self, token: str) -> Proven: ...


class Callers:
    """From a bearer token to who is calling. ``scopes`` are those of which a delegated token needs one, if any."""

    def __init__(self, tokens: Tokens, *, home_tenant_id: str, scopes: Collection[str]) -> None:
        self._tokens = tokens
        self._home_tenant_id = home_tenant_id
        self._scopes = scopes

    def of_bearer(self, token: str) -> Caller:
        """Raises NotKnown, NotAllowed (``ScopeMissing``)."""
        claims = self._tokens.verify(token)
        check_scopes(claims, self._scopes)
        return caller_of(claims, home_tenant_id=self._home_tenant_id)
