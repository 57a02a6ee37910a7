"""What the simulated cloud knows: tenants, accounts, apps, presence, ACS resources. All in memory."""

from __future__ import annotations

import base64
import json
import threading
import time
import uuid
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from simulator.acs_resource import AcsResource
from simulator.faults import Faults
from simulator.graph_limits import CallLimit
from simulator.hooks import Webhooks
from simulator.journal import Journal
from simulator.keys import KeyRing

HOME_TENANT: Final = "99999999-9999-4999-8999-999999999999"
FIRST_TENANTS: Final = {
    "11111111-1111-4111-8111-111111111111": "Contoso",
    "22222222-2222-4222-8222-222222222222": "Fabrikam",
    HOME_TENANT: "Nimbus",
}
API_CLIENT: Final = "a0000000-0000-4000-8000-000000000001"
API_AUDIENCE: Final = "api://nimbus-extensions"
GRAPH_CLIENT: Final = "a0000000-0000-4000-8000-000000000002"
INTERACT_CLIENT: Final = "a0000000-0000-4000-8000-000000000004"
INTERACT_AUDIENCE: Final = "api://nimbus-interact"
#: The app registration of a customer's own website.
WEBSITE_CLIENT: Final = "a0000000-0000-4000-8000-000000000005"
PRESENCE_ACCOUNTS: Final = {
    "presence1@nimbus.example": "local-presence1-password",
    "presence2@nimbus.example": "local-presence2-password",
}
#: The components with registrations of their own beside the Nimbus App: last digits of the client id, name,
#: application permissions and delegated ones that the registration asks for.
COMPONENTS: Final = (
    (
        "11",
        "Calling Bot",
        "Calls.AccessMedia.All Calls.Initiate.All Calls.InitiateGroupCall.All Calls.JoinGroupCall.All",
        "",
    ),
    ("12", "Media Bot", "Calls.AccessMedia.All Calls.JoinGroupCall.All", ""),
    (
        "13",
        "Interact App",
        "Calls.InitiateGroupCall.All Calls.JoinGroupCall.All OnlineMeetingArtifact.Read.All OnlineMeetings.Read.All "
        "OnlineMeetings.ReadWrite.All",
        "",
    ),
    ("14", "Assistant App", "", "Teams.ManageCalls Teams.ManageChats User.Read.All Presence.Read"),
    (
        "15",
        "Attendant Console",
        "",
        "Calendars.Read Calendars.Read.Shared Contacts.Read Contacts.Read.Shared Presence.Read.All",
    ),
)
#: Microsoft's own public client, which administrators sign in to on a command line.
COMMAND_LINE: Final = "14d82eec-204b-4c2f-b7e8-296a70dab67e"
PRESENCE_SCOPES: Final = ("Presence.Read.All", "User.Read", "User.ReadBasic.All")
PRESENCE_ROLES: Final = ("Presence.Read.All", "User.Read.All")
_NAMES: Final = uuid.UUID("5f1d7a0e-5f1d-4a0e-8f1d-7a0e5f1d7a0e")


def stable_id(*parts: str) -> str:
    """A GUID that is the same at every run for the same parts, whatever their case."""
    return str(uuid.uuid5(_NAMES, "/".join(parts).lower()))


@dataclass
class Account:
    """Someone who can sign in, kept in the home tenant; guests are accounts of another tenant."""

    upn: str
    home_tenant: str
    oid: str
    name: str
    password: str | None = None
    mfa: bool = False
    locked: bool = False
    disabled: bool = False
    password_expired: bool = False
    #: Refresh tokens made before this moment (Unix seconds) are void.
    tokens_valid_from: float = 0


@dataclass
class App:
    """An app registration. `scopes` and `roles` are what `.default` asks an administrator for."""

    client_id: str
    name: str
    secret: str | None
    audience: str | None = None
    scopes: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    #: The form of tokens for this app, as its manifest says: 1 has the App ID URI as audience, 2 the client id.
    token_version: int = 2


@dataclass
class Tenant:
    """One customer directory. `document` is what was PUT, the rest is made from it for quick look-ups."""

    tenant_id: str
    display_name: str = ""
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    users_by_upn: dict[str, dict[str, Any]] = field(default_factory=dict)
    guests: set[str] = field(default_factory=set)
    consents: dict[str, set[str]] = field(default_factory=dict)
    grants: dict[str, set[str]] = field(default_factory=dict)
    contacts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    access_policies: dict[str, Any] = field(default_factory=dict)
    privacy_mode: bool = False
    guest_restricted: bool = False
    deny_admin_consent: bool = False
    #: How many requests miss a new service principal, and how many of them are still to come by client id.
    replication_lag: int = 0
    unseen: dict[str, int] = field(default_factory=dict)

    def oid_of(self, upn: str) -> str:
        """The object id of a member or guest in this tenant."""
        user = self.users_by_upn.get(upn.lower())
        return str(user["id"]) if user else stable_id(self.tenant_id, upn)

    def admits(self, account: Account) -> bool:
        """Whether the account is a member or a guest here."""
        upn = account.upn.lower()
        return account.home_tenant == self.tenant_id or upn in self.users_by_upn or upn in self.guests


def presence_row(user_id: str, availability: str, activity: str, sequence: str, *, out_of_office: bool) -> bytes:
    """One presence as the JSON text Graph answers with."""
    said = _presence_words(availability, activity, out_of_office)
    return f'{{"id":{json.dumps(user_id)},{said},"sequenceNumber":{json.dumps(sequence)}}}'.encode()


@lru_cache(maxsize=1000)
def _presence_words(availability: str, activity: str, out_of_office: bool) -> str:
    """The members that many users have in common, without the braces."""
    said = {
        "availability": availability,
        "activity": activity,
        "statusMessage": None,
        "outOfOfficeSettings": {"message": None, "isOutOfOffice": out_of_office},
    }
    return json.dumps(said, separators=(",", ":"))[1:-1]


class PresenceBook:
    """Presence of one tenant's users, each kept as the JSON text that Graph answers with."""

    def __init__(self) -> None:
        self._rows: dict[str, bytes] = {}

    def put(self, user_id: str, availability: str, activity: str, sequence: str, *, out_of_office: bool) -> None:
        """Set the presence of a user, known to the directory or not."""
        self._rows[user_id.lower()] = presence_row(
            user_id.lower(), availability, activity, sequence, out_of_office=out_of_office
        )

    def remove(self, user_id: str) -> None:
        """Forget a user's presence."""
        self._rows.pop(user_id.lower(), None)

    def get(self, user_id: str) -> bytes | None:
        """The user's presence as JSON text; `user_id` in lower case."""
        return self._rows.get(user_id)


class Cloud:
    """Everything in one place, changed only while `lock` is held."""

    def __init__(self, keys: KeyRing) -> None:
        self.lock = threading.RLock()
        self.keys = keys
        self.started = time.time()
        self._sequence = 0
        self.reset()

    def reset(self) -> None:
        """Back to how it starts; signing keys stay, since programs hold tokens made with them."""
        self.tenants: dict[str, Tenant] = {}
        self.accounts: dict[str, Account] = {}
        self.presence: dict[str, PresenceBook] = {}
        self.apps = {app.client_id: app for app in _first_apps()}
        self.acs = {resource.host: resource for resource in _first_acs()}
        self.codes: dict[str, dict[str, Any]] = {}
        self.device_codes: dict[str, dict[str, Any]] = {}
        #: Group and members at the moment a delta link was given, by its token.
        self.group_deltas: dict[str, tuple[str, frozenset[str]]] = {}
        self.meetings: dict[str, dict[str, Any]] = {}
        self.journal = Journal()
        self.faults = Faults()
        self.presence_limit = CallLimit()
        self.webhooks = Webhooks()
        for tenant_id, name in FIRST_TENANTS.items():
            self.tenants[tenant_id] = Tenant(
                tenant_id,
                name,
                guests=set(PRESENCE_ACCOUNTS),
                consents={GRAPH_CLIENT: set(PRESENCE_SCOPES)},
                grants={GRAPH_CLIENT: set(PRESENCE_ROLES)},
            )
        for upn, password in PRESENCE_ACCOUNTS.items():
            oid = stable_id(HOME_TENANT, upn)
            self.accounts[upn] = Account(upn, HOME_TENANT, oid, upn.partition("@")[0].capitalize(), password)

    def account(self, upn: str) -> Account | None:
        """The account of that name, in any case."""
        return self.accounts.get(upn.strip().lower())

    def directory(self, tenant_id: str) -> Tenant:
        """The tenant's directory; an empty one for a tenant nobody described."""
        return self.tenants.get(tenant_id) or Tenant(tenant_id)

    def presence_of(self, tenant_id: str) -> PresenceBook:
        """The tenant's presence, to be read or changed."""
        return self.presence.setdefault(tenant_id, PresenceBook())

    def next_sequence(self) -> str:
        """A stamp that sorts after every earlier one as text, also after a restart: it follows the clock."""
        self._sequence = max(self._sequence + 1, time.time_ns() // 1000)
        return f"{self._sequence:020d}"

    def first_sequence(self) -> str:
        """The stamp of users who never had a presence set."""
        return f"{int(self.started * 1_000_000):020d}"


def _first_apps() -> list[App]:
    return [
        App(API_CLIENT, "Nimbus Extensions API", "local-api-client-secret", API_AUDIENCE, ("User.Read",)),
        App(GRAPH_CLIENT, "Nimbus App", "local-graph-client-secret", None, PRESENCE_SCOPES, PRESENCE_ROLES),
        *(
            App(
                f"a0000000-0000-4000-8000-0000000000{end}",
                name,
                None,
                None,
                tuple(scopes.split()),
                tuple(roles.split()),
            )
            for end, name, roles, scopes in COMPONENTS
        ),
        App(COMMAND_LINE, "Microsoft Graph Command Line Tools", None),
        App(INTERACT_CLIENT, "Nimbus Interact", None, INTERACT_AUDIENCE, token_version=1),
        App(WEBSITE_CLIENT, "Contoso Website", "local-website-client-secret"),
    ]


def _first_acs() -> list[AcsResource]:
    return [
        AcsResource("platform.communication.azure.com", base64.b64encode(bytes(64)).decode()),
        AcsResource("contoso.communication.azure.com", base64.b64encode(b"\x01" * 64).decode()),
    ]
