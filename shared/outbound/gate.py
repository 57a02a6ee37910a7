"""The gate of a service, and why no task is left without its service.

A task can be added only while the gate is there. Whoever opens it says so, then looks for the service, then opens;
whoever deletes a service does that first and shuts the gate afterwards, wishes to open included, and only if nobody is
in. So of the two at least one sees the other.
"""

from __future__ import annotations

from shared.outbound.store import OutboundStore
from shared.tenants.directory import Directory


def open_gate(store: OutboundStore, directory: Directory, tenant_id: str, service_upn: str) -> None:
    """Raises NotFound (``ServiceNotFound``) and leaves it shut when the service is gone."""
    store.open_gate(tenant_id, service_upn, lambda: directory.service(tenant_id, service_upn))
