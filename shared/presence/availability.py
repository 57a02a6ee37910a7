"""Who of a service can take a task now, and why each of the others cannot."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from shared.kernel.wire import Wire
from shared.presence.states import State, deliverable
from shared.presence.views import Presence, Presences
from shared.tenants.directory import Directory
from shared.tenants.models import Service, User

HeldBy = Callable[[str], Collection[str]]
"""The ids of a tenant's users that hold an offer or a task, by tenant id."""


class Member(Wire):
    """One member of a service. ``because`` holds every reason against a task, empty for who is available."""

    user_id: str
    upn: str | None
    display_name: str | None
    available: bool
    because: list[str]
    state: State
    call_state_hidden: bool


class Availability:
    """Puts together what the directory, presence and open tasks say of a service's members."""

    def __init__(self, presences: Presences, directory: Directory, held: HeldBy) -> None:
        self._presences = presences
        self._directory = directory
        self._held = held

    def of_service(self, tenant_id: str, service: Service) -> list[Member]:
        """All members in the order the service lists them. Costs what ``of_services`` costs for this one."""
        return self.of_services(tenant_id, [service])[service.upn]

    def of_services(self, tenant_id: str, services: Sequence[Service]) -> dict[str, list[Member]]:
        """All members of each service by its UPN, in the order the service lists them.

        Costs one read per user who is a member of any, one per block of presence that one of them is in, and what
        ``held`` costs, once each however many services there are.
        """
        everybody = list(dict.fromkeys(user_id for service in services for user_id in service.members))
        users = self._directory.users_of(tenant_id, everybody) if everybody else {}
        presences = self._presences.of_users(tenant_id, users) if users else {}
        held = self._held(tenant_id) if users else ()
        return {
            service.upn: [
                member(service, user_id, users.get(user_id), presences.get(user_id), holds_task=user_id in held)
                for user_id in service.members
            ]
            for service in services
        }


def member(service: Service, user_id: str, user: User | None, presence: Presence | None, *, holds_task: bool) -> Member:
    """The rule. A member's own licences must hold the service's licence."""
    state: State = presence.state if presence else "Unknown"
    because = _against(service, user, presence, holds_task=holds_task)
    return Member(
        user_id=user_id,
        upn=user.upn if user else None,
        display_name=user.display_name if user else None,
        available=not because,
        because=because,
        state=state,
        call_state_hidden=presence.call_state_hidden if presence else False,
    )


def _against(service: Service, user: User | None, presence: Presence | None, *, holds_task: bool) -> list[str]:
    if user is None:
        return ["NotInDirectory"]
    because = []
    if not user.active:
        because.append("NotActive")
    if service.licence not in user.licences:
        because.append("NotLicensed")
    if holds_task:
        because.append("HoldsTask")
    if presence is None or presence.stale:
        because.append("PresenceStale")
    elif not deliverable(presence.state, service.distribution):
        because.append(f"Presence{presence.state}")
    return because
