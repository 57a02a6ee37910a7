"""The composition root of the command that grants a tenant's apps their permissions."""

from __future__ import annotations

from dataclasses import dataclass

from shared import clock
from shared.bootstrap import open_trunk
from shared.clients.admin_sign_in import AdminSignIn
from shared.clients.gateway import open_session
from shared.clients.grants import Grants
from shared.config import Config
from shared.outbound.store import OutboundStore
from shared.permissions.provisioning import Provisioning
from shared.storage.account import StorageAccount
from shared.tenants.tenants import Tenants


@dataclass(frozen=True, slots=True)
class Provisioner:
    """What the command needs that grants a tenant's apps their permissions."""

    tenants: Tenants
    sign_in: AdminSignIn
    provisioning: Provisioning


def build_provisioner(config: Config) -> Provisioner:
    """For that command; opens storage and nothing else."""
    account = StorageAccount(config.storage_connection_string, config.storage_account_name, config.cloud.storage_suffix)
    account.prepare()
    trunk = open_trunk(account, config.secret_keys, clock.now, OutboundStore(account.table("outbound")))
    session = open_session(config.gateway)
    return Provisioner(
        trunk.tenants,
        AdminSignIn(session, config.cloud, clock.now),
        Provisioning(Grants(session, config.cloud), config.component_client_ids),
    )
