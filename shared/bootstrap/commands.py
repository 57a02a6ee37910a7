"""Composition roots of the commands in tools/; each opens storage and what it needs besides."""

from __future__ import annotations

from dataclasses import dataclass

from shared.app_settings.config import Config
from shared.bootstrap.trunk import open_account, open_trunk
from shared.clients.entra.device_sign_in import DeviceSignIn
from shared.clients.graph.grants import Grants
from shared.http.gateway import open_session
from shared.interact.acs import leftover_users
from shared.interact.sessions import cleanup
from shared.interact.sessions import store as session_store
from shared.kernel import clock
from shared.outbound.tasks.gate import Gate
from shared.outbound.webhooks import store as hook_store
from shared.permissions.provisioning import Provisioning
from shared.presence.guest_accounts import token_cache
from shared.presence.guest_accounts.token_cache import TokenShelf
from shared.storage.secrets import SecretBox
from shared.tenants.key_rotation import Rotation
from shared.tenants.offboarding_records import OffboardingRecord, records
from shared.tenants.tenants import Tenants


def build_rotation(config: Config) -> Rotation:
    """For the command that seals secrets again; opens storage and nothing else."""
    account = open_account(config)
    trunk = open_trunk(account, config.secret_keys, clock.now, Gate(account.table("outbound")))
    # Modules that seal secrets outside of a tenant's head are named here; tests/structure/test_sealing.py checks it.
    # Sessions come before their entries in session_ends, which copy the seals of sessions.
    others = [
        leftover_users.sealed_rows(account.table("system")),
        hook_store.sealed_rows(account.table("outbound"), trunk.tenants.ids),
        session_store.sealed_rows(account.table("sessions")),
        cleanup.sealed_rows(account.table("system")),
        token_cache.sealed_rows(account.table("signins")),
    ]
    return Rotation(trunk.tenants, trunk.heads, trunk.secrets, others)


def build_device_sign_in(config: Config) -> tuple[DeviceSignIn, TokenShelf]:
    """For the command that signs a presence account in: who asks Entra, and where the token is kept."""
    account = open_account(config)
    session = open_session(config.gateway)
    device = DeviceSignIn(session, config.cloud, clock.now)
    return device, TokenShelf(account.table("signins"), SecretBox(config.secret_keys), clock.now)


def offboarding_records(config: Config) -> list[OffboardingRecord]:
    """For the command that lists them. Raises StorageDown."""
    return records(open_account(config).table("system"))


@dataclass(frozen=True, slots=True)
class Provisioner:
    """What the command needs that grants a tenant's apps their permissions."""

    tenants: Tenants
    sign_in: DeviceSignIn
    provisioning: Provisioning


def build_provisioner(config: Config) -> Provisioner:
    """For that command; opens storage and nothing else."""
    account = open_account(config)
    trunk = open_trunk(account, config.secret_keys, clock.now, Gate(account.table("outbound")))
    session = open_session(config.gateway)
    return Provisioner(
        trunk.tenants,
        DeviceSignIn(session, config.cloud, clock.now),
        Provisioning(Grants(session, config.cloud), config.component_client_ids),
    )
