"""The composition root: from app settings to the actors that triggers call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared import clock
from shared.attendant.address_books import AddressBooks
from shared.attendant.filter_check import FilterCheck
from shared.attendant.filter_warnings import filter_warnings
from shared.attendant.search import Consent, ContactSearch
from shared.attendant.search_copy import SearchCopies
from shared.attendant.teams import Teams
from shared.callers import Callers
from shared.clients.acs import AcsIdentities
from shared.clients.caller_tokens import CallerTokens
from shared.clients.directory_search import DirectorySearch
from shared.clients.exchange_contacts import ExchangeContacts
from shared.clients.gateway import open_session
from shared.clients.graph import Graph
from shared.clients.graph_lists import GraphLists
from shared.clients.on_behalf_of import OnBehalfOf
from shared.clients.presence_reader import PresenceReader
from shared.clients.sign_in import SignIns
from shared.clients.signing_keys import SigningKeys
from shared.clock import Clock
from shared.config import Config
from shared.health import Health
from shared.interact.acs_check import AcsChecks
from shared.interact.widget import Widget
from shared.outbound.intake import Intake
from shared.outbound.refusals import Refusals
from shared.outbound.scheduler import Scheduler
from shared.outbound.store import OutboundStore
from shared.overview import Overview
from shared.presence.availability import Availability
from shared.presence.poller import Poller
from shared.presence.store import PresenceStore
from shared.presence.views import Presences
from shared.presence.warnings import PresenceWarnings
from shared.storage.account import StorageAccount
from shared.storage.secrets import SecretBox
from shared.storage.tables import Table
from shared.tenants.directory import Directory
from shared.tenants.licences import Licences
from shared.tenants.offboarding import Offboarding
from shared.tenants.rotation import Rotation
from shared.tenants.tenant_settings import TenantSettings
from shared.tenants.tenants import Tenants
from shared.tenants.widget_keys import WidgetKeys


@dataclass(frozen=True, slots=True)
class Core:
    """What triggers may call."""

    callers: Callers
    tenants: Tenants
    directory: Directory
    offboarding: Offboarding
    scheduler: Scheduler
    intake: Intake
    refusals: Refusals
    poller: Poller
    presences: Presences
    availability: Availability
    health: Health
    settings: TenantSettings
    widget_keys: WidgetKeys
    widget: Widget
    acs_checks: AcsChecks
    acs_suffixes: tuple[str, ...]
    overview: Overview
    address_books: AddressBooks
    contact_search: ContactSearch
    filter_check: FilterCheck
    teams: Teams


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
    in_use: Callable[[str, str], bool],
) -> Trunk:
    """``in_use`` says whether a service of a tenant has unfinished tasks."""
    heads, directory = account.table("tenants"), account.table("directory")
    secrets = SecretBox(secret_keys)
    widget_keys = WidgetKeys(heads, account.table("widgetkeys"), secrets, now)
    licences = Licences(heads, directory, now)
    return Trunk(
        heads,
        secrets,
        widget_keys,
        licences,
        Tenants(heads, widget_keys, account.queue("tenant-offboarding")),
        Directory(directory, licences, in_use),
    )


def build(config: Config, *, now: Clock = clock.now) -> Core:
    """Open storage and wire everything. Raises StorageDown; talks to nobody else."""
    account = StorageAccount(config.storage_connection_string, config.storage_account_name, config.cloud.storage_suffix)
    account.prepare()
    # Short, so that two accounts fit into the lease of a poll, see presence/poller.py.
    session = open_session(config.gateway, connect_timeout=2.0, read_timeout=4.0)
    keys = SigningKeys(session, config.cloud, now)
    sign_ins = SignIns(session, config.cloud, config.graph_client_id, config.graph_client_secret, now)
    journal = account.table("journal")
    outbound = OutboundStore(account.table("outbound"))
    presence = PresenceStore(account.table("presence"))

    trunk = open_trunk(
        account, config.secret_keys, now, in_use=lambda tenant, service: bool(outbound.slots(tenant, service))
    )
    tenants, directory, widget_keys = trunk.tenants, trunk.directory, trunk.widget_keys
    warners = [filter_warnings, PresenceWarnings(presence).warnings]
    settings = TenantSettings(trunk.heads, trunk.secrets, trunk.licences, config.cloud.acs_suffixes, warners, now)
    refusals = Refusals(journal, now)
    scheduler = Scheduler(outbound, directory, refusals, now)
    presences = Presences(presence, directory, now, config.presence_interval)
    # Until tasks are offered nobody holds one.
    availability = Availability(presences, directory, held=lambda _tenant: ())
    contacts = account.table("contacts")
    address_books = AddressBooks(contacts)
    graph_lists = GraphLists(session, config.cloud, now)
    directory_search = DirectorySearch(sign_ins, graph_lists)
    on_behalf_of = OnBehalfOf(session, config.cloud, config.api_client_id, config.api_client_secret, now)
    reader = PresenceReader(sign_ins, Graph(session, config.cloud), config.presence_accounts)
    return Core(
        callers=Callers(
            CallerTokens(keys, config.cloud, (config.api_audience, config.api_client_id), now), config.home_tenant_id
        ),
        tenants=tenants,
        directory=directory,
        offboarding=Offboarding(
            tenants,
            [account.table(name) for name in ("directory", "outbound", "journal", "presence", "sessions", "contacts")],
            now,
        ),
        scheduler=scheduler,
        intake=Intake(scheduler, tenants, refusals, journal, now),
        refusals=refusals,
        poller=Poller(presence, tenants, directory, reader, account.queue("presence-polls"), now),
        presences=presences,
        availability=availability,
        settings=settings,
        widget_keys=widget_keys,
        widget=Widget(widget_keys, tenants),
        acs_checks=AcsChecks(AcsIdentities(session), account.table("system"), trunk.secrets, now, journal),
        acs_suffixes=config.cloud.acs_suffixes,
        overview=Overview(settings, directory, outbound, presence),
        address_books=address_books,
        contact_search=ContactSearch(
            SearchCopies(contacts, address_books),
            directory_search,
            ExchangeContacts(on_behalf_of, graph_lists),
            Consent(
                config.cloud.login,
                config.cloud.graph,
                config.api_client_id,
                f"{config.public_base_url}/api/consent/callback",
            ),
        ),
        filter_check=FilterCheck(directory_search),
        teams=Teams(directory, availability),
        health=Health(needed={"storage": account.probe}, useful={"signInKeys": keys.probe}),
    )


def build_rotation(config: Config) -> Rotation:
    """For the command that seals secrets again; opens storage and nothing else."""
    account = StorageAccount(config.storage_connection_string, config.storage_account_name, config.cloud.storage_suffix)
    account.prepare()
    trunk = open_trunk(account, config.secret_keys, clock.now, in_use=lambda _tenant, _service: False)
    return Rotation(trunk.tenants, trunk.heads, trunk.secrets)
