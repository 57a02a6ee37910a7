"""The gate of a service, and why no task is left without its service.

A task can be added only while the gate is there. Whoever opens it looks for the service afterwards; whoever deletes
the service shuts it afterwards, and only if nobody is in. So of the two at least one sees the other.
"""

from __future__ import annotations

from shared.errors import NotFound
from shared.outbound.store import OutboundStore
from shared.tenants.directory import Directory


def open_gate(store: OutboundStore, directory: Directory, tenant_id: str, service_upn: str) -> None:
    """Raises NotFound (``ServiceNotFound``) and leaves it shut when the service is gone."""
    store.open_gate(tenant_id, service_upn)
    try:
        directory.service(tenant_id, service_upn)
    except NotFound:
        store.shut_gate(tenant_id, service_upn)
        raise
