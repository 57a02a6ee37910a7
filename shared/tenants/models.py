"""Tenants, services and users as they are written and read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import AfterValidator, Field

from shared.kernel.wire import E164, Guid, Name, Upn, Wire, once

Product = Literal["AdvancedRouting", "EnterpriseRouting", "ContactCenter", "AttendantConsole", "Interact", "Assistant"]
ServiceLicence = Literal["AdvancedRouting", "EnterpriseRouting", "ContactCenter"]

T = TypeVar("T")


Products = Annotated[list[Product], Field(max_length=6), AfterValidator(once)]
# 2,000 people per service keep the row well under what one entity may hold (39 characters each).
People = Annotated[list[Guid], Field(max_length=2000), AfterValidator(once)]


class TenantWrite(Wire):
    display_name: Annotated[Name, Field(title="Display name")]
    products: Annotated[Products, Field(title="Licensed products")] = []
    cluster: Annotated[str, Field(title="Cluster", max_length=64, pattern=r"^[A-Za-z0-9 ._-]*$")] = ""


class Tenant(TenantWrite):
    tenant_id: Guid


class TenantLeaving(Wire):
    """How far the removal of a tenant's rows is."""

    tenant_id: Guid
    state: Literal["offboarding"] = "offboarding"
    rows_removed: int


class Distribution(Wire):
    """When a member may be offered a call although Teams does not say Available."""

    while_busy: Annotated[bool, Field(title="Distribute while busy")] = False
    while_in_meeting: Annotated[bool, Field(title="Distribute while in a meeting")] = False
    while_away: Annotated[bool, Field(title="Distribute while away")] = False


class ServiceWrite(Wire):
    display_name: Name
    licence: ServiceLicence
    owners: People = []
    members: People = []
    pstn_number: E164 | None = None
    outbound_enabled: bool = False
    distribution: Distribution = Distribution()


class Service(ServiceWrite):
    """A queue with agents."""

    upn: Upn


class UserWrite(Wire):
    upn: Upn
    display_name: Name
    licences: Products = []
    active: Annotated[bool, Field(description="The agent's own duty switch.")] = True


class User(UserWrite):
    user_id: Guid


@dataclass(frozen=True, slots=True)
class Stored(Generic[T]):
    """A value with the revision its answer carries as ETag; ``created`` tells a first write."""

    value: T
    revision: int
    created: bool = False


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of a list; ``continuation`` asks for the next part, None at the end."""

    items: list[T]
    continuation: str | None


@dataclass(frozen=True, slots=True)
class InUse:
    """Licences that at least one service, or one user, of the tenant has, and whether any service may call out."""

    services: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    calls_out: bool = False
