"""A tenant whose grants lie at the simulated Microsoft, and the actors that read and add to them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from shared.app_settings.config import PresenceAccount
from shared.clients.entra.sign_in import SignIns
from shared.clients.graph.granted_reader import GrantedReader
from shared.clients.graph.grants import Grants
from shared.http.gateway import open_session
from shared.kernel.clock import now
from shared.kernel.clouds import CLOUDS
from shared.kernel.errors import RateLimited
from shared.permissions.checks import PermissionChecks
from shared.permissions.comparison import ComponentCheck
from shared.permissions.consent import ConsentLinks
from shared.permissions.provisioning import Provisioning, Step
from shared.presence.guest_accounts.token_cache import TokenShelf
from shared.tenants.models import TenantWrite
from tests.core.world import CONTOSO_STRING, World
from tests.simulator.cloud_client import GRAPH, NIMBUS_APP, NIMBUS_SECRET, PASSWORD1, PRESENCE1, CloudClient

CLOUD = CLOUDS["public"]
LINKS = ConsentLinks(CLOUD.login, CLOUD.graph, "https://nimbus.example")
CLIENT_IDS = {
    "Nimbus App": NIMBUS_APP,
    "Calling Bot": "a0000000-0000-4000-8000-000000000011",
    "Media Bot": "a0000000-0000-4000-8000-000000000012",
    "Interact App": "a0000000-0000-4000-8000-000000000013",
    "Assistant App": "a0000000-0000-4000-8000-000000000014",
    "Attendant Console": "a0000000-0000-4000-8000-000000000015",
}
READS = {"Application.Read.All", "DelegatedPermissionGrant.Read.All"}
ROLES: dict[str, set[str]] = {
    "Nimbus App": {"Channel.ReadBasic.All", "GroupMember.Read.All", "Presence.Read.All", "User.Read.All"} | READS,
    "Calling Bot": {
        "Calls.AccessMedia.All",
        "Calls.Initiate.All",
        "Calls.InitiateGroupCall.All",
        "Calls.JoinGroupCall.All",
    },
    "Media Bot": {"Calls.AccessMedia.All", "Calls.JoinGroupCall.All"},
    "Interact App": {
        "Calls.InitiateGroupCall.All",
        "Calls.JoinGroupCall.All",
        "OnlineMeetingArtifact.Read.All",
        "OnlineMeetings.Read.All",
        "OnlineMeetings.ReadWrite.All",
    },
}
SCOPES: dict[str, set[str]] = {
    "Nimbus App": {"User.Read", "User.ReadBasic.All"},
    "Assistant App": {"Teams.ManageCalls", "Teams.ManageChats", "User.Read.All", "Presence.Read"},
    "Attendant Console": {
        "Calendars.Read",
        "Calendars.Read.Shared",
        "Contacts.Read",
        "Contacts.Read.Shared",
        "Presence.Read.All",
    },
}
EVERYTHING = ["AdvancedRouting", "ContactCenter", "AttendantConsole", "Interact", "Assistant"]
ADMIN_SCOPES = (
    "Application.ReadWrite.All",
    "AppRoleAssignment.ReadWrite.All",
    "DelegatedPermissionGrant.ReadWrite.All",
)


class CountedPace:
    """Lets a tenant pass as often as ``left`` says."""

    def __init__(self) -> None:
        self.left = 1000

    def take(self, tenant_id: str) -> None:
        if not self.left:
            raise RateLimited("too many sign-ins", retry_after=7)
        self.left -= 1


class PermissionWorld:
    """``world``'s tenant, granted everything to begin with."""

    def __init__(self, world: World, cloud: CloudClient) -> None:
        cloud.control("POST", "reset")
        self.world = world
        self.cloud = cloud
        self.roles = {component: set(names) for component, names in ROLES.items()}
        self.scopes = {component: set(names) for component, names in SCOPES.items()}
        self.more: dict[str, Any] = {"guests": [PRESENCE1]}
        self.session = open_session(cloud.gateway)
        self.grants = Grants(self.session, CLOUD)
        account = PresenceAccount(PRESENCE1, None, PASSWORD1)
        shelf = TokenShelf(world.account.table("signins"), world.secrets, now)
        self.sign_ins = SignIns(self.session, CLOUD, NIMBUS_APP, NIMBUS_SECRET, now, shelf)
        reader = GrantedReader(self.sign_ins, self.grants, [account], NIMBUS_APP)
        self.pace = CountedPace()
        heads = world.account.table("tenants")
        self.checks = PermissionChecks(reader, heads, LINKS, CLIENT_IDS, self.pace, world.clock)
        self.slept: list[float] = []
        self.license(EVERYTHING)
        self.settle()

    @property
    def tenant_id(self) -> str:
        return self.world.tenant_id

    def license(self, products: Collection[str]) -> None:
        wanted = TenantWrite(display_name="Contoso", products=list(products))  # type: ignore[arg-type]
        versions = frozenset({self.world.head.tenant.revision})
        self.world.tenants.put(self.tenant_id, lambda: wanted, versions=versions, by=self.world.by)

    def interact_on(self) -> None:
        self.world.set(interact={"enabled": True, "acsConnectionString": CONTOSO_STRING})

    def settle(self) -> None:
        """Tell Microsoft's side what is granted as ``roles``, ``scopes`` and ``more`` say."""

        def rows(granted: dict[str, set[str]], member: str) -> list[dict[str, Any]]:
            return [{"clientId": CLIENT_IDS[name], member: sorted(names)} for name, names in granted.items() if names]

        body = {"consents": rows(self.scopes, "scopes"), "grants": rows(self.roles, "roles"), **self.more}
        self.cloud.control("PUT", f"tenants/{self.tenant_id}", body)

    def check(self) -> dict[str, ComponentCheck]:
        return {one.component: one for one in self.checks.check(self.world.head).components}

    def gaps(self) -> set[tuple[str, str]]:
        return {(name, gone) for name, one in self.check().items() for gone in one.missing}

    def provision(
        self,
        tell: Callable[[Step], None] = lambda _: None,
        *,
        dry_run: bool = False,
        optional: bool = False,
        scopes: Collection[str] = ADMIN_SCOPES,
        client_ids: Mapping[str, str] = CLIENT_IDS,
        patience: float = 60,
    ) -> list[Step]:
        """A run as somebody with these scopes; waits are only noted."""
        steps: list[Step] = []

        def told(step: Step) -> None:
            steps.append(step)
            tell(step)

        wish = {"tenantId": self.tenant_id, "audience": GRAPH, "scp": " ".join(scopes), "upn": "admin@contoso.example"}
        token = str(self.cloud.control("POST", "token", wish)["access_token"])
        run = Provisioning(self.grants, client_ids, patience=patience, sleep=self.slept.append).run
        run(self.world.head, token, told, dry_run=dry_run, optional=optional)
        return steps

    def grant_more(self, component: str, scope: str) -> None:
        """Somebody else widens what is granted now."""
        body = self.cloud.control("GET", f"tenants/{self.tenant_id}")
        (row,) = [row for row in body["consents"] if row["clientId"] == CLIENT_IDS[component]]
        row["scopes"].append(scope)
        self.cloud.control("PUT", f"tenants/{self.tenant_id}", body)

    def asked(self, *methods: str) -> list[str]:
        """Paths of Graph that were called for this tenant."""
        rows = self.cloud.control("GET", f"requests?tenantId={self.tenant_id}&host=graph.microsoft.com")
        return [row["path"] for row in rows if row["method"] in methods]
