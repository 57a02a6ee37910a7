"""The composition root: from app settings to the actors that triggers call."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from shared import clock
from shared.attendant.filter_warnings import filter_warnings
from shared.callers import Callers
from shared.clients.acs import AcsIdentities
from shared.clients.caller_tokens import CallerTokens
from shared.clients.gateway import open_session
from shared.clients.graph import Graph
from shared.clients.presence_reader import PresenceReader
from shared.clients.sign_in import SignIns
from shared.clients.signing_keys import SigningKeys
from shared.clock import Clock
from shared.config import Config
from shared.continuations import Continuations
from shared.health import Health
from shared.interact import leftovers
from shared.interact.acs_check import AcsChecks
from shared.interact.widget import Widget
from shared.outbound.agenda import Agenda
from shared.outbound.agent_tasks import AgentTasks
from shared.outbound.agents import Agents
from shared.outbound.batches import Batches
from shared.outbound.duty import Duty
from shared.outbound.entries import Entries
from shared.outbound.events import Event
from shared.outbound.external_tasks import ExternalTasks
from shared.outbound.intake import Intake
from shared.outbound.refusals import Refusals
from shared.outbound.scheduler import Scheduler
from shared.outbound.store import OutboundStore
from shared.outbound.supervision import Supervision
from shared.outbound.task_updates import TaskUpdates
from shared.outbound.turns import Candidate
from shared.outbound.value_lists import ValueLists
from shared.outbound.visits import Visits
from shared.overview import Overview
from shared.poison import Poison
from shared.presence.availability import Availability
from shared.presence.poller import Poller
from shared.presence.store import PresenceStore
from shared.presence.views import Presences
from shared.presence.warnings import PresenceWarnings
from shared.storage.account import QUEUES, StorageAccount
from shared.storage.secrets import SecretBox
from shared.storage.tables import Table
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
    continuations: Continuations
    poison: Poison
    tidy: Tidy


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
    sign_ins = SignIns(session, config.cloud, config.graph_client_id, config.graph_client_secret, now)
    journal = account.table("journal")
    outbound = OutboundStore(account.table("outbound"))
    presence = PresenceStore(account.table("presence"))

    trunk = open_trunk(account, config.secret_keys, now, outbound)
    tenants, directory, widget_keys = trunk.tenants, trunk.directory, trunk.widget_keys
    warners = [filter_warnings, PresenceWarnings(presence).warnings]
    settings = TenantSettings(trunk.heads, trunk.secrets, trunk.licences, config.cloud.acs_suffixes, warners, now)
    refusals = Refusals(journal, now)
    queues = {name: account.queue(name) for name in QUEUES}
    poison = Poison(journal, tenants, queues, now)
    agenda = Agenda(account.table("agenda"), dict.fromkeys(("task", "tidy", "batch"), queues["outbound-visits"]), now)
    scheduler = Scheduler(outbound, directory, refusals, agenda, now)
    batches = Batches(journal, queues["outbound-requests"], agenda, now)
    agents = Agents(account.table("outbound"))
    presences = Presences(presence, directory, now, config.presence_interval)
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
        visits=Visits(outbound, agents, agenda, _Members(presences, directory), _NoHooks(), now),
        poller=Poller(presence, tenants, directory, reader, account.queue("presence-polls"), now),
        presences=presences,
        availability=Availability(presences, directory, held=agents.holders),
        settings=settings,
        widget_keys=widget_keys,
        widget=Widget(widget_keys, tenants),
        acs_checks=AcsChecks(AcsIdentities(session), account.table("system"), trunk.secrets, now, journal),
        acs_suffixes=config.cloud.acs_suffixes,
        overview=Overview(settings, directory, outbound, presence),
        continuations=Continuations(trunk.secrets),
        poison=poison,
        tidy=Tidy(journal, now),
        health=Health(needed={"storage": account.probe}, useful={"signInKeys": keys.probe}),
    )


class _Members:
    """Members of a service as distribution sees them: presence, duty and licence; who is held it knows better."""

    def __init__(self, presences: Presences, directory: Directory) -> None:
        self._availability = Availability(presences, directory, held=lambda _tenant: ())
        self._directory = directory

    def available(self, tenant_id: str, service_upn: str, *, busy: Collection[str]) -> list[Candidate]:
        service = self._directory.service(tenant_id, service_upn).value
        asked = [user_id for user_id in service.members if user_id not in busy]
        members = self._availability.of_service(tenant_id, service.model_copy(update={"members": asked}))
        return [Candidate(member.user_id, str(member.upn)) for member in members if member.available]


class _NoHooks:
    def publish(self, events: Sequence[Event]) -> None: ...


def build_rotation(config: Config) -> Rotation:
    """For the command that seals secrets again; opens storage and nothing else."""
    account = StorageAccount(config.storage_connection_string, config.storage_account_name, config.cloud.storage_suffix)
    account.prepare()
    trunk = open_trunk(account, config.secret_keys, clock.now, OutboundStore(account.table("outbound")))
    # Whoever seals a secret outside of a tenant's head names its rows here; tests/structure/test_sealing.py watches.
    others = [leftovers.sealed_rows(account.table("system"))]
    return Rotation(trunk.tenants, trunk.heads, trunk.secrets, others)
