"""Grants a tenant's apps what they need and do not have. Nothing is ever taken away.

What is done is known to Microsoft alone, so a run may be stopped anywhere and started again: it reads first, and
does what is still missing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeVar

from shared.concurrency.retry import Sleep, patiently, wait
from shared.kernel.components import RESOURCE_CLIENT_IDS, Resource
from shared.kernel.errors import AppError, Denied, Throttled, Upstream
from shared.permissions.catalogue import Kind, Permission
from shared.permissions.checks import CHECKED
from shared.permissions.required import required
from shared.tenants.tenants import Head

T = TypeVar("T")
Outcome = Literal["granted", "there", "planned", "failed"]

PATIENCE: Final = 90.0  # seconds for one step; Microsoft's own advice for replication is "a minute or two"
LOOK_AGAIN: Final = 2.0
NOT_SEEN: Final = "what was added just now does not show yet; run this again in some minutes"


class Principal(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def roles(self) -> Mapping[str, str]: ...


class RoleAssignment(Protocol):
    @property
    def resource_id(self) -> str: ...
    @property
    def role_id(self) -> str: ...


class ScopeGrant(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def resource_id(self) -> str: ...
    @property
    def scopes(self) -> Collection[str]: ...


class Grants(Protocol):
    """Microsoft Graph with the token of an administrator; False means that it was there already.

    All raise Denied, Throttled (while something new is not seen everywhere, too), Unreachable or Broken.
    """

    def principals(self, token: str, client_ids: Collection[str]) -> Mapping[str, Principal]: ...
    def roles(self, token: str, principal_id: str) -> Sequence[RoleAssignment]: ...
    def scopes(self, token: str, principal_id: str) -> Sequence[ScopeGrant]: ...
    def add_principal(self, token: str, client_id: str) -> bool: ...
    def assign_role(self, token: str, principal_id: str, resource_id: str, role_id: str) -> bool: ...
    def grant_scopes(self, token: str, principal_id: str, resource_id: str, scopes: Collection[str]) -> bool: ...
    def rewrite_grant(self, token: str, grant_id: str, scopes: Collection[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one row. ``kind`` is None for the app itself; ``detail`` says why something failed."""

    component: str
    permission: str
    kind: Kind | None
    outcome: Outcome
    detail: str = ""


Tell = Callable[[Step], None]


class Provisioning:
    """``client_ids`` names the components' apps, as far as the operator configured them."""

    def __init__(
        self, grants: Grants, client_ids: Mapping[str, str], *, patience: float = PATIENCE, sleep: Sleep = wait
    ) -> None:
        self._grants = grants
        self._client_ids = client_ids
        self._patience = patience
        self._sleep = sleep

    def run(self, head: Head, token: str, tell: Tell, *, dry_run: bool, optional: bool) -> None:
        """Tell each step as it is done. A component that fails does not keep the next one from its turn.

        Raises Denied, Throttled, Unreachable or Broken when the tenant cannot be read at all.
        """
        rows = [
            row for row in required(head.tenant.value.products, head.settings.value) if optional or not row.optional
        ]
        apps = [*{self._client_ids[row.component] for row in rows if row.component in self._client_ids}]
        tenant = _Tenant(self._grants, token, self._patience, self._sleep, dry_run=dry_run)
        patiently(
            lambda: tenant.look([*apps, *RESOURCE_CLIENT_IDS.values()]), patience=self._patience, sleep=self._sleep
        )
        for component in CHECKED:
            wanted = [row for row in rows if row.component == component]
            client_id = self._client_ids.get(component)
            if not wanted:
                continue
            if client_id is None:
                tell(Step(component, "the app", None, "failed", "its client id is not in COMPONENT_CLIENT_IDS"))
                continue
            try:
                _provide(tenant, component, client_id, wanted, tell)
            except Upstream as exc:
                tell(Step(component, "the app", None, "failed", _reason(exc)))


def _provide(tenant: _Tenant, component: str, client_id: str, rows: Sequence[Permission], tell: Tell) -> None:
    def told(permission: str, kind: Kind | None, outcome: Outcome, detail: str = "") -> None:
        tell(Step(component, permission, kind, outcome, detail))

    told("the app", None, tenant.have(client_id))
    held_roles, held_scopes = tenant.holdings(client_id)
    for row in rows:
        if row.type == "Application":
            told(row.permission, row.type, *tenant.assign(client_id, row, held_roles))
    for resource in dict.fromkeys(row.resource for row in rows if row.type == "Delegated"):
        names = [row.permission for row in rows if row.type == "Delegated" and row.resource == resource]
        if (added := tenant.have(RESOURCE_CLIENT_IDS[resource])) != "there":
            told(resource, None, added)
        outcomes = tenant.grant(client_id, resource, names, held_scopes)
        for name in names:
            told(name, "Delegated", outcomes[name])


class _Tenant:
    """One tenant during one run: what is known of it, and the steps that change it."""

    def __init__(self, grants: Grants, token: str, patience: float, sleep: Sleep, *, dry_run: bool) -> None:
        self._grants = grants
        self._token = token
        self._patience = patience
        self._sleep = sleep
        self._dry_run = dry_run
        self._known: dict[str, Principal] = {}

    def look(self, client_ids: Collection[str]) -> None:
        """Find which of these apps are in the tenant."""
        self._known |= self._grants.principals(self._token, client_ids)

    def have(self, client_id: str) -> Outcome:
        """See to it that the app is in the tenant."""
        if client_id in self._known:
            return "there"
        if self._dry_run:
            return "planned"
        added = self._patiently(lambda: self._grants.add_principal(self._token, client_id))
        self._patiently(lambda: self._see(client_id))
        return "granted" if added else "there"

    def holdings(self, client_id: str) -> tuple[Collection[tuple[str, str]], Sequence[ScopeGrant]]:
        """Resource and role of each application permission the app holds, and its delegated ones."""
        app = self._known.get(client_id)
        if app is None:
            return (), ()
        roles = self._patiently(lambda: self._grants.roles(self._token, app.id))
        scopes = self._patiently(lambda: self._grants.scopes(self._token, app.id))
        return {(role.resource_id, role.role_id) for role in roles}, scopes

    def assign(self, client_id: str, row: Permission, held: Collection[tuple[str, str]]) -> tuple[Outcome, str]:
        resource = self._known.get(RESOURCE_CLIENT_IDS[row.resource])
        role_id = (
            next((id_ for id_, name in resource.roles.items() if name == row.permission), None) if resource else None
        )
        if resource is None or role_id is None:
            return "failed", f"{row.resource} does not offer it in this tenant"
        if (resource.id, role_id) in held:
            return "there", ""
        if self._dry_run:
            return "planned", ""
        app = self._known[client_id]
        done = self._patiently(lambda: self._grants.assign_role(self._token, app.id, resource.id, role_id))
        return ("granted" if done else "there"), ""

    def grant(
        self, client_id: str, resource: Resource, names: Sequence[str], held: Sequence[ScopeGrant]
    ) -> Mapping[str, Outcome]:
        """Grant delegated permissions of one resource for all users, beside those that are granted already."""
        at = self._known.get(RESOURCE_CLIENT_IDS[resource])
        before = next((grant for grant in held if at and grant.resource_id == at.id), None)
        there = set(before.scopes) if before else set()
        missing = set(names) - there
        done: Outcome = "planned" if self._dry_run else "granted"
        if missing and not self._dry_run:
            app, at = self._known[client_id], self._known[RESOURCE_CLIENT_IDS[resource]]
            if before is None and not self._first(app, at, missing):
                before = self._patiently(lambda: self._seen_grant(app, at))
            if before is not None:
                self._widen(before, missing)
        return {name: done if name in missing else "there" for name in names}

    def _first(self, app: Principal, at: Principal, scopes: Collection[str]) -> bool:
        return self._patiently(lambda: self._grants.grant_scopes(self._token, app.id, at.id, scopes))

    def _seen_grant(self, app: Principal, at: Principal) -> ScopeGrant:
        """The grant that somebody else made just now."""
        for grant in self._grants.scopes(self._token, app.id):
            if grant.resource_id == at.id:
                return grant
        raise Throttled(NOT_SEEN, retry_after=LOOK_AGAIN)

    def _widen(self, grant: ScopeGrant, scopes: Collection[str]) -> None:
        wider = {*grant.scopes, *scopes}
        self._patiently(lambda: self._grants.rewrite_grant(self._token, grant.id, wider))

    def _see(self, client_id: str) -> None:
        self.look([client_id])
        if client_id not in self._known:
            raise Throttled(NOT_SEEN, retry_after=LOOK_AGAIN)

    def _patiently(self, act: Callable[[], T]) -> T:
        return patiently(act, patience=self._patience, sleep=self._sleep)


def _reason(exc: AppError) -> str:
    if isinstance(exc, Denied):
        return f"{exc.detail}; sign in as Global Administrator or Privileged Role Administrator of the tenant"
    return exc.detail
