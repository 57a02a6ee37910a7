"""The apps the product consists of in Entra, each with a registration of its own, and Microsoft's that they use."""

from __future__ import annotations

from typing import Final, Literal, get_args

Component = Literal[
    "Nimbus App", "Calling Bot", "Media Bot", "Chat Bot", "Interact App", "Assistant App", "Attendant Console"
]
COMPONENTS: Final[tuple[Component, ...]] = get_args(Component)
NIMBUS_APP: Final[Component] = "Nimbus App"

Resource = Literal["Microsoft Graph", "Azure Communication Services"]
# Whose permissions the components hold; the same in every tenant. Source: Microsoft's list of first-party apps.
RESOURCE_CLIENT_IDS: Final[dict[Resource, str]] = {
    "Microsoft Graph": "00000003-0000-0000-c000-000000000000",
    "Azure Communication Services": "1fd5118e-2576-4263-8130-9503064c837a",
}

CONSENT_CALLBACK: Final = "api/consent/callback"
"""Where Entra sends an administrator who has consented, as a path of this app."""
