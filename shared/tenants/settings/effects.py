"""Does a section do anything today? Pure.

A section can be set whatever is licensed; it takes effect when the tenant has the product, a service or a user has
the licence, and its own switches are on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from shared.tenants.models import InUse, Product
from shared.tenants.setting_catalogue import SECTIONS, Settings

ROUTING: Final[frozenset[Product]] = frozenset({"AdvancedRouting", "EnterpriseRouting", "ContactCenter"})
_PRODUCTS: Final[dict[str, frozenset[Product]]] = {
    "outbound": frozenset({"ContactCenter"}),
    "interact": frozenset({"Interact"}),
    "assistant": frozenset({"Assistant"}),
    "attendantConsole": frozenset({"AttendantConsole"}),
    "presenceTracking": ROUTING,
}


@dataclass(frozen=True, slots=True)
class Effect:
    """``because`` holds the codes of what is missing, all of them, empty when the section is effective."""

    effective: bool = field(init=False)
    because: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "effective", not self.because)


def effects(settings: Settings, products: frozenset[str], in_use: InUse) -> dict[str, Effect]:
    """By section, in the order of the document."""
    return {section: Effect(tuple(_missing(section, settings, products, in_use))) for section in SECTIONS}


def _missing(section: str, settings: Settings, products: frozenset[str], in_use: InUse) -> list[str]:
    needed = _PRODUCTS[section]
    codes = [] if needed & products else ["ProductNotLicensed"]
    match section:
        case "outbound":
            if not needed & in_use.services:
                codes.append("NoLicensedService")
            elif not in_use.calls_out:
                codes.append("OutboundNotEnabled")
        case "presenceTracking":
            if not needed & (in_use.services | in_use.users):
                codes.append("NoLicensedUser")
            if not settings.presence_tracking.track_over_guest_accounts:
                codes.append("SwitchedOff")
        case "interact":
            if not needed & in_use.users:
                codes.append("NoLicensedUser")
            if not settings.interact.enabled:
                codes.append("SwitchedOff")
        case _:
            if not needed & in_use.users:
                codes.append("NoLicensedUser")
    return codes
