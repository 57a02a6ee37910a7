"""What the drop-downs of the flow designer offer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from shared.kernel.callers import TENANT_ADMIN, Caller
from shared.kernel.wire import Wire
from shared.outbound.tasks.events import SCHEDULER_ENTRY_EVENTS
from shared.outbound.tasks.rights import is_licensed, may_call_out
from shared.tenants.directory import Directory
from shared.tenants.models import Service
from shared.tenants.tenants import Head

MODALITIES: Final = ("Audio", "InstantMessaging", "ExternalTask")
DIRECTIONS: Final = ("Inbound", "Outbound")
PRIORITIES: Final = ("High", "Normal", "Low")
TASK_EVENTS: Final = (*(event for event in SCHEDULER_ENTRY_EVENTS if event != "Rejected"), "Updated")


class NameValue(Wire):
    """One choice: what people read, and what is sent."""

    name: str
    value: str


def named(values: tuple[str, ...]) -> list[NameValue]:
    return [NameValue(name=value, value=value) for value in values]


class ValueLists:
    """The lists that depend on the tenant; only services the caller may act for are offered."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def services_that_call_out(self, head: Head, by: Caller) -> list[str]:
        return self._services(head, by, may_call_out)

    def licensed_services(self, head: Head, by: Caller) -> list[str]:
        return self._services(head, by, is_licensed)

    def users(self, tenant_id: str) -> list[str]:
        """UPNs of active users, who may be preferred for a task."""
        return sorted(user.upn for user in self._directory.all_users(tenant_id) if user.active)

    def _services(self, head: Head, by: Caller, fits: Callable[[Head, Service], bool]) -> list[str]:
        return sorted(
            service.upn
            for service in self._directory.all_services(head.tenant_id)
            if fits(head, service) and (by.may(TENANT_ADMIN) or by.oid in service.owners)
        )
