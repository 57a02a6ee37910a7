"""The services an attendant may forward to, and those of their members that the admin lets attendants see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from shared.attendant.address_books.text import fold
from shared.attendant.search.contact_search import require_product
from shared.attendant.search.query import LONGEST
from shared.kernel.callers import Caller
from shared.kernel.errors import Invalid
from shared.kernel.wire import Wire
from shared.tenants.directory import Directory
from shared.tenants.models import Service
from shared.tenants.tenants import Head

Visibility = Literal["None", "OwnMembers", "AllMembers"]


class Member(Protocol):
    """A member of a service as presence and directory know it."""

    @property
    def user_id(self) -> str: ...
    @property
    def upn(self) -> str | None: ...
    @property
    def display_name(self) -> str | None: ...
    @property
    def available(self) -> bool: ...
    @property
    def state(self) -> str: ...


class Availability(Protocol):
    def of_services(self, tenant_id: str, services: Sequence[Service]) -> Mapping[str, Sequence[Member]]: ...


class Colleague(Wire):
    user_id: str
    upn: str | None
    display_name: str | None
    available: bool
    state: str


class Team(Wire):
    """A service. ``available_members`` counts those who can take a call now, shown or not; ``members`` is empty where
    none may be shown, and holds only those available where only own members are."""

    upn: str
    display_name: str
    available: bool
    available_members: int
    members_shown: bool
    members: list[Colleague]


class TeamPage(Wire):
    items: list[Team]
    continuation: str | None


class Teams:
    """Services by name or UPN, each with its availability and, by the tenant's team visibility, its members."""

    def __init__(self, directory: Directory, availability: Availability) -> None:
        self._directory = directory
        self._availability = availability

    def find(self, head: Head, text: str, *, caller: Caller, top: int, continuation: str | None) -> TeamPage:
        """Services whose name or UPN contains the text, in the order of their UPNs; ``continuation`` is the UPN to go
        on at. Raises NotAllowed (``AttendantConsoleDisabled``) for a tenant without the product, Invalid."""
        require_product(head)
        if len(text) > LONGEST:
            raise Invalid.field("q", f"has more than {LONGEST} characters", "OutOfRange")
        sought = fold(text).strip()
        services = sorted(self._directory.all_services(head.tenant_id), key=lambda one: fold(one.upn))
        fitting = [one for one in services if _fits(one, sought)]
        rest = [one for one in fitting if continuation is None or fold(one.upn) >= fold(continuation)]
        visibility = head.settings.value.attendant_console.team_visibility
        members = self._availability.of_services(head.tenant_id, rest[:top])
        teams = [_team(service, members[service.upn], visibility, caller.oid) for service in rest[:top]]
        return TeamPage(items=teams, continuation=rest[top].upn if len(rest) > top else None)


def shows(visibility: Visibility, service: Service, oid: str) -> bool:
    """The rule: whether an attendant sees who belongs to the service."""
    return visibility == "AllMembers" or (visibility == "OwnMembers" and oid.lower() in service.members)


def shown(visibility: Visibility, service: Service, oid: str, members: Sequence[Member]) -> list[Member]:
    """The rule: whom of a service an attendant sees. Of an own service those who can take a call now, of all services
    everybody: so the product's page has it."""
    if not shows(visibility, service, oid):
        return []
    return [member for member in members if member.available or visibility == "AllMembers"]


def _fits(service: Service, sought: str) -> bool:
    return sought in fold(service.display_name) or sought in fold(service.upn)


def _team(service: Service, members: Sequence[Member], visibility: Visibility, oid: str) -> Team:
    available = sum(member.available for member in members)
    return Team(
        upn=service.upn,
        display_name=service.display_name,
        available=available > 0,
        available_members=available,
        members_shown=shows(visibility, service, oid),
        members=[_colleague(member) for member in shown(visibility, service, oid, members)],
    )


def _colleague(member: Member) -> Colleague:
    return Colleague(
        user_id=member.user_id,
        upn=member.upn,
        display_name=member.display_name,
        available=member.available,
        state=member.state,
    )
