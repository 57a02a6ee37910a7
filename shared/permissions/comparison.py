"""What an app needs against what a tenant granted it. Pure.

A permission is shown by its name. Where one app has to do with a name in both kinds, the kind that the catalogue
does not list for it stands behind the name: ``Presence.Read.All (Delegated)``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from shared.kernel.components import NIMBUS_APP, Component
from shared.kernel.wire import Wire
from shared.permissions.catalogue import Kind, Permission, catalogue
from shared.permissions.required import READS_GRANTS

State = Literal["complete", "gaps", "unknown", "notConfigured"]
Unread = Literal["NotAllowedToRead", "AppNotInTenant", "GuestsCannotTell", "NoAnswer"]

# Every sign-in has them; they let nobody read anything of Microsoft 365.
SIGN_IN_SCOPES: Final = frozenset({"openid", "profile", "email", "offline_access"})

_REMEDIES: Final[dict[Unread, str]] = {
    "NotAllowedToRead": "Graph does not let the Nimbus App read what was granted to other apps. Grant it the "
    "application permissions Application.Read.All and DelegatedPermissionGrant.Read.All, or compare in the Entra "
    "admin center, under Enterprise applications.",
    "AppNotInTenant": "The Nimbus App is not in your tenant yet, so nothing can be read. Grant it its permissions "
    "first.",
    "GuestsCannotTell": "The delegated permissions of the Nimbus App could not be seen: Graph does not let it read "
    "them, and no guest account could sign in. Open the consent link if nobody has yet, test the presence accounts, or "
    "grant it the application permission DelegatedPermissionGrant.Read.All.",
    "NoAnswer": "Microsoft did not tell in time what was granted. Try again in a minute.",
}
_NOT_CONFIGURED: Final = "The operator of Nimbus has to name the client id of this app (COMPONENT_CLIENT_IDS)."


class Granted(Protocol):
    """Names of application (``roles``) and delegated permissions (``scopes``) that one app holds for a whole tenant.

    None where they could not be read, and then ``why`` says why.
    """

    @property
    def roles(self) -> Collection[str] | None: ...
    @property
    def scopes(self) -> Collection[str] | None: ...
    @property
    def why(self) -> Unread | None: ...


class ComponentCheck(Wire):
    """One component of the product in one tenant; the lists hold names of permissions."""

    component: Component
    state: State
    granted: list[str]
    missing: list[str]
    missing_optional: list[str]
    extra: list[str]
    consent_url: str | None
    remedy: str | None


@dataclass(frozen=True, slots=True)
class _Named:
    kind: Kind
    permission: str


def not_configured(component: Component) -> ComponentCheck:
    return ComponentCheck(
        component=component,
        state="notConfigured",
        granted=[],
        missing=[],
        missing_optional=[],
        extra=[],
        consent_url=None,
        remedy=_NOT_CONFIGURED,
    )


def compared(
    component: Component,
    rows: Sequence[Permission],
    granted: Granted,
    consent_url: str,
    *,
    also_needed: Iterable[Permission] = (),
) -> ComponentCheck:
    """``rows`` is what the component needs. ``also_needed`` is no surplus: other components share its client id."""
    held = [_Named("Application", name) for name in sorted(granted.roles or ())]
    held += [_Named("Delegated", name) for name in sorted(granted.scopes or ()) if name not in SIGN_IN_SCOPES]
    known = [row for row in rows if (granted.roles if row.type == "Application" else granted.scopes) is not None]
    needed = {_Named(row.type, row.permission) for row in rows}
    missing = [row for row in known if _Named(row.type, row.permission) not in held]
    harmless = needed.union(_Named(row.type, row.permission) for row in also_needed)
    extra = [one for one in held if one not in harmless and not _lets_check(component, one)]
    both = needed.union(held)

    def shown(found: Iterable[Permission]) -> list[str]:
        return [_shown(component, _Named(row.type, row.permission), both) for row in found]

    must = [row for row in missing if not row.optional]
    state = _state(rows, known, must, granted)
    return ComponentCheck(
        component=component,
        state=state,
        granted=shown(row for row in known if row not in missing),
        missing=shown(must),
        missing_optional=shown(row for row in missing if row.optional),
        extra=[_shown(component, one, both) for one in extra],
        consent_url=consent_url,
        remedy=_remedy(rows, known, must, extra, granted.why),
    )


def _lets_check(component: str, one: _Named) -> bool:
    return component == NIMBUS_APP and one.kind == "Application" and one.permission in READS_GRANTS


def _state(
    rows: Sequence[Permission], known: Sequence[Permission], must: Sequence[Permission], granted: Granted
) -> State:
    if must:
        return "gaps"
    nothing_read = granted.roles is None and granted.scopes is None
    return "unknown" if nothing_read or len(known) < len(rows) else "complete"


def _remedy(
    rows: Sequence[Permission],
    known: Sequence[Permission],
    must: Sequence[Permission],
    extra: Sequence[_Named],
    why: Unread | None,
) -> str | None:
    said = []
    if must:
        said.append("Open the consent link as a tenant administrator and accept, or let the operator provision.")
        if any(row.granted_by == "User" for row in must):
            users = ", ".join(row.permission for row in must if row.granted_by == "User")
            said.append(f"Each user may also consent alone to {users}; that does not show here.")
    if why is not None and (not rows or len(known) < len(rows)):
        said.append(_REMEDIES[why])
    if extra:
        named = ", ".join(f"{one.permission} ({one.kind})" for one in extra)
        said.append(f"Not needed, and better taken away in the Entra admin center: {named}.")
    return " ".join(said) or None


def _shown(component: str, one: _Named, among: Collection[_Named]) -> str:
    other: Kind = "Delegated" if one.kind == "Application" else "Application"
    if _Named(other, one.permission) not in among:
        return one.permission
    listed = {row.type for row in catalogue().rows_of(component) if row.permission == one.permission}
    plain = one.kind in listed or (not listed and one.kind == "Application")
    return one.permission if plain else f"{one.permission} ({one.kind})"
