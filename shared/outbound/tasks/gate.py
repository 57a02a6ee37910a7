"""The gate of a service, and why no task is left without its service.

A task can be added only while the gate is there. Whoever opens it writes down the wish, touches the service, then
opens for the wish. Whoever deletes a service reads it, takes gate and wishes away if nobody is in, then deletes what
was read. A touch before that read means that the wish, or the gate it led to, was there to be taken away. A touch
after it makes the deletion look again. A touch after the deletion finds nothing. So either the task wins or the
deletion, whoever dies at which line: a service without a gate is one that has no task yet.
"""

from __future__ import annotations

from shared.outbound.tasks.store import OutboundStore
from shared.tenants.directory import Directory


def open_gate(store: OutboundStore, directory: Directory, tenant_id: str, service_upn: str) -> None:
    """Raises NotFound (``ServiceNotFound``) and leaves it shut when the service is gone."""
    store.open_gate(tenant_id, service_upn, lambda: directory.touch_service(tenant_id, service_upn))
