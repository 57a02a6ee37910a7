"""What a tenant's apps need, from what it is licensed for and what it switched on. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from shared.permissions.catalogue import PRODUCTS, Kind, Permission, catalogue
from shared.tenants.setting_catalogue import Settings
from shared.tenants.settings.effects import ROUTING


def _of_nimbus_app(name: str, kind: Kind, needed_by: Collection[str], purpose: str, *, optional: bool) -> Permission:
    return Permission(
        component="Nimbus App",
        permission=name,
        type=kind,
        granted_by="Tenant Admin",
        products={product: product in needed_by for product in PRODUCTS},
        purpose=purpose,
        optional=optional,
    )


# The product's page on settings lists it with User.Read and User.ReadBasic.All, which are in the catalogue anyway.
# The page on permissions, whose rows the catalogue holds, knows the application's permission of that name only.
GUESTS_READ_PRESENCE: Final = _of_nimbus_app(
    "Presence.Read.All",
    "Delegated",
    ROUTING,
    "Lets the guest accounts read presence in full while it is tracked over them.",
    optional=False,
)

# There is no credential for the Interact App, in whose rows the page has it, so the Nimbus App makes the meetings.
# The page does not ask it of the Nimbus App, so it is no gap; the meeting check is what says that meetings fail.
NIMBUS_MAKES_MEETINGS: Final = _of_nimbus_app(
    "OnlineMeetings.ReadWrite.All",
    "Application",
    {"Interact"},
    "Makes the meeting in which customer and agent talk.",
    optional=True,
)

# The contact search reads the directory as the Nimbus App, while the page asks the Attendant Console for delegated
# permissions only. Without it the search lacks one of three sources and says so, so it is no gap.
NIMBUS_SEARCHES_USERS: Final = _of_nimbus_app(
    "User.Read.All",
    "Application",
    {"AttendantConsole"},
    "Lets attendants find users of the directory.",
    optional=True,
)

# With these the Nimbus App reads what was granted to other apps. The product's page does not list them, so nobody has
# to grant them, and nobody has to take them away.
READS_GRANTS: Final = frozenset({"Application.Read.All", "DelegatedPermissionGrant.Read.All"})


def required(products: Iterable[str], settings: Settings) -> list[Permission]:
    """Rows that some product of the tenant needs, optional ones too, in the order of the catalogue.

    The Interact App needs nothing until Interact is licensed and on.
    """
    licensed = set(products)
    interact = "Interact" in licensed and settings.interact.enabled
    rows = [row for row in catalogue().permissions if row.component != "Interact App" or interact]
    # The link that grants it is opened before tracking is switched on, and tests of the accounts need it then too.
    tracked = settings.presence_tracking.track_over_guest_accounts
    rows.append(GUESTS_READ_PRESENCE if tracked else GUESTS_READ_PRESENCE.model_copy(update={"optional": True}))
    if interact:
        rows.append(NIMBUS_MAKES_MEETINGS)
    needed = [row for row in rows if any(row.products[name] for name in row.products if name in licensed)]
    if "AttendantConsole" in licensed and not any(map(_lets_nimbus_read_users, needed)):
        needed.append(NIMBUS_SEARCHES_USERS)
    return needed


def _lets_nimbus_read_users(row: Permission) -> bool:
    same = NIMBUS_SEARCHES_USERS
    return (row.component, row.permission, row.type) == (same.component, same.permission, same.type)
