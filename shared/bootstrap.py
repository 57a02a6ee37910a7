"""The composition root: from app settings to the actors that triggers call."""

from __future__ import annotations

from collections.abc import Sequence
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
from shared.clients.device_sign_in import DeviceSignIn
from shared.clients.directory_search import DirectorySearch
from shared.clients.exchange_contacts import ExchangeContacts
from shared.clients.gateway import open_session
from shared.clients.granted import GrantedReader
from shared.clients.grants import Grants
from shared.clients.graph import Graph
from shared.clients.graph_lists import GraphLists
from shared.clients.groups import GroupReader
from shared.clients.meetings import OnlineMeetings
from shared.clients.on_behalf_of import OnBehalfOf
from shared.clients.presence_reader import PresenceReader
from shared.clients.sign_in import SignIns
from shared.clients.signing_keys import SigningKeys
from shared.clients.tenant_facts import TenantFacts
from shared.clients.webhook import CallbackSender
from shared.clock import Clock
from shared.config import Config
from shared.continuations import Continuations
from shared.health import Health
from shared.interact import leftovers, session_ends, session_store
from shared.interact.acs_check import AcsChecks
from shared.interact.assistant import Assistant
from shared.interact.authorization import Authorization
from shared.interact.meetings import MeetingChecks
from shared.interact.rates import WidgetRates
from shared.interact.session_ends import SessionEnds
from shared.interact.session_start import SessionStart
from shared.interact.session_store import SessionStore
from shared.interact.sessions import Sessions
from shared.interact.widget import Widget
from shared.outbound import hook_store
from shared.outbound.agenda import Agenda
from shared.outbound.agent_tasks import AgentTasks
from shared.outbound.agents import Agents
from shared.outbound.batches import Batches
from shared.outbound.deliveries import Deliveries
from shared.outbound.duty import Duty
from shared.outbound.entries import Entries
from shared.outbound.external_tasks import ExternalTasks
from shared.outbound.hook_outbox import HookOutbox
from shared.outbound.hook_store import HookStore
from shared.outbound.intake import Intake
from shared.outbound.refusals import Refusals
from shared.outbound.scheduler import Scheduler
from shared.outbound.store import OutboundStore
from shared.outbound.supervision import Supervision
from shared.outbound.task_updates import TaskUpdates
from shared.outbound.turns import Candidate
from shared.outbound.value_lists import ValueLists
from shared.outbound.visits import Visits
from shared.outbound.webhooks import APPOINTMENT as WEBHOOK
from shared.outbound.webhooks import Webhooks
from shared.overview import Overview
from shared.permissions.checks import PermissionChecks
from shared.permissions.consent import ConsentLinks
from shared.poison import Poison
from shared.presence import token_shelf
from shared.presence.account_notes import AccountNotes
from shared.presence.account_page import AccountPage
from shared.presence.availability import Availability
from shared.presence.consent import Consents
from shared.presence.health import HealthOfPresence
from shared.presence.poller import Poller
from shared.presence.store import PresenceStore
from shared.presence.token_shelf import TokenShelf
from shared.presence.views import Presences
from shared.presence.warnings import PresenceWarnings
from shared.presence.watch_group import WatchGroups
from shared.storage.account import QUEUES, StorageAccount
from shared.storage.secrets import SecretBox
from shared.storage.tables import Table
from shared.tenants.audit_trail import AuditTrail
from shared.tenants.directory import Directory, Tasks
from shared.tenants.licences import Licences
from shared.tenants.offboarding import Offboarding
from shared.tenants.rotation import Rotation
from shared.tenants.tenant_settings import TenantSettings
from shared.tenants.tenants import Tenants
from shared.tenants.widget_keys import WidgetKeys
from shared.tidy import Tidy


@dataclass(frozen=True, slots=True)
class Core:
    """What triggers may call."""

    callers: Callers
    tenants: Tenants
    directory: Directory
    offboarding: Offboarding
    scheduler: Scheduler
    entries: Entries
    external_tasks: ExternalTasks
    task_updates: TaskUpdates
    value_lists: ValueLists
    intake: Intake
    refusals: Refusals
    batches: Batches
    supervision: Supervision
    agent_tasks: AgentTasks
    duty: Duty
    agenda: Agenda
    visits: Visits
    webhooks: Webhooks
    deliveries: Deliveries
    public_base_url: str
    poller: Poller
    presences: Presences
    availability: Availability
    presence_health: HealthOfPresence
    account_page: AccountPage
    consents: Consents
    watch_groups: WatchGroups
    outbound_addresses: tuple[str, ...]
    health: Health
    settings: TenantSettings
    widget_keys: WidgetKeys
    widget: Widget
    widget_rates: WidgetRates
    authorization: Authorization
    sessions: Sessions
    session_ends: SessionEnds
    meeting_checks: MeetingChecks
    assistant: Assistant
    acs_checks: AcsChecks
    acs_suffixes: tuple[str, ...]
    overview: Overview
    continuations: Continuations
    poison: Poison
    tidy: Tidy
    permissions: PermissionChecks
    local_run: bool
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
    tasks: Tasks,
) -> Trunk:
    """``tasks`` knows whether a service has unfinished ones."""
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
        Directory(directory, licences, tasks),
    )


def build(config: Config, *, now: Clock = clock.now) -> Core:
    """Open storage and wire everything. Raises StorageDown; talks to nobody else."""
    account = StorageAccount(config.storage_connection_string, config.storage_account_name, config.cloud.storage_suffix)
    account.prepare()
    # Short, so that two accounts fit into the lease of a poll, see presence/poller.py.
    session = open_session(config.gateway, connect_timeout=2.0, read_timeout=4.0)
    keys = SigningKeys(session, config.cloud, now)
    journal = account.table("journal")
    outbound = OutboundStore(account.table("outbound"))
    presence = PresenceStore(account.table("presence"))

    trunk = open_trunk(account, config.secret_keys, now, outbound)
    tenants, directory, widget_keys = trunk.tenants, trunk.directory, trunk.widget_keys
    shelf = TokenShelf(account.table("signins"), trunk.secrets, now)
    sign_ins = SignIns(session, config.cloud, config.graph_client_id, config.graph_client_secret, now, shelf)
    warners = [filter_warnings, PresenceWarnings(presence).warnings]
    settings = TenantSettings(trunk.heads, trunk.secrets, trunk.licences, config.cloud.acs_suffixes, warners, now)
    refusals = Refusals(journal, now)
    queues = {name: account.queue(name) for name in QUEUES}
    poison = Poison(journal, tenants, queues, now)
    kinds = dict.fromkeys(("task", "tidy", "batch"), queues["outbound-visits"])
    agenda = Agenda(account.table("agenda"), kinds | {WEBHOOK: queues["webhook-deliveries"]}, now)
    scheduler = Scheduler(outbound, directory, refusals, agenda, now)
    batches = Batches(journal, queues["outbound-requests"], agenda, now)
    agents = Agents(account.table("outbound"))
    presences = Presences(presence, directory, now, config.presence_interval)
    presence_health = HealthOfPresence(presence, now, config.presence_interval)
    graph = Graph(session, config.cloud)
    reader = PresenceReader(sign_ins, graph, config.presence_accounts)
    facts = TenantFacts(sign_ins, graph, config.graph_client_id, config.presence_accounts)
    account_notes = AccountNotes(presence, now)
    hooks, hook_outbox = HookStore(account.table("outbound"), trunk.secrets), HookOutbox(account.table("outbound"))
    hosts = config.webhook_allowed_hosts
    webhooks = Webhooks(hooks, hook_outbox, directory, agenda, hosts, now)
    sender = CallbackSender(open_session(config.gateway, read_timeout=8.0), now)
    trail = AuditTrail(trunk.heads, now)
    identities = AcsIdentities(session)
    meetings = OnlineMeetings(session, config.cloud, sign_ins, config.graph_client_id, now)
    held_sessions = SessionStore(account.table("sessions"))
    ends = SessionEnds(account.table("system"), held_sessions, trunk.secrets, identities, now)
    start = SessionStart(settings, config.cloud.acs_suffixes, identities, meetings, ends, now)
    exchanges = OnBehalfOf(session, config.cloud, config.api_client_id, config.api_client_secret, now)
    permissions = PermissionChecks(
        GrantedReader(sign_ins, Grants(session, config.cloud, now), config.presence_accounts, config.graph_client_id),
        trunk.heads,
        ConsentLinks(config.cloud.login, config.cloud.graph, config.public_base_url),
        config.component_client_ids,
        now,
    )
    availability = Availability(presences, directory, held=agents.holders)
    contacts = account.table("contacts")
    address_books = AddressBooks(contacts)
    graph_lists = GraphLists(session, config.cloud, now)
    directory_search = DirectorySearch(sign_ins, graph_lists)
    return Core(
        callers=Callers(
            CallerTokens(keys, config.cloud, (config.api_audience, config.api_client_id), now), config.home_tenant_id
        ),
        tenants=tenants,
        directory=directory,
        offboarding=Offboarding(
            tenants,
            [
                account.table(name)
                for name in ("directory", "outbound", "journal", "presence", "signins", "sessions", "contacts")
            ],
            now,
        ),
        scheduler=scheduler,
        entries=Entries(outbound, directory, agenda, now),
        external_tasks=ExternalTasks(outbound, directory, agenda, now),
        task_updates=TaskUpdates(outbound, directory, agenda, now),
        value_lists=ValueLists(directory),
        intake=Intake(scheduler, batches, tenants, refusals, poison),
        refusals=refusals,
        batches=batches,
        supervision=Supervision(outbound, directory, refusals, agenda, now),
        agent_tasks=AgentTasks(outbound, agents, directory, agenda, now),
        duty=Duty(directory, agents, now),
        agenda=agenda,
        visits=Visits(outbound, agents, agenda, _Members(presences, directory), webhooks, now),
        webhooks=webhooks,
        deliveries=Deliveries(hooks, hook_outbox, directory, agenda, sender, trail, hosts, now),
        public_base_url=config.public_base_url,
        poller=Poller(
            presence, tenants, directory, reader, account.queue("presence-polls"), config.presence_interval, now
        ),
        presences=presences,
        presence_health=presence_health,
        account_page=AccountPage(presence, directory, reader, facts, account_notes),
        consents=Consents(
            config.cloud,
            config.graph_client_id,
            config.public_base_url,
            trunk.secrets,
            tenants,
            facts,
            reader,
            account_notes,
            now,
        ),
        watch_groups=WatchGroups(
            account.table("presence"),
            tenants,
            directory,
            GroupReader(sign_ins, graph),
            account.queue("presence-polls"),
            now,
        ),
        outbound_addresses=config.outbound_ip_addresses,
        availability=availability,
        settings=settings,
        widget_keys=widget_keys,
        widget=Widget(widget_keys, tenants),
        widget_rates=WidgetRates(),
        authorization=Authorization(CallerTokens(keys, config.cloud, config.interact_audience, now)),
        sessions=Sessions(held_sessions, start, ends, directory, now),
        session_ends=ends,
        meeting_checks=MeetingChecks(meetings, journal, now),
        assistant=Assistant(
            settings,
            exchanges,
            identities,
            config.api_client_id,
            config.platform_acs_connection_string,
            config.cloud.acs_suffixes,
            now,
        ),
        acs_checks=AcsChecks(identities, account.table("system"), trunk.secrets, now, journal),
        acs_suffixes=config.cloud.acs_suffixes,
        overview=Overview(settings, directory, outbound, presence_health, permissions),
        continuations=Continuations(trunk.secrets),
        poison=poison,
        tidy=Tidy(journal, now),
        permissions=permissions,
        local_run=config.gateway is not None,  # the one setting that only a local run may have
        address_books=address_books,
        contact_search=ContactSearch(
            SearchCopies(contacts, address_books),
            directory_search,
            ExchangeContacts(exchanges, graph_lists),
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


class _Members:
    """Members of a service as distribution sees them: presence, duty and licence; who is held it knows better."""

    def __init__(self, presences: Presences, directory: Directory) -> None:
        self._availability = Availability(presences, directory, held=lambda _tenant: ())
        self._directory = directory

    def available(self, tenant_id: str, service_upn: str) -> list[Candidate]:
        service = self._directory.service(tenant_id, service_upn).value
        members = self._availability.of_service(tenant_id, service)
        return [Candidate(member.user_id, str(member.upn)) for member in members if member.available]


def build_rotation(config: Config) -> Rotation:
    """For the command that seals secrets again; opens storage and nothing else."""
    account = StorageAccount(config.storage_connection_string, config.storage_account_name, config.cloud.storage_suffix)
    account.prepare()
    trunk = open_trunk(account, config.secret_keys, clock.now, OutboundStore(account.table("outbound")))
    # Whoever seals a secret outside of a tenant's head names its rows here; tests/structure/test_sealing.py watches.
    others = [
        leftovers.sealed_rows(account.table("system")),
        hook_store.sealed_rows(account.table("outbound"), trunk.tenants.ids),
        session_ends.sealed_rows(account.table("system")),
        session_store.sealed_rows(account.table("sessions")),
        token_shelf.sealed_rows(account.table("signins")),
    ]
    return Rotation(trunk.tenants, trunk.heads, trunk.secrets, others)


def build_device_sign_in(config: Config) -> tuple[DeviceSignIn, TokenShelf]:
    """For the command that signs a presence account in: who asks Entra, and where the token is kept."""
    account = StorageAccount(config.storage_connection_string, config.storage_account_name, config.cloud.storage_suffix)
    account.prepare()
    session = open_session(config.gateway)
    device = DeviceSignIn(session, config.cloud, config.graph_client_id, config.home_tenant_id, clock.now)
    return device, TokenShelf(account.table("signins"), SecretBox(config.secret_keys), clock.now)
