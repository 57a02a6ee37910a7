"""Who calls: an identity that was proven, and the roles that count for it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
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
    """``oid`` and ``tid`` together are the identity; the name is for people.

    ``missing_scopes`` are those of which the token had none although it needs one; such a caller has no roles.
    """

    tid: str
    oid: str
    name: str
    roles: frozenset[Role]
    missing_scopes: tuple[str, ...] = ()

    def may(self, *roles: Role) -> bool:
        return not self.roles.isdisjoint(roles)

    def require(self, *roles: Role) -> None:
        """Raises NotAllowed (``ScopeMissing``, or ``RoleMissing`` for a caller with none of these roles)."""
        if self.missing_scopes:
            needed = ", ".join(self.missing_scopes)
            raise NotAllowed(f"the access token needs one of the scopes {needed}", code="ScopeMissing")
        if not self.may(*roles):
            raise NotAllowed(f"this needs one of the roles {', '.join(roles)}", code="RoleMissing")


def caller_of(claims: Proven, *, home_tenant_id: str) -> Caller:
    """The roles that count: Operator only from the home tenant, Integration only for an app without a user."""
    counted = {role for role in ROLES if role in claims.roles}
    if claims.tid != home_tenant_id:
        counted.discard(OPERATOR)
    if not claims.app_only:
        counted.discard(INTEGRATION)
    return Caller(claims.tid, claims.oid, claims.name, frozenset(counted))


def lacks_scope(claims: Proven, accepted: Collection[str]) -> bool:
    """Returns whether a delegated token has none of the accepted scopes.

    Names are compared exactly. Without accepted scopes any will do; an app-only token has none.
    """
    return bool(accepted) and not claims.app_only and not set(accepted).intersection(claims.scopes)


class Tokens(Protocol):
    """Verifies an access token for this API. Raises NotKnown."""

    def verify(self, token: str) -> Proven: ...


class Callers:
    """From a bearer token to who is calling. ``scopes`` are those of which a delegated token needs one, if any."""

    def __init__(self, tokens: Tokens, *, home_tenant_id: str, scopes: Collection[str]) -> None:
        self._tokens = tokens
        self._home_tenant_id = home_tenant_id
        self._scopes = tuple(scopes)

    def of_bearer(self, token: str) -> Caller:
        """Returns the caller, also one without a scope, who can be named and charged and may do nothing.

        Raises NotKnown.
        """
        claims = self._tokens.verify(token)
        caller = caller_of(claims, home_tenant_id=self._home_tenant_id)
        if lacks_scope(claims, self._scopes):
            return replace(caller, roles=frozenset(), missing_scopes=self._scopes)
        return caller
