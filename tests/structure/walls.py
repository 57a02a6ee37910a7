"""Which room may import what: the table of the architecture, as data and a check."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.structure.source import Module, is_in, modules

OURS: Final = ("function_app", "functions", "shared", "devhost", "simulator", "bench", "tools", "tests")
FEATURES: Final = ("outbound", "presence", "interact", "attendant", "permissions")
GROUND: Final = ("shared.kernel",)
# What a feature stands on, beside the inner rooms of its own.
TRUNK: Final = (*GROUND, "shared.concurrency", "shared.storage", "shared.tenants", "shared.messaging")
# Libraries that speak to somebody, and what only triggers may know.
VENDORS: Final = ("azure", "msal", "requests", "urllib3", "httpx", "socket", "http.client")


@dataclass(frozen=True)
class Wall:
    """``room`` may import itself and ``ours`` of our modules, nothing ``closed``; of ``VENDORS`` only ``vendors``."""

    room: str
    ours: tuple[str, ...]
    vendors: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()


# The first wall that names a room counts, so inner rooms stand before the room they are in.
WALLS: Final = (
    Wall("function_app", ("functions",), ("azure.functions",)),
    Wall("functions.wiring", ("shared.bootstrap", "shared.app_settings", *GROUND)),
    Wall(
        "functions",
        (
            *GROUND,
            "shared.messaging",
            "shared.operations",
            "shared.tenants",
            *(f"shared.{feature}" for feature in FEATURES),
        ),
        ("azure.functions",),
    ),
    Wall("shared.bootstrap", ("shared",)),
    Wall("shared.kernel", ()),
    Wall("shared.concurrency", GROUND),
    Wall("shared.http", GROUND, ("http.client", "requests", "socket", "urllib3")),
    Wall("shared.app_settings", GROUND),
    Wall(
        "shared.storage",
        (*GROUND, "shared.concurrency", "shared.http"),
        ("azure.core", "azure.data.tables", "azure.storage.queue", "azure.identity", "requests"),
    ),
    Wall(
        "shared.clients",
        (*GROUND, "shared.app_settings", "shared.concurrency", "shared.http"),
        ("azure.communication", "azure.core", "msal", "requests"),
    ),
    Wall("shared.tenants", (*GROUND, "shared.concurrency", "shared.storage"), closed=("shared.tenants.settings",)),
    Wall("shared.messaging", (*GROUND, "shared.concurrency", "shared.storage", "shared.tenants")),
    # Reads across features that do not know each other; like the composition root, and with no decisions of its own.
    Wall(
        "shared.operations",
        (*TRUNK, "shared.outbound.tasks", "shared.presence.health", "shared.permissions.checks"),
    ),
    Wall("shared.outbound.tasks", TRUNK),
    Wall("shared.outbound.admission", (*TRUNK, "shared.outbound.tasks")),
    Wall("shared.outbound.distribution", (*TRUNK, "shared.outbound.tasks")),
    Wall("shared.outbound.webhooks", (*TRUNK, "shared.outbound.tasks")),
    Wall("shared.presence.polling", (*TRUNK, "shared.presence"), closed=("shared.presence.guest_accounts",)),
    Wall("shared.presence.guest_accounts", (*TRUNK, "shared.presence"), closed=("shared.presence.polling",)),
    Wall("shared.presence", TRUNK, closed=("shared.presence.polling", "shared.presence.guest_accounts")),
    Wall("shared.interact.acs", TRUNK),
    Wall("shared.interact.widget", TRUNK),
    Wall("shared.interact.sessions", (*TRUNK, "shared.interact.acs")),
    Wall("shared.interact", TRUNK, closed=("shared.interact.sessions", "shared.interact.widget")),
    Wall("shared.attendant.odata_filter", TRUNK),
    Wall("shared.attendant.address_books", (*TRUNK, "shared.attendant.fields")),
    Wall("shared.attendant.search", (*TRUNK, "shared.attendant")),
    Wall(
        "shared.attendant",
        TRUNK,
        closed=("shared.attendant.odata_filter", "shared.attendant.address_books", "shared.attendant.search"),
    ),
    Wall("shared.permissions", TRUNK),
    Wall("shared", ()),  # the package itself: no loose module
    Wall(
        "devhost",
        ("shared.app_settings.config", "simulator", "function_app"),
        ("azure.core", "azure.data.tables", "azure.functions", "azure.storage.queue", "requests", "socket"),
    ),
    Wall(
        "bench", ("shared.app_settings.config", "simulator", "function_app", "devhost"), ("azure", "requests", "socket")
    ),
    Wall("simulator", (), ("socket",)),
    Wall(
        "tools",
        (
            "shared.bootstrap.commands",
            "shared.app_settings.config",
            "shared.permissions",
            "shared.tenants",
            *GROUND,
            # A settings file and the ports of a local run mean the same to a command as to the run itself.
            *("devhost.errors", "devhost.options", "devhost.settings"),
        ),
        ("msal", "requests"),  # of the example for websites
    ),
)
# Single modules that may do more, each with the reason.
DOORS: Final = {
    "bench.our_admission": ("shared", "measures admission without HTTP around it, so it builds the actors itself"),
    "bench.presence": ("shared", "polls without a host around it, so it builds the actors itself"),
    "bench.bare_presence": ("shared", "the other ways to poll, with the same clients and storage"),
    "bench.contacts": ("shared", "measures search in address books without HTTP around it"),
    "bench.cold_start": ("shared", "makes the tenant that the first call finds, without a running app"),
}


def breaches(root: Path, doors: Iterable[str] = DOORS) -> list[str]:
    """Every import that goes through a wall, as ``module -> import``."""
    found = []
    for module in modules(root, *(room for room in OURS if room != "tests")):
        wall = _wall_of(module)
        if wall is None:
            found.append(f"{module.name} is in no room")
            continue
        itself = [] if wall.room == "shared" else [wall.room]
        allowed = [*itself, *wall.ours, *(DOORS[module.name][:1] if module.name in doors else ())]
        for name in sorted(module.imports):
            if not _may(module, wall, name, allowed):
                found.append(f"{module.name} -> {name}")
    return found


def _wall_of(module: Module) -> Wall | None:
    return next((wall for wall in WALLS if is_in(module.name, wall.room)), None)


def _may(module: Module, wall: Wall, name: str, allowed: list[str]) -> bool:
    if name == "?":
        return wall.room == "devhost"
    if any(is_in(name, room) for room in wall.closed):
        return any(is_in(module.name, room) for room in wall.closed)
    if any(is_in(name, room) for room in OURS):
        # ``from shared import log`` names the package and then the module in it.
        package = any(is_in(place, name) for place in allowed) and name.count(".") == 0
        return package or any(is_in(name, place) for place in allowed)
    if any(is_in(name, vendor) for vendor in VENDORS):
        package = any(is_in(vendor, name) for vendor in wall.vendors)
        return package or any(is_in(name, vendor) for vendor in wall.vendors)
    return True
