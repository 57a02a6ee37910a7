"""What every feature stands on: the tenants, and the ways to Microsoft that features share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared.app_settings.config import Config
from shared.attendant.odata_filter.warnings import filter_warnings
from shared.clients.entra.on_behalf_of import OnBehalfOf
from shared.clients.entra.sign_in import SignIns
from shared.clients.entra.signing_keys import SigningKeys
from shared.clients.graph.grants import Grants
from shared.clients.graph.graph import Graph
from shared.clients.graph.presence import PresenceReader
from shared.http.gateway import Session, open_session
from shared.interact.widget.authorization_warnings import authorization_warnings
from shared.kernel.clock import Clock
from shared.kernel.queue_names import QUEUES
from shared.outbound.tasks.store import OutboundStore
from shared.presence.guest_accounts.account_page import MOST_SIGN_INS
from shared.presence.guest_accounts.token_cache import TokenShelf
from shared.presence.guest_accounts.warnings import PresenceWarnings
from shared.presence.store import PresenceStore
from shared.storage.account import StorageAccount
from shared.storage.queues import Queue
from shared.storage.secrets import SecretBox
from shared.storage.tables import Table
from shared.tenants.directory import Directory, ServiceGate
from shared.tenants.licences import Licences
from shared.tenants.rate_limit import Pace
from shared.tenants.settings.settings import TenantSettings
from shared.tenants.tenants import Tenants
from shared.tenants.widget_keys import WidgetKeys


@dataclass(frozen=True, slots=True)
class Trunk:
    """What every feature stands on."""

    heads: Table
    secrets: SecretBox
    widget_keys: WidgetKeys
    licences: Licences
    tenants: Tenants
    directory: Directory


def open_trunk(
    account: StorageAccount,
    secret_keys: Sequence[tuple[str, bytes]],
    now: Clock,
    gate: ServiceGate,
) -> Trunk:
    """``gate`` says whether a service may be deleted."""
    heads, directory = account.table("tenants"), account.table("directory")
    secrets = SecretBox(secret_keys)
    widget_keys = WidgetKeys(heads, account.table("widgetkeys"), secrets, now)
    licences = Licences(heads, directory, now)
    return Trunk(
        heads,
        secrets,
        widget_keys,
        licences,
        Tenants(heads, widget_keys, account.queue("tenant-offboarding"), now),
        Directory(directory, licences, gate),
    )


@dataclass(frozen=True, slots=True)
class Ground:
    """What the rooms below are built on."""

    config: Config
    now: Clock
    account: StorageAccount
    trunk: Trunk
    settings: TenantSettings
    outbound: OutboundStore
    presence: PresenceStore
    journal: Table
    session: Session
    keys: SigningKeys
    sign_ins: SignIns
    graph: Graph
    grants: Grants
    reader: PresenceReader
    account_pace: Pace
    exchanges: OnBehalfOf
    queues: Mapping[str, Queue]


def open_account(config: Config) -> StorageAccount:
    """Raises StorageDown."""
    account = StorageAccount(config.storage_connection_string, config.storage_account_name, config.cloud.storage_suffix)
    account.prepare()
    return account


def open_ground(config: Config, now: Clock) -> Ground:
    """Open storage; talk to nobody else. Raises StorageDown."""
    account = open_account(config)
    # Short, so that two accounts fit into the lease of a poll, see presence/poller.py.
    session = open_session(config.gateway, connect_timeout=2.0, read_timeout=4.0)
    outbound, presence = OutboundStore(account.table("outbound")), PresenceStore(account.table("presence"))
    trunk = open_trunk(account, config.secret_keys, now, outbound.gate)
    shelf = TokenShelf(account.table("signins"), trunk.secrets, now)
    sign_ins = SignIns(session, config.cloud, config.graph_client_id, config.graph_client_secret, now, shelf)
    graph = Graph(session, config.cloud)
    warners = [authorization_warnings, filter_warnings, PresenceWarnings(presence).warnings]
    return Ground(
        config=config,
        now=now,
        account=account,
        trunk=trunk,
        settings=TenantSettings(trunk.heads, trunk.secrets, trunk.licences, config.cloud.acs_suffixes, warners, now),
        outbound=outbound,
        presence=presence,
        journal=account.table("journal"),
        session=session,
        keys=SigningKeys(session, config.cloud, now),
        sign_ins=sign_ins,
        graph=graph,
        grants=Grants(session, config.cloud, now),
        reader=PresenceReader(sign_ins, graph, config.presence_accounts),
        account_pace=Pace(
            account.table("journal"),
            now,
            what="sign-ins of the presence accounts",
            most=MOST_SIGN_INS,
            per=timedelta(minutes=1),
        ),
        exchanges=OnBehalfOf(session, config.cloud, config.api_client_id, config.api_client_secret, now),
        queues={name: account.queue(name) for name in QUEUES},
    )
