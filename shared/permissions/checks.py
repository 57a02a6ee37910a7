"""What every component of the product needs in a tenant, against what was granted there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from shared.kernel import log
from shared.kernel.clock import Clock, to_wire
from shared.kernel.components import COMPONENTS, Component
from shared.kernel.errors import NotFound, Stale
from shared.kernel.wire import Wire
from shared.permissions.catalogue import catalogue
from shared.permissions.comparison import ComponentCheck, Granted, Unread, compared, not_configured
from shared.permissions.consent import ConsentLinks
from shared.permissions.required import required
from shared.storage.entities import Row, with_doc
from shared.storage.tables import Exists, Table
from shared.tenants.rate_limit import TenantLimit
from shared.tenants.tenants import Head

LAST: Final = "head:permissions"
# A chat bot needs no permission, so there is nothing to check.
CHECKED: Final[tuple[Component, ...]] = tuple(name for name in COMPONENTS if name != "Chat Bot")


class PermissionCheck(Wire):
    components: list[ComponentCheck]


class Gap(Wire):
    component: Component
    missing: list[str]


class LastCheck(Wire):
    """What the last check says today; ``checked_at`` is None before the first."""

    state: Literal["complete", "gaps", "unknown"]
    gaps: list[Gap]
    checked_at: str | None


class Reader(Protocol):
    def read(self, tenant_id: str, client_ids: Collection[str]) -> Mapping[str, Granted]:
        """What each app holds for the whole tenant. Raises Denied, Throttled, Unreachable or Broken."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a past check found, as far as the catalogue knows the names."""

    roles: Collection[str] | None
    scopes: Collection[str] | None
    why: Unread | None


class PermissionChecks:
    """``client_ids`` names the component's apps, as far as the operator configured them."""

    def __init__(
        self,
        reader: Reader,
        table: Table,
        links: ConsentLinks,
        client_ids: Mapping[str, str],
        pace: TenantLimit,
        clock: Clock,
    ) -> None:
        self._reader = reader
        self._pace = pace
        self._table = table
        self._links = links
        self._client_ids = client_ids
        self._clock = clock

    def check(self, head: Head) -> PermissionCheck:
        """Ask Microsoft now, with new sign-ins.

        Raises RateLimited before anything is asked; Denied, Throttled, Unreachable or Broken when nothing can be found
        out.
        """
        self._pace.take(head.tenant_id)
        began = to_wire(self._clock())
        granted = self._reader.read(head.tenant_id, sorted(set(self._client_ids.values())))
        components = self._compared(head, granted)
        self._keep(head, granted, began)
        states = ",".join(f"{check.component}={check.state}" for check in components)
        log.info("permissions checked", tenant=head.tenant_id, states=states)
        return PermissionCheck(components=components)

    def last(self, head: Head) -> LastCheck:
        """What the last check says, without asking anybody.

        What it found granted is held against what the tenant needs today.
        """
        row = head.rows.get(LAST)
        if row is None:
            return LastCheck(state="unknown", gaps=[], checked_at=None)
        kept = {
            client_id: _Kept(found["roles"], found["scopes"], found["why"])
            for client_id, found in row.doc["granted"].items()
        }
        components = self._compared(head, kept)
        gaps = [Gap(component=check.component, missing=check.missing) for check in components if check.missing]
        told = {check.state for check in components}
        complete = told == {"complete"}
        state: Literal["complete", "gaps", "unknown"] = "gaps" if gaps else "complete" if complete else "unknown"
        return LastCheck(state=state, gaps=gaps, checked_at=row.doc["checkedAt"])

    def _compared(self, head: Head, granted: Mapping[str, Granted]) -> list[ComponentCheck]:
        rows = required(head.tenant.value.products, head.settings.value)
        found = []
        for component in CHECKED:
            client_id = self._client_ids.get(component)
            if client_id is None:
                found.append(not_configured(component))
                continue
            found.append(
                compared(
                    component,
                    [row for row in rows if row.component == component],
                    granted.get(client_id) or _Kept(None, None, "NoAnswer"),
                    self._links.of(head.tenant_id, client_id),
                    also_needed=[row for row in rows if self._client_ids.get(row.component) == client_id],
                )
            )
        return found

    def _keep(self, head: Head, granted: Mapping[str, Granted], began: str) -> None:
        """For the overview. When another check was faster its result stays: it is as new as this one."""
        if any(one.why == "NoAnswer" for one in granted.values()):
            return  # an outage says nothing about grants, and an older check does
        known = {row.permission for row in catalogue().permissions}

        def names(of: Iterable[str] | None) -> list[str] | None:
            return None if of is None else sorted(known.intersection(of))

        found = {
            client_id: {"roles": names(one.roles), "scopes": names(one.scopes), "why": one.why}
            for client_id, one in granted.items()
        }
        row = Row(head.tenant_id, LAST, with_doc({"checkedAt": began, "granted": found}))
        before = head.rows.get(LAST)
        try:
            if before is None:
                self._table.insert(row)
            else:
                self._table.replace(row, etag=before.etag)
        except (Exists, Stale, NotFound):
            log.info("another check of permissions was faster", tenant=head.tenant_id)
