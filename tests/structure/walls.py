"""Which room may import what: the table of the architecture, as data and a check."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.structure.source import Module, is_in, modules

OURS: Final = ("function_app", "functions", "shared", "devhost", "simulator", "bench", "tools", "tests")
FEATURES: Final = ("outbound", "presence", "interact", "attendant", "permissions")
# Plain values and pure helpers; every room of shared may lean on them.
GROUND: Final = (
    "shared.kernel.errors",
    "shared.kernel.body_limits",
    "shared.kernel.clock",
    "shared.kernel.log",
    "shared.kernel.callers",
    "shared.kernel.wire",
    "shared.kernel.clouds",
    "shared.kernel.components",
    "shared.kernel.csv_text",
    "shared.kernel.json_text",
    "shared.concurrency.expiring_cache",
    "shared.kernel.length_prefix",
    "shared.concurrency.token_buckets",
    "shared.kernel.near_names",
    "shared.kernel.queue_names",
    "shared.kernel.sign_in_errors",
)
# Libraries that speak to somebody, and what only triggers may know.
VENDORS: Final = ("azure", "msal", "requests", "urllib3", "httpx", "socket", "http.client")


@dataclass(frozen=True)
class Wall:
    """``room`` may import ``ours`` of our modules (itself always), and of ``VENDORS`` only ``vendors``."""

    room: str
    ours: tuple[str, ...]
    vendors: tuple[str, ...] = ()


WALLS: Final = (
    Wall("function_app", ("functions",), ("azure.functions",)),
    Wall(
        "functions.wiring",
        ("shared.bootstrap", "shared.app_settings.config", "shared.kernel.clock", "shared.kernel.errors"),
    ),
    Wall(
        "functions",
        (
            *GROUND,
            "shared.operations.health",
            "shared.operations.overview",
            "shared.messaging.dead_letters",
            "shared.tenants",
            *(f"shared.{feature}" for feature in FEATURES),
        ),
        ("azure.functions",),
    ),
    Wall("shared.bootstrap", ("shared",)),
    # Reads across features that do not know each other; like the composition root, and with no decisions of its own.
    Wall(
        "shared.operations.overview",
        (
            *GROUND,
            "shared.tenants",
            "shared.outbound.tasks.store",
            "shared.presence.health",
            "shared.permissions.checks",
        ),
    ),
    # Any queue may have it keep a message, so it stands beside the trunk.
    Wall("shared.messaging.dead_letters", (*GROUND, "shared.tenants", "shared.storage")),
    Wall(
        "shared.operations.retention",
        (
            *GROUND,
            "shared.messaging.dead_letters",
            "shared.outbound.tasks.refusals",
            "shared.tenants.offboarding_records",
            "shared.storage",
        ),
    ),
    Wall("shared.tenants", (*GROUND, "shared.storage")),
    *(
        Wall(
            f"shared.{feature}",
            (
                *GROUND,
                "shared.concurrency.retry",
                "shared.concurrency.deadlines",
                "shared.tenants.rate_limit",
                "shared.messaging.dead_letters",
                "shared.tenants",
                "shared.storage",
            ),
        )
        for feature in FEATURES
    ),
    Wall("shared.http.keep_alive", (), ("http.client", "requests", "socket", "urllib3")),
    Wall(
        "shared.clients",
        (*GROUND, "shared.http.keep_alive", "shared.concurrency.retry", "shared.app_settings.config"),
        ("azure.communication", "azure.core", "msal", "requests"),
    ),
    Wall(
        "shared.storage",
        (
            "shared.http.keep_alive",
            "shared.kernel.errors",
            "shared.kernel.clock",
            "shared.kernel.length_prefix",
            "shared.kernel.queue_names",
        ),
        ("azure.core", "azure.data.tables", "azure.storage.queue", "azure.identity", "requests"),
    ),
    # Counts in a table, for whichever feature has to be exact over all instances.
    Wall("shared.tenants.rate_limit", (*GROUND, "shared.storage")),
    # Seals what it gives to callers with the box that seals secrets.
    Wall("shared.storage.continuations", (*GROUND, "shared.storage")),
    # Judges the platform's own connection string by the rule for those of tenants.
    Wall("shared.app_settings.config", (*GROUND, "shared.app_settings.checks", "shared.kernel.acs_connection_string")),
    Wall(
        "shared",
        (
            *GROUND,
            "shared.concurrency.retry",
            "shared.concurrency.deadlines",
            "shared.app_settings.config",
            "shared.operations.health",
        ),
    ),
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
    if any(is_in(name, room) for room in OURS):
        # ``from shared import log`` names the package and then the module in it.
        package = any(is_in(place, name) for place in allowed) and name.count(".") == 0
        return package or any(is_in(name, place) for place in allowed)
    if any(is_in(name, vendor) for vendor in VENDORS):
        package = any(is_in(vendor, name) for vendor in wall.vendors)
        return package or any(is_in(name, vendor) for vendor in wall.vendors)
    return True
