"""Scopes of a token request: which resource they mean and what of it is granted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from simulator.entra_errors import EntraRefusal
from simulator.state import App, Cloud, Tenant
from simulator.tokens import ACS, ACS_AUDIENCES, GRAPH, GRAPH_AUDIENCES

OIDC: Final = ("openid", "profile", "email", "offline_access")
#: The scope of an API of ours; it needs no consent, its own app registration pre-authorises it.
OWN_SCOPE: Final = "access_as_user"
#: A tenant's consents are one list per app; these of it are permissions on ACS, all others on Graph.
ACS_SCOPES: Final = frozenset({"teams.managecalls", "teams.managechats"})


@dataclass(frozen=True)
class Asked:
    """What a `scope` parameter asks for. `resource` is GRAPH, ACS or the audience of an app."""

    resource: str
    names: tuple[str, ...]
    oidc: tuple[str, ...]
    default: bool
    #: Whether the caller wrote whole URIs; the answer writes them the same way.
    full: bool

    @property
    def offline(self) -> bool:
        """Whether a refresh token is wanted."""
        return "offline_access" in self.oidc

    @property
    def openid(self) -> bool:
        """Whether an id token is wanted."""
        return "openid" in self.oidc


def parse_scopes(cloud: Cloud, text: str) -> Asked:
    """Read a scope parameter; EntraRefusal for a foreign resource or for two of them."""
    resources: list[str] = []
    names: list[str] = []
    oidc: list[str] = []
    full = False
    for scope in text.split():
        if scope in OIDC:
            oidc.append(scope)
            continue
        prefix, _, name = scope.rpartition("/")
        if not name:
            raise EntraRefusal(70011, f"The provided value for the input parameter 'scope' is not valid: {scope}")
        full = full or bool(prefix)
        resources.append(_resource(cloud, prefix))
        names.append(name)
    if len(set(resources)) > 1:
        raise EntraRefusal(28000)
    if ".default" in names and len(names) > 1:
        raise EntraRefusal(70011, ".default scope can't be combined with resource-specific scopes.")
    return Asked(resources[0] if resources else GRAPH, tuple(names), tuple(oidc), names == [".default"], full)


def _resource(cloud: Cloud, prefix: str) -> str:
    if not prefix or prefix in GRAPH_AUDIENCES or prefix.rstrip("/") in GRAPH_AUDIENCES:
        return GRAPH
    if prefix in ACS_AUDIENCES:
        return ACS
    for app in cloud.apps.values():
        if prefix in (app.audience, app.client_id, f"api://{app.client_id}") and app.audience:
            return app.audience
    raise EntraRefusal(500011, f"The resource principal named {prefix} was not found in the tenant.")


def resource_app(cloud: Cloud, audience: str) -> App:
    """The app behind an audience that `parse_scopes` accepted."""
    return next(app for app in cloud.apps.values() if app.audience == audience)


def granted(tenant: Tenant, client_id: str, asked: Asked) -> tuple[str, ...]:
    """The scopes a token gets: all that were consented, provided they hold what was asked. Else AADSTS65001."""
    if not asked.names:
        return asked.oidc
    if asked.resource not in (GRAPH, ACS):
        return (OWN_SCOPE,)
    consented = {
        scope
        for scope in tenant.consents.get(client_id, set())
        if (scope.lower() in ACS_SCOPES) == (asked.resource == ACS)
    }
    have = {scope.lower() for scope in consented}
    if not consented or not all(name.lower() in have for name in asked.names if not asked.default):
        raise EntraRefusal(
            65001,
            f"The user or administrator has not consented to use the application with ID '{client_id}'. "
            "Send an interactive authorization request for this user and resource.",
        )
    return tuple(sorted(consented))


def written(asked: Asked, scopes: tuple[str, ...]) -> str:
    """The `scope` member of the answer, in the words of the request."""
    prefix = f"{asked.resource}/" if asked.full else ""
    extra = (f"{prefix}.default",) if asked.default else ()
    oidc = tuple(scope for scope in asked.oidc if scope != "offline_access")
    named = () if not asked.names else tuple(f"{prefix}{scope}" for scope in scopes)
    return " ".join((*oidc, *named, *extra))
