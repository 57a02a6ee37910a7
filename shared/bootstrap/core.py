"""The composition root: from app settings to the actors that triggers call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.app_settings.config import Config
from shared.bootstrap.attendant import Attendant, build_attendant
from shared.bootstrap.interact import Interact, build_interact
from shared.bootstrap.outbound import Outbound, build_outbound
from shared.bootstrap.presence import PresenceRoom, build_presence
from shared.bootstrap.trunk import Ground, open_ground
from shared.clients.entra.caller_tokens import CallerTokens
from shared.clients.graph.granted_reader import GrantedReader
from shared.kernel import clock
from shared.kernel.callers import Callers
from shared.kernel.clock import Clock
from shared.messaging.dead_letters import Poison
from shared.operations.health import Health
from shared.operations.overview import Overview
from shared.operations.retention import Tidy
from shared.permissions.checks import PermissionChecks
from shared.permissions.consent import ConsentLinks
from shared.presence.views import Presences
from shared.storage.continuations import Continuations
from shared.tenants.audit_trail import AuditTrail
from shared.tenants.caller_rates import CallerRates
from shared.tenants.directory import Directory
from shared.tenants.offboarding import InMemory, Offboarding
from shared.tenants.operator_audit import OperatorAudit
from shared.tenants.settings.settings import TenantSettings
from shared.tenants.tenants import Tenants
from shared.tenants.widget_keys import WidgetKeys

# Whose partitions begin with a tenant's id.
_OF_TENANTS: Final = ("directory", "outbound", "journal", "presence", "signins", "sessions", "contacts")


@dataclass(frozen=True, slots=True)
class Core:
    """What triggers may call: what concerns the whole app, and a room per feature."""

    callers: Callers
    caller_rates: CallerRates
    tenants: Tenants
    directory: Directory
    offboarding: Offboarding
    settings: TenantSettings
    operator_audit: OperatorAudit
    widget_keys: WidgetKeys
    acs_suffixes: tuple[str, ...]
    outbound: Outbound
    presence: PresenceRoom
    interact: Interact
    attendant: Attendant
    permissions: PermissionChecks
    overview: Overview
    continuations: Continuations
    poison: Poison
    tidy: Tidy
    health: Health
    setting_warnings: tuple[str, ...]
    public_base_url: str
    local_run: bool


def build(config: Config, *, now: Clock = clock.now) -> Core:
    """Open storage and wire everything. Raises StorageDown; talks to nobody else."""
    ground = open_ground(config, now)
    trunk, system = ground.trunk, ground.account.table("system")
    poison = Poison(ground.journal, trunk.tenants, ground.queues, now)
    presences = Presences(ground.presence, trunk.directory, now, config.presence_interval)
    outbound = build_outbound(ground, poison, presences)
    presence = build_presence(ground, presences, outbound.holders)
    interact, attendant = build_interact(ground), build_attendant(ground, presence.availability)
    operator_audit = OperatorAudit(AuditTrail(trunk.heads, now), now)
    caches: list[InMemory] = [
        ground.sign_ins,
        ground.exchanges,
        interact.assistant,
        attendant.search_copies,
        outbound.agenda,
        operator_audit,
    ]
    permissions = _permissions(ground)
    tokens = CallerTokens(ground.keys, config.cloud, (*config.api_audience, config.api_client_id), now)
    return Core(
        callers=Callers(tokens, home_tenant_id=config.home_tenant_id, scopes=config.api_scopes),
        caller_rates=CallerRates(),
        tenants=trunk.tenants,
        directory=trunk.directory,
        offboarding=Offboarding(
            trunk.tenants, [ground.account.table(name) for name in _OF_TENANTS], system, now, caches
        ),
        settings=ground.settings,
        operator_audit=operator_audit,
        widget_keys=trunk.widget_keys,
        acs_suffixes=config.cloud.acs_suffixes,
        outbound=outbound,
        presence=presence,
        interact=interact,
        attendant=attendant,
        permissions=permissions,
        overview=Overview(ground.settings, trunk.directory, ground.outbound, presence.health, permissions),
        continuations=Continuations(trunk.secrets),
        poison=poison,
        tidy=Tidy(ground.journal, system, now),
        health=Health({"storage": ground.account.probe}, {"signInKeys": ground.keys.probe}, now),
        setting_warnings=config.warnings,
        public_base_url=config.public_base_url,
        local_run=config.gateway is not None,  # the one setting that only a local run may have
    )


def _permissions(ground: Ground) -> PermissionChecks:
    config = ground.config
    return PermissionChecks(
        GrantedReader(ground.sign_ins, ground.grants, config.presence_accounts, config.graph_client_id),
        ground.trunk.heads,
        ConsentLinks(config.cloud.login, config.cloud.graph, config.public_base_url),
        config.component_client_ids,
        ground.account_pace,
        ground.now,
    )
