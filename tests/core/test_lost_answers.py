"""A write whose answer gets lost is sent again by the SDK and finds its own work: it was done once, and says so."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from shared.kernel.clock import to_wire
from shared.kernel.errors import NotFound, NotKnown, Stale
from shared.kernel.wire import parse
from shared.outbound.admission.entries import Entries
from shared.outbound.admission.external_tasks import ExternalTasks
from shared.outbound.admission.task_updates import TaskUpdates
from shared.outbound.distribution.agent_tasks import AgentTasks
from shared.outbound.distribution.distributor import Visits
from shared.outbound.distribution.reservations import Agents
from shared.outbound.distribution.supervision import Release, Supervision
from shared.outbound.tasks.models import ExternalTaskWrite, TaskInformation
from shared.outbound.tasks.store import OutboundStore
from shared.storage.account import StorageAccount
from shared.storage.journal import Journal
from shared.tenants.audit_trail import AuditTrail
from shared.tenants.models import TenantWrite
from tests.core.faults import FragileTable, SentTwice
from tests.core.world import SERVICE, FakeClock, World


class Lossy:
    """The actors of one process whose next transaction loses its answer."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.table = FragileTable(world.account.table("outbound"))
        store = OutboundStore(self.table)
        directory, agenda, clock = world.directory, world.agenda, world.clock
        self.entries = Entries(store, directory, agenda, clock)
        self.external = ExternalTasks(store, directory, agenda, clock)
        self.updates = TaskUpdates(store, directory, agenda, clock)
        self.supervision = Supervision(store, world.agents, directory, world.refusals, agenda, clock)
        self.agents = AgentTasks(store, world.agents, directory, agenda, clock)
        self.visits = Visits(store, world.agents, agenda, world.members, world.hooks, clock)

    def lose_next(self) -> None:
        self.table.fails = "again"

    def answer(self, how: str, task: str) -> None:
        getattr(self.agents, how)(self.world.tenant_id, task, self.world.agent(1))

    def rewrite(self, task: str) -> None:
        write = self.world.entry(destination="+41790000009", ReferenceId="r-2")
        self.entries.rewrite(self.world.head, task, lambda: write, by=self.world.by)

    def add_to(self, task: str) -> None:
        information = parse(TaskInformation, {"customer": {"firstName": "Rosa"}})
        self.updates.update(self.world.tenant_id, task, lambda: information, by=self.world.by)


def offered(world: World) -> str:
    world.ready(1)
    task = str(world.submit(dueDateTimeUtc=to_wire(world.clock()), maxAttempts=2, ReferenceId="r-1").entry.task_id)
    world.beat()
    return task


def accepted(world: World) -> str:
    task = offered(world)
    world.agent_tasks.accept(world.tenant_id, task, world.agent(1))
    return task


def waiting(world: World) -> str:
    return str(world.submit(ReferenceId="r-1").entry.task_id)


def external(world: World) -> str:
    write = parse(ExternalTaskWrite, {"serviceUpn": SERVICE})
    return world.external_tasks.add(world.head, write, by=world.by).task_id


STEPS: dict[str, tuple[Callable[[World], str], Callable[[Lossy, str], object], str]] = {
    "cancel": (waiting, lambda it, task: it.entries.cancel(it.world.tenant_id, task, by=it.world.by), "Cancelled"),
    "rewrite": (waiting, lambda it, task: it.rewrite(task), "Rescheduled"),
    "add": (waiting, lambda it, task: it.add_to(task), "Updated"),
    "remove": (external, lambda it, task: it.external.remove(it.world.tenant_id, task, by=it.world.by), "Cancelled"),
    "release": (
        accepted,
        lambda it, task: it.supervision.release(
            it.world.tenant_id, task, lambda: Release(reason="stuck"), by=it.world.by
        ),
        "Released",
    ),
    "accept": (offered, lambda it, task: it.answer("accept", task), "Accepted"),
    "decline": (offered, lambda it, task: it.answer("decline", task), "Queued"),
    "complete": (accepted, lambda it, task: it.answer("complete", task), "Completed"),
    "fail": (accepted, lambda it, task: it.answer("fail", task), "AttemptFailed"),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_whose_answer_gets_lost_succeeds_and_happened_once(world: World, name: str) -> None:
    prepare, take, event = STEPS[name]
    task = prepare(world)
    before = [step.event for step in world.supervision.entry(world.tenant_id, task).history]
    lossy = Lossy(world)
    lossy.lose_next()
    take(lossy, task)
    assert lossy.table.fails == "", "the write went through"
    after = [step.event for step in world.supervision.entry(world.tenant_id, task).history]
    assert after == [*before, event]
    world.ready()
    world.beat()
    assert world.hooks.names(task)[: len(after)] == after
    if name in ("release", "decline", "complete", "fail"):
        assert world.agents.holders(world.tenant_id, world.clock()) == set(), "the agent is free for the next task"


def test_an_offer_whose_answer_gets_lost_can_be_accepted(world: World) -> None:
    world.submit(dueDateTimeUtc=to_wire(world.clock()))
    world.beat_without_agents()
    lossy = Lossy(world)
    world.ready(1, 2)
    lossy.lose_next()
    lossy.visits.visit(world.tenant_id, SERVICE)
    (task,) = world.agent_tasks.mine(world.tenant_id, world.agent(1))
    assert world.agent_tasks.accept(world.tenant_id, task.id, world.agent(1)).state == "InProgress"


def test_what_time_brought_about_with_a_lost_answer_is_offered_by_the_same_visit(world: World) -> None:
    world.submit(dueDateTimeUtc=to_wire(world.clock()))
    world.ready(1)
    lossy = Lossy(world)
    lossy.lose_next()
    lossy.visits.visit(world.tenant_id, SERVICE)
    assert [task.state for task in world.agent_tasks.mine(world.tenant_id, world.agent(1))] == ["Offered"]


def test_an_agent_whose_claims_lose_their_answers_takes_one_task_after_the_other(world: World) -> None:
    agents = Agents(SentTwice(world.account.table("outbound")), world.outbound)
    visits = Visits(world.outbound, agents, world.agenda, world.members, world.hooks, world.clock)
    answers = AgentTasks(world.outbound, agents, world.directory, world.agenda, world.clock)
    world.ready(1, 2)
    for _ in range(2):
        world.submit(dueDateTimeUtc=to_wire(world.clock()))
        visits.visit(world.tenant_id, SERVICE)
        (held,) = world.agents.holders(world.tenant_id, world.clock())
        agent: Any = world.agent(1 if held == world.agent(1).oid else 2)
        (task,) = answers.mine(world.tenant_id, agent)
        answers.accept(world.tenant_id, task.id, agent)
        answers.complete(world.tenant_id, task.id, agent)
        world.clock.move(seconds=1)
    assert world.agents.holders(world.tenant_id, world.clock()) == set()


class LossyAccount(StorageAccount):
    """Hands out tables whose next transaction can be made to lose its answer."""

    def __init__(self, inner: StorageAccount) -> None:
        self.__dict__.update(inner.__dict__)
        self.tables: dict[str, FragileTable] = {}

    def table(self, name: str) -> FragileTable:
        return self.tables.setdefault(name, FragileTable(super().table(name)))

    def lose_next(self, name: str) -> None:
        self.tables[name].fails = "again"

    def all_is_lost(self) -> bool:
        """Whether what was to be lost was."""
        return not any(table.fails for table in self.tables.values())


@pytest.fixture
def lossy_account(account: StorageAccount) -> LossyAccount:
    return LossyAccount(account)


@pytest.fixture
def lossy_world(lossy_account: LossyAccount, clock: FakeClock) -> World:
    return World(lossy_account, clock, str(uuid.uuid4()))


def test_settings_whose_answer_gets_lost_are_saved_and_audited_once(
    lossy_account: LossyAccount, lossy_world: World
) -> None:
    world, before = lossy_world, lossy_world.head.settings.revision
    lossy_account.lose_next("tenants")
    saved = world.settings.patch(
        world.head, {"outbound": {"maxScheduledTasksPerService": 7}}, versions=frozenset({before}), by=world.by
    )
    assert lossy_account.all_is_lost()
    assert (saved.revision, saved.value.outbound.max_scheduled_tasks_per_service) == (before + 1, 7)
    history = world.settings.history(world.tenant_id, top=100, continuation=None, section="outbound", by=None)
    assert [[change.new for change in entry.changes] for entry in history.items] == [[7]]
    with pytest.raises(Stale):
        world.settings.patch(world.head, {"interact": None}, versions=frozenset({before}), by=world.by)


def test_documents_whose_answers_get_lost_are_made_changed_and_deleted_once(
    lossy_account: LossyAccount, lossy_world: World
) -> None:
    world, upn = lossy_world, "night@contoso.example"
    for revision in (1, 2):
        lossy_account.lose_next("directory")
        world.put_service(upn, displayName=f"Night {revision}")
        stored = world.directory.service(world.tenant_id, upn)
        assert (stored.revision, stored.value.display_name) == (revision, f"Night {revision}")
    lossy_account.lose_next("directory")
    world.directory.delete_service(world.tenant_id, upn, versions=frozenset({2}), by=world.by)
    assert lossy_account.all_is_lost()
    with pytest.raises(NotFound):
        world.directory.service(world.tenant_id, upn)


def test_a_user_whose_answers_get_lost_is_made_and_deleted_once(
    lossy_account: LossyAccount, lossy_world: World
) -> None:
    world, user_id = lossy_world, str(uuid.uuid4())
    lossy_account.lose_next("directory")
    world.put_user(user_id, "ann@contoso.example")
    assert world.directory.user(world.tenant_id, user_id).revision == 1
    lossy_account.lose_next("directory")
    world.directory.delete_user(world.tenant_id, user_id, versions=frozenset({1}), by=world.by)
    assert lossy_account.all_is_lost()
    with pytest.raises(NotFound):
        world.directory.user(world.tenant_id, user_id)


def test_a_tenant_whose_answers_get_lost_is_made_and_changed_once(
    lossy_account: LossyAccount, clock: FakeClock
) -> None:
    lossy_account.table("tenants")
    lossy_account.lose_next("tenants")
    world = World(lossy_account, clock, str(uuid.uuid4()))
    lossy_account.lose_next("tenants")
    wanted = TenantWrite(display_name="Fabrikam")
    saved = world.tenants.put(world.tenant_id, lambda: wanted, versions=frozenset({1}), by=world.by)
    assert lossy_account.all_is_lost()
    assert (saved.revision, saved.created, world.head.tenant.value.display_name) == (2, False, "Fabrikam")


def test_a_refreshed_widget_key_whose_answer_gets_lost_lets_pages_in_and_is_audited_once(
    lossy_account: LossyAccount, lossy_world: World
) -> None:
    world = lossy_world
    old = world.widget_keys.read(world.tenant_id).widget_key
    lossy_account.lose_next("tenants")
    new = world.widget_keys.refresh(world.tenant_id, by=world.by).widget_key
    assert lossy_account.all_is_lost()
    assert world.widget_keys.tenant_of(new) == world.tenant_id
    assert world.widget_keys.read(world.tenant_id).widget_key == new
    with pytest.raises(NotKnown):
        world.widget_keys.tenant_of(old)
    history = world.settings.history(world.tenant_id, top=100, continuation=None, section="widgetKey", by=None)
    assert len(history.items) == 1


def test_what_the_trail_notes_with_a_lost_answer_is_one_line(lossy_account: LossyAccount, lossy_world: World) -> None:
    world = lossy_world
    trail = AuditTrail(lossy_account.table("tenants"), world.clock)
    lossy_account.lose_next("tenants")
    trail.note(world.tenant_id, world.by, [{"path": "outbound.webhooks", "old": None, "new": "off"}])
    assert lossy_account.all_is_lost()
    history = world.settings.history(world.tenant_id, top=100, continuation=None, section="outbound", by=None)
    assert [[change.new for change in entry.changes] for entry in history.items] == [["off"]]


def test_a_journal_note_whose_answer_gets_lost_is_noted_once(world: World) -> None:
    journal = Journal(SentTwice(world.account.table("journal")), world.clock)
    note = journal.note(world.tenant_id, {"what": "rejected"})
    rows, _ = journal.page(world.tenant_id, top=10, continuation=None)
    assert [row.row for row in rows] == [note]
