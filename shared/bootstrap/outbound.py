"""Outbound tasks: from the stores to the actors that triggers call."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from shared.bootstrap.trunk import Ground
from shared.clients.webhook import CallbackSender
from shared.http.gateway import open_session
from shared.messaging.dead_letters import Poison
from shared.messaging.job_schedule import Agenda
from shared.outbound.admission.batches import Batches
from shared.outbound.admission.entries import Entries
from shared.outbound.admission.external_tasks import ExternalTasks
from shared.outbound.admission.intake import Intake
from shared.outbound.admission.scheduler import Scheduler
from shared.outbound.admission.task_updates import TaskUpdates
from shared.outbound.distribution.agent_tasks import AgentTasks
from shared.outbound.distribution.distributor import Visits
from shared.outbound.distribution.duty_switch import Duty
from shared.outbound.distribution.matching import Candidate
from shared.outbound.distribution.reservations import Agents
from shared.outbound.distribution.supervision import Supervision
from shared.outbound.tasks.job_kinds import DELIVER, DISTRIBUTE, REMOVE_OLD, SEND_BATCH
from shared.outbound.tasks.refusals import Refusals
from shared.outbound.tasks.value_lists import ValueLists
from shared.outbound.webhooks.deliveries import Deliveries
from shared.outbound.webhooks.outbox import HookOutbox
from shared.outbound.webhooks.registrations import Webhooks
from shared.outbound.webhooks.store import HookStore
from shared.presence.availability import Availability
from shared.presence.views import Presences
from shared.tenants.audit_trail import AuditTrail
from shared.tenants.directory import Directory


@dataclass(frozen=True, slots=True)
class Outbound:
    """Tasks and the hooks that are told of them. ``holders`` gives the users of a tenant who hold a task."""

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
    holders: Callable[[str], Collection[str]]


def build_outbound(ground: Ground, poison: Poison, presences: Presences) -> Outbound:
    now, store, directory = ground.now, ground.outbound, ground.trunk.directory
    table, hosts = ground.account.table("outbound"), ground.config.webhook_allowed_hosts
    refusals = Refusals(ground.journal, now)
    kinds = dict.fromkeys((DISTRIBUTE, REMOVE_OLD, SEND_BATCH), ground.queues["outbound-visits"])
    agenda = Agenda(ground.account.table("agenda"), kinds | {DELIVER: ground.queues["webhook-deliveries"]}, now)
    scheduler = Scheduler(store, directory, refusals, agenda, now)
    batches = Batches(ground.journal, ground.queues["outbound-requests"], agenda, now)
    agents = Agents(table, store)
    hooks, hook_outbox = HookStore(table, ground.trunk.secrets), HookOutbox(table)
    webhooks = Webhooks(hooks, hook_outbox, directory, agenda, hosts, now)
    sender = CallbackSender(open_session(ground.config.gateway, read_timeout=8.0), now)
    trail = AuditTrail(ground.trunk.heads, now)
    return Outbound(
        scheduler=scheduler,
        entries=Entries(store, directory, agenda, now),
        external_tasks=ExternalTasks(store, directory, agenda, now),
        task_updates=TaskUpdates(store, directory, agenda, now),
        value_lists=ValueLists(directory),
        intake=Intake(scheduler, batches, ground.trunk.tenants, refusals, poison),
        refusals=refusals,
        batches=batches,
        supervision=Supervision(store, agents, directory, refusals, agenda, now),
        agent_tasks=AgentTasks(store, agents, directory, agenda, now),
        duty=Duty(directory, agents, now),
        agenda=agenda,
        visits=Visits(store, agents, agenda, _Members(presences, directory), webhooks, now),
        webhooks=webhooks,
        deliveries=Deliveries(hooks, hook_outbox, directory, agenda, sender, trail, hosts, now),
        holders=lambda tenant_id: agents.holders(tenant_id, now()),
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
