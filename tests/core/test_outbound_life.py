"""The whole life of many tasks in several services, with messages lost, late and doubled, and processes that die.

Hypothesis decides what happens; a model beside it counts what was accepted. Storage is real, the clock is not.
"""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shared.kernel.clock import to_wire
from shared.kernel.errors import AppError, StorageDown
from shared.messaging.job_schedule import Agenda, Appointment
from shared.outbound.admission.scheduler import Accepted, Scheduler
from shared.outbound.distribution.agent_tasks import AgentTasks
from shared.outbound.distribution.distributor import Visits
from shared.outbound.tasks.events import FINAL
from shared.outbound.tasks.store import OutboundStore
from shared.storage.account import StorageAccount
from tests.core.faults import FragileTable
from tests.core.world import SERVICE, STUCK, FakeClock, World
from tests.scale import scaled

SERVICES = (SERVICE, "sales@contoso.example", "night@contoso.example")
AGENTS = (1, 2, 3)
LIMIT = 3
DEATHS = st.sampled_from(["", "", "before", "after"])


class Life(RuleBasedStateMachine):
    account: StorageAccount

    @initialize()
    def open(self) -> None:
        self.clock = FakeClock()
        self.world = World(self.account, self.clock, str(uuid.uuid4()))
        for service in SERVICES[1:]:
            self.world.put_service(service)
        self.world.set_limit(LIMIT)
        self.fragile = FragileTable(self.world.account.table("outbound"))
        store = OutboundStore(self.fragile)
        world = self.world
        # A process of its own: its agenda remembers nothing, its writes may die.
        agenda = Agenda(world.account.table("agenda"), {"task": world.calls, "tidy": world.calls}, self.clock)
        self.scheduler = Scheduler(store, world.directory, world.refusals, agenda, self.clock)
        self.answers = AgentTasks(store, world.agents, world.directory, agenda, self.clock)
        self.visits = Visits(store, world.agents, agenda, world.members, world.hooks, self.clock)
        self.agenda = agenda
        self.accepted: dict[str, str] = {}
        world.ready(*AGENTS)

    @rule(service=st.sampled_from(SERVICES), seconds=st.integers(0, 90), dies=DEATHS)
    def submit(self, service: str, seconds: int, dies: str) -> None:
        reference = f"r-{len(self.accepted)}"
        body = {"serviceUpn": service, "ReferenceId": reference, "maxAttempts": 2, "maxQueueTimeInSeconds": 60}
        due = to_wire(self.clock() + timedelta(seconds=seconds))
        write = self.world.entry(**body, dueDateTimeUtc=due, attemptTimeoutInSeconds=60)
        self.fragile.fails = dies
        outcome: Any = None
        try:
            outcome = self.scheduler.submit(self.world.head, write, by=self.world.by, source="http")
        except StorageDown:
            # A flow sends it again; the ReferenceId makes it the same task.
            outcome = self.scheduler.submit(self.world.head, write, by=self.world.by, source="http")
        except AppError:
            pass
        finally:
            self.fragile.fails = ""
        if isinstance(outcome, Accepted):
            self.accepted[outcome.entry.task_id] = service

    @rule(seconds=st.integers(1, 90), ready=st.sets(st.sampled_from(AGENTS)))
    def wait(self, seconds: int, ready: set[int]) -> None:
        self.clock.move(seconds=seconds)
        self.world.ready(*ready)

    @rule(fate=st.sampled_from(["once", "twice", "lost", "dies before", "dies after"]))
    def beat(self, fate: str) -> None:
        self.agenda.call_due()
        calls, self.world.calls.sent = self.world.calls.sent, []
        for call in calls:
            if fate == "twice":  # both begin before either is done
                self._visit(call.model_copy(update={"row": ""}), fate)
            if fate != "lost":
                self._visit(call, fate)

    def _visit(self, call: Appointment, fate: str) -> None:
        self.fragile.fails = fate.removeprefix("dies ") if fate.startswith("dies") else ""
        try:
            if call.kind == "task":
                self.agenda.answer(call, lambda: self.visits.visit(call.tenant_id, call.subject))
            else:
                self.agenda.answer(call, lambda: None)
        except StorageDown:
            pass
        finally:
            self.fragile.fails = ""

    @rule(
        agent=st.sampled_from(AGENTS),
        how=st.sampled_from(["accept", "decline", "complete", "fail"]),
        dies=DEATHS,
        chance=st.randoms(use_true_random=False),
    )
    def answer(self, agent: int, how: str, dies: str, chance: Any) -> None:
        if not self.accepted:
            return
        mine = self.world.agent_tasks.mine(self.world.tenant_id, self.world.agent(agent))
        task = mine[0].id if mine else chance.choice(sorted(self.accepted))
        self.fragile.fails = dies
        try:
            getattr(self.answers, how)(self.world.tenant_id, task, self.world.agent(agent))
        except AppError:
            pass
        finally:
            self.fragile.fails = ""

    @precondition(lambda self: self.accepted)
    @rule(chance=st.randoms(use_true_random=False), how=st.sampled_from(["cancel", "release"]))
    def give_up(self, chance: Any, how: str) -> None:
        task = chance.choice(sorted(self.accepted))
        try:
            if how == "cancel":
                self.world.entries.cancel(self.world.tenant_id, task, by=self.world.by)
            else:
                self.world.supervision.release(self.world.tenant_id, task, STUCK, by=self.world.by)
        except AppError:
            pass

    @invariant()
    def never_over_the_limit_slots_are_the_unfinished_entries_and_nobody_works_on_two(self) -> None:
        workers: Counter[str | None] = Counter()
        for service in SERVICES:
            slots = {slot.entry_id for slot in self.world.outbound.slots(self.world.tenant_id, service)}
            tasks = self.world.outbound.unfinished(self.world.tenant_id, service)
            assert slots == {task.task_id for task in tasks}
            assert len(slots) <= LIMIT
            workers.update(task.holder for task in tasks if task.state == "InProgress")
        assert all(count == 1 for count in workers.values())

    def _is_anything_open(self) -> bool:
        desks = [self.world.outbound.desk(self.world.tenant_id, service) for service in SERVICES]
        return any(desk.tasks or desk.untold for desk in desks)

    def teardown(self) -> None:
        """Left to itself, with nobody to take anything, everything ends; each step was told once."""
        self.world.ready()
        for _ in range(40):
            self.clock.move(seconds=91)
            self.beat("once")
            if not self._is_anything_open():
                break
        for task_id in self.accepted:
            shown = self.world.supervision.entry(self.world.tenant_id, task_id)
            assert shown.state in FINAL, f"{shown.state}: nobody came back for it"
            told = self.world.hooks.names(task_id)
            assert told == [step.event for step in shown.history]
            assert sum(name in FINAL for name in told) == 1
        assert all(self.world.outbound.slots(self.world.tenant_id, service) == [] for service in SERVICES)
        assert self.world.agents.holders(self.world.tenant_id, self.clock()) == set()


@pytest.mark.usefixtures("world")
def test_every_accepted_task_ends_once_whatever_gets_lost(account: StorageAccount) -> None:
    Life.account = account
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=scaled(3, 20),
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
