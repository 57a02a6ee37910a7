"""What a portal's home page needs of a tenant, in one call."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

from shared.kernel.wire import Wire
from shared.outbound.tasks.store import OutboundStore
from shared.permissions.checks import LastCheck, PermissionChecks
from shared.presence.health import HealthOfPresence, PresenceHealth
from shared.tenants.audit import AuditEntry
from shared.tenants.directory import Directory
from shared.tenants.models import Service
from shared.tenants.settings.read_models import ShownEffect
from shared.tenants.settings.settings import TenantSettings
from shared.tenants.tenants import Head

TOP_SERVICES: Final = 5
MOST_SERVICES_READ: Final = 50  # whose slots are counted; of a tenant with more, the first by name
RECENT: Final = 5
_DEGRADED: Final = {
    True: "Neither presence account can read your tenant, so agents will show as Unknown. Test the accounts.",
    False: "The application cannot read presence in your tenant, so agents will show as Unknown. Check permissions.",
}


class PollSeen(Wire):
    tracking: bool
    last_poll_at: str | None
    degraded: bool


class MostSlots(Wire):
    """The slots of a service."""

    service_upn: str
    limit: int
    scheduled: int
    in_progress: int
    free: int


class Recommendation(Wire):
    code: str
    message: str


class RecommendedFor(Recommendation):
    service_upn: str


class OverviewAnswer(Wire):
    """``sections`` says of each whether it takes effect."""

    sections: dict[str, ShownEffect]
    presence: PollSeen
    outbound: list[MostSlots]
    permissions: LastCheck
    recent_changes: list[AuditEntry]
    recommendations: list[RecommendedFor | Recommendation]


class Overview:
    """Reads across features, which do not know each other; decides nothing."""

    def __init__(
        self,
        settings: TenantSettings,
        directory: Directory,
        outbound: OutboundStore,
        presence: HealthOfPresence,
        permissions: PermissionChecks,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._outbound = outbound
        self._presence = presence
        self._permissions = permissions

    def of(self, head: Head) -> OverviewAnswer:
        services = self._directory.all_services(head.tenant_id)
        health = self._presence.of(head)
        effects = self._settings.effects(head, head.settings.value)
        recent = self._settings.history(head.tenant_id, top=RECENT, continuation=None, section=None, by=None)
        return OverviewAnswer(
            sections={n: ShownEffect(effective=e.effective, because=list(e.because)) for n, e in effects.items()},
            presence=PollSeen(tracking=health.tracking, last_poll_at=health.last_poll_at, degraded=health.degraded),
            outbound=self._top_services(head, services[:MOST_SERVICES_READ]),
            permissions=self._permissions.last(head),
            recent_changes=recent.items,
            recommendations=_recommendations(health, services),
        )

    def _top_services(self, head: Head, services: list[Service]) -> list[MostSlots]:
        """Those that hold the most slots, fullest first."""
        limit = head.settings.value.outbound.max_scheduled_tasks_per_service
        callers = [service for service in services if service.outbound_enabled]
        with ThreadPoolExecutor(8) as pool:
            held = list(pool.map(lambda service: self._outbound.slots(head.tenant_id, service.upn), callers))
        rows = []
        for service, slots in zip(callers, held, strict=True):
            in_progress = sum(slot.in_progress for slot in slots)
            rows.append(
                MostSlots(
                    service_upn=service.upn,
                    limit=limit,
                    scheduled=len(slots) - in_progress,
                    in_progress=in_progress,
                    free=max(limit - len(slots), 0),
                )
            )
        return sorted(rows, key=lambda row: row.free)[:TOP_SERVICES]


def _recommendations(health: PresenceHealth, services: list[Service]) -> list[RecommendedFor | Recommendation]:
    found: list[RecommendedFor | Recommendation] = []
    if health.degraded:
        found.append(Recommendation(code="PresenceDegraded", message=_DEGRADED[health.tracking]))
    if health.works:
        # The product's pages advise it once calls can be told from being busy.
        message = "Calls can be told from being busy now, so let the service distribute while busy."
        found += [
            RecommendedFor(code="DistributeWhileBusy", message=message, service_upn=service.upn)
            for service in services
            if not service.distribution.while_busy
        ]
    return found
