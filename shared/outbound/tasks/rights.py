"""Who may act for a service, and what a service may do today."""

from __future__ import annotations

from shared.kernel.callers import SERVICE_OWNER, TENANT_ADMIN, Caller
from shared.kernel.errors import Finding, Invalid, NotAllowed
from shared.kernel.wire import is_e164
from shared.outbound.tasks.models import SchedulerEntryWrite
from shared.outbound.tasks.task import Task
from shared.tenants.directory import Directory
from shared.tenants.models import Service
from shared.tenants.tenants import Head


def check_owner(service: Service, by: Caller) -> None:
    """Raises NotAllowed (``NotServiceOwner``)."""
    if by.may(TENANT_ADMIN) or (by.may(SERVICE_OWNER) and by.oid in service.owners):
        return
    raise NotAllowed(f"you are not an owner of {service.upn}", code="NotServiceOwner")


def check_owner_of_task(directory: Directory, tenant_id: str, task: Task, by: Caller) -> None:
    """An admin may act on a task though its service is gone. Raises NotAllowed (``NotServiceOwner``), NotFound."""
    if not by.may(TENANT_ADMIN):
        check_owner(directory.service(tenant_id, task.service_upn).value, by)


def check_outbound(head: Head, service: Service, write: SchedulerEntryWrite) -> None:
    """Whether the service may call out, to this destination. Raises Invalid with all findings."""
    findings = _licence(head, service)
    if not findings and not service.outbound_enabled:
        findings = [Finding("serviceUpn", "outbound is switched off for the service", "OutboundNotEnabled")]
    if is_e164(write.destination) and service.pstn_number is None:
        message = "the service has no PSTN number, so only a user principal name can be called"
        findings.append(Finding("destination", message, "PstnNumberMissing"))
    _refuse(findings)


def check_licensed(head: Head, service: Service) -> None:
    """Whether tasks from elsewhere may be handed to the service. Raises Invalid."""
    _refuse(_licence(head, service))


def may_call_out(head: Head, service: Service) -> bool:
    return not _licence(head, service) and service.outbound_enabled


def is_licensed(head: Head, service: Service) -> bool:
    return not _licence(head, service)


def _licence(head: Head, service: Service) -> list[Finding]:
    if service.licence == "ContactCenter" and "ContactCenter" in head.tenant.value.products:
        return []
    return [Finding("serviceUpn", "the service has no ContactCenter licence", "ServiceNotLicensed")]


def _refuse(findings: list[Finding]) -> None:
    if findings:
        raise Invalid(findings, code=findings[0].code)
