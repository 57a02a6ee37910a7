"""Distribution on real storage: who is offered what, and what is left when a process dies in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.kernel.clock import to_wire
from shared.kernel.errors import AppError, Conflict, StorageDown
from shared.kernel.wire import parse
from shared.messaging.job_schedule import Agenda
from shared.outbound.admission.scheduler import Accepted
from shared.outbound.admission.task_updates import TaskUpdates
from shared.outbound.distribution.agent_tasks import AgentTasks
from shared.outbound.distribution.distributor import Visits
from shared.outbound.distribution.reservations import Agents
from shared.outbound.tasks.entities import Desk, KeptTask
from shared.outbound.tasks.events import Event
from shared.outbound.tasks.lifecycle import passed_by_time, scheduled
from shared.outbound.tasks.models import ExternalTaskWrite, TaskInformation
from shared.outbound.tasks.store import OutboundStore
from shared.outbound.tasks.task import ExternalTask
from shared.storage.entities import Operation, Replace, Row
from shared.storage.tables import Table
from tests.core.faults import FragileTable, SentTwice
from tests.core.hook_world import HookWorld
from tests.core.race import codes, together
from tests.core.world import SERVICE, STUCK, FakeClock, FakeHooks, World

OTHER = "sales@contoso.example"
EXTERNAL = parse(ExternalTaskWrite, {"serviceUpn": SERVICE})


@dataclass(frozen=True)
class Told:
    """Hooks that do with events what they are told to."""

    publish: Callable[[Sequence[Event]], None]


def due(world: World, **changes: Any) -> str:
    """A task that is due now."""
    outcome = world.submit(dueDateTimeUtc=to_wire(world.clock()), **changes)
    assert isinstance(outcome, Accepted)
    return outcome.entry.task_id


def state(world: World, task_id: str) -> tuple[str, str | None]:
    shown = world.supervision.entry(world.tenant_id, task_id)
    return shown.state, shown.agent_user_id


def mine(world: World, number: int) -> list[str]:
    return [task.id for task in world.agent_tasks.mine(world.tenant_id, world.agent(number))]


def answer(world: World, number: int, how: str, task_id: str) -> str:
    return str(getattr(world.agent_tasks, how)(world.tenant_id, task_id, world.agent(number)).state)


def test_a_due_task_is_offered_accepted_and_completed(world: World) -> None:
    task = due(world)
    world.ready(1)
    world.beat()
    assert state(world, task) == ("Offered", world.agent(1).oid)
    assert mine(world, 1) == [task]
    assert answer(world, 1, "accept", task) == "InProgress"
    assert answer(world, 1, "complete", task) == "Completed"
    assert mine(world, 1) == []
    world.beat()
    assert world.hooks.names(task) == ["Scheduled", "Queued", "Offered", "Accepted", "Completed"]
    assert world.outbound.slots(world.tenant_id, SERVICE) == []


def test_a_task_is_not_offered_before_it_is_due(world: World, clock: FakeClock) -> None:
    outcome = world.submit()
    world.ready(1)
    world.beat()
    assert mine(world, 1) == []
    clock.move(hours=1)
    world.beat()
    assert mine(world, 1) == [outcome.entry.task_id]


def test_a_declined_task_goes_to_the_next_member(world: World) -> None:
    task = due(world)
    world.ready(1, 2)
    world.beat()
    assert answer(world, 1, "decline", task) == "Queued"
    world.beat()
    assert state(world, task) == ("Offered", world.agent(2).oid)
    assert mine(world, 1) == []


def test_an_offer_nobody_answers_goes_to_the_next_member(world: World, clock: FakeClock) -> None:
    task = due(world, ronaTimeoutInSeconds=20)
    world.ready(1, 2)
    world.beat()
    clock.move(seconds=20)
    assert mine(world, 1) == []
    world.beat()
    assert state(world, task) == ("Offered", world.agent(2).oid)
    with pytest.raises(Conflict) as gone:
        answer(world, 1, "accept", task)
    assert gone.value.code == "OfferGone"


def test_nobody_holds_two_offers_even_of_two_services(world: World) -> None:
    world.put_service(OTHER)
    first, second = due(world), due(world, serviceUpn=OTHER)
    world.ready(1)
    together(8, lambda number: world.beat(SERVICE if number % 2 else OTHER))
    assert sorted(state(world, task)[0] for task in (first, second)) == ["Offered", "Queued"]
    assert len(mine(world, 1)) == 1


def test_an_agent_who_was_idle_is_claimed_by_one_of_two_who_saw_it(world: World, clock: FakeClock) -> None:
    """Both read the agent's row; whoever writes second must find it taken."""
    world.agents.came_on_duty(world.tenant_id, "ann", clock())
    idle = world.agents.of(world.tenant_id, "ann")
    until = clock() + timedelta(seconds=20)
    first, second = (
        world.agents.claim(world.tenant_id, "ann", idle, task_id=task, offer=1, until=until) for task in ("a", "b")
    )
    assert (first, second) == (True, False)
    hold = world.agents.of(world.tenant_id, "ann")
    assert hold is not None
    assert hold.is_of("a", 1)


def test_one_of_two_who_claim_an_agent_for_the_same_offer_in_the_same_millisecond_has_it(
    world: World, clock: FakeClock
) -> None:
    until = clock() + timedelta(seconds=20)
    claims = [world.agents.claim(world.tenant_id, "ann", None, task_id="a", offer=1, until=until) for _ in range(2)]
    assert claims == [True, False]


def test_a_claim_whose_answer_is_lost_is_the_claimers(world: World, clock: FakeClock) -> None:
    agents = Agents(SentTwice(world.account.table("outbound")), world.outbound)
    assert agents.claim(world.tenant_id, "ann", None, task_id="a", offer=1, until=clock() + timedelta(seconds=20))


def test_the_end_of_an_earlier_offer_told_late_does_not_end_the_agents_present_one(
    world: World, clock: FakeClock
) -> None:
    until = clock() + timedelta(seconds=20)
    assert world.agents.claim(world.tenant_id, "ann", None, task_id="a", offer=2, until=until)
    world.agents.free(world.tenant_id, "ann", "a", 1, idle_since=to_wire(clock()))
    assert world.agents.holders(world.tenant_id, world.clock()) == {"ann"}
    world.agents.free(world.tenant_id, "ann", "a", 2, idle_since=to_wire(clock()))
    assert world.agents.holders(world.tenant_id, world.clock()) == set()


def test_ten_visits_at_once_offer_each_task_once_and_each_agent_one(world: World) -> None:
    tasks = [due(world) for _ in range(5)]
    world.ready(1, 2, 3)
    together(10, lambda _: world.beat())
    offered = [agent for name, agent in (state(world, task) for task in tasks) if name == "Offered"]
    assert len(set(offered)) == len(offered), "an agent holds two offers"
    world.beat()  # a visit that claimed an agent for a task it then lost leaves the agent to the next visit
    offered = [agent for name, agent in (state(world, task) for task in tasks) if name == "Offered"]
    assert sorted(map(str, offered)) == sorted(world.agent(n).oid for n in (1, 2, 3))
    for task in tasks:
        world.hooks.names(task)


def test_high_goes_before_normal_before_low_and_then_by_due_time(world: World, clock: FakeClock) -> None:
    low, normal = due(world, distributionPriority="Low"), due(world)
    clock.move(seconds=1)
    late, high = due(world), due(world, distributionPriority="High")
    order = []
    world.ready(1)
    for _ in range(4):
        world.beat()
        (task,) = mine(world, 1)
        answer(world, 1, "accept", task)
        answer(world, 1, "complete", task)
        order.append(task)
    assert order == [high, normal, late, low]


def test_who_is_idle_longest_is_asked_first(world: World, clock: FakeClock) -> None:
    world.ready(1, 2)
    for _ in range(2):
        task = due(world)
        world.beat()
        (one,) = [number for number in (1, 2) if mine(world, number)]
        answer(world, one, "accept", task)
        clock.move(seconds=5)
        answer(world, one, "complete", task)
    task = due(world)
    world.beat()
    assert state(world, task)[1] == world.agent(1).oid


def test_a_task_nobody_takes_ends_when_its_queue_time_is_over(world: World, clock: FakeClock) -> None:
    task = due(world, maxQueueTimeInSeconds=60)
    world.beat()
    clock.move(seconds=60)
    world.beat()
    world.beat()
    assert state(world, task) == ("LimitReached", None)
    assert world.hooks.names(task) == ["Scheduled", "Queued", "LimitReached"]
    assert world.outbound.slots(world.tenant_id, SERVICE) == []


def test_of_eight_who_accept_and_decline_at_once_one_outcome_stands(world: World) -> None:
    task = due(world)
    world.ready(1)
    world.beat()
    outcomes = together(8, lambda n: answer(world, 1, "accept" if n % 2 else "decline", task))
    final = state(world, task)[0]
    assert final in ("InProgress", "Queued")
    assert set(codes(outcomes)) <= {"OfferGone", "OutboundTaskInProgress"}
    assert (mine(world, 1) == [task]) == (final == "InProgress")


def test_an_accepting_agent_and_the_end_of_the_offer_have_one_outcome(world: World, clock: FakeClock) -> None:
    task = due(world)
    world.ready(1)
    world.beat()
    clock.move(seconds=20)
    world.ready()
    together(6, lambda n: world.beat() if n % 2 else answer(world, 1, "accept", task))
    assert state(world, task)[0] == "Queued"


def test_an_agent_claimed_by_a_process_that_died_is_free_when_the_offer_would_be_over(
    world: World, clock: FakeClock
) -> None:
    task = due(world)
    world.ready(1)
    fragile = FragileTable(world.account.table("outbound"))
    dying = Visits(OutboundStore(fragile), world.agents, world.agenda, world.members, world.hooks, clock)
    world.beat_without_agents()
    fragile.fails = "before"
    with pytest.raises(StorageDown):
        dying.visit(world.tenant_id, SERVICE)
    assert state(world, task)[0] == "Queued"
    world.beat()
    assert state(world, task)[0] == "Queued", "the agent is still claimed"
    clock.move(seconds=21)
    world.beat()
    assert state(world, task) == ("Offered", world.agent(1).oid)
    assert answer(world, 1, "accept", task) == "InProgress"


def test_an_agent_claimed_for_a_task_that_another_finished_holds_nothing_and_goes_to_the_end_of_the_line(
    world: World, clock: FakeClock
) -> None:
    """The other agent's offer has the number of the one that a dying process never made."""
    task = due(world)
    world.ready(1)
    fragile = FragileTable(world.account.table("outbound"))
    dying = Visits(OutboundStore(fragile), world.agents, world.agenda, world.members, world.hooks, clock)
    world.beat_without_agents()
    fragile.fails = "before"
    with pytest.raises(StorageDown):
        dying.visit(world.tenant_id, SERVICE)
    world.ready(2)
    world.beat()
    assert answer(world, 2, "accept", task) == "InProgress"
    assert answer(world, 2, "complete", task) == "Completed"
    world.beat()
    claimed = world.agent(1).oid
    assert world.agents.holders(world.tenant_id, clock()) == {claimed}
    clock.move(seconds=21)
    assert world.agents.holders(world.tenant_id, clock()) == set()
    world.agents.came_on_duty(world.tenant_id, claimed, clock())
    hold = world.agents.of(world.tenant_id, claimed)
    assert hold is not None
    assert (hold.is_free, hold.idle_since) == (True, to_wire(clock()))


def test_an_offer_without_its_agents_row_cannot_be_accepted(world: World, clock: FakeClock) -> None:
    """A process that was asleep between its two writes offers to an agent who was given another task meanwhile."""
    first = due(world)
    world.ready(1)
    world.beat()
    hold = world.agents.of(world.tenant_id, world.agent(1).oid)
    assert hold is not None
    until = clock().replace(year=2027)
    assert world.agents.claim(world.tenant_id, hold.user_id, hold, task_id="another", offer=1, until=until)
    with pytest.raises(Conflict) as gone:
        answer(world, 1, "accept", first)
    assert gone.value.code == "OfferGone"
    assert mine(world, 1) == []


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("how", ["decline", "complete", "fail"])
def test_an_agent_is_free_again_though_the_process_died_that_took_the_answer(
    world: World, clock: FakeClock, how: str, when: str
) -> None:
    task = due(world, maxAttempts=1)
    world.ready(1)
    world.beat()
    if how != "decline":
        answer(world, 1, "accept", task)
    world.fragile_answer(1, how, task, when)
    clock.move(seconds=3)
    world.ready()
    world.beat()
    if when == "before":
        answer(world, 1, how, task)
        world.beat()
    hold = world.agents.of(world.tenant_id, world.agent(1).oid)
    assert hold is not None
    assert hold.is_free
    world.hooks.names(task)


def test_a_freed_agent_waits_behind_the_others(world: World, clock: FakeClock) -> None:
    world.ready(1)
    task = due(world)
    world.beat()
    answer(world, 1, "accept", task)
    clock.move(seconds=30)
    answer(world, 1, "complete", task)
    hold = world.agents.of(world.tenant_id, world.agent(1).oid)
    assert hold is not None
    assert hold.idle_since == to_wire(clock())


def test_an_event_is_told_by_the_next_visit_when_the_hooks_could_not_take_it(world: World) -> None:
    task = due(world)
    publish, tries = world.hooks.publish, 0

    def fail_once(events: Sequence[Event]) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise StorageDown("the process died here")
        publish(events)

    visits = Visits(world.outbound, world.agents, world.agenda, world.members, Told(fail_once), world.clock)
    with pytest.raises(StorageDown):
        visits.visit(world.tenant_id, SERVICE)
    visits.visit(world.tenant_id, SERVICE)
    assert world.hooks.names(task) == ["Scheduled", "Queued"]


CHANGES: dict[str, Callable[[World, str], object]] = {
    "an external task": lambda world, _: world.external_tasks.add(world.head, EXTERNAL, by=world.by),
    "a task": lambda world, _: world.submit(),
    "a rewrite": lambda world, task: world.entries.rewrite(world.head, task, world.entry, by=world.by),
    "a cancellation": lambda world, task: world.entries.cancel(world.tenant_id, task, by=world.by),
    "a release": lambda world, task: world.supervision.release(world.tenant_id, task, STUCK, by=world.by),
    "an update": lambda world, task: updates_of(world).update(world.tenant_id, task, TaskInformation, by=world.by),
    "a refused message": lambda world, _: world.scheduler.tell_rejected(world.tenant_id, world.entry(), "Full", "m"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_whatever_changes_is_looked_at_soon_and_once_more_a_minute_later(
    world: World, clock: FakeClock, change: Callable[[World, str], object]
) -> None:
    task = world.submit().entry.task_id
    clock.move(minutes=5)
    assert called(world)
    assert not called(world)
    change(world, task)
    world.calls.sent.clear()  # a call by queue may get lost
    clock.move(seconds=3)
    assert called(world), "nobody comes"
    clock.move(seconds=118)
    assert called(world), "nobody comes a second time, for a write that took long"


def called(world: World) -> bool:
    """Whether the agenda has the service looked at now; it is, and nothing is found."""
    world.agenda.call_due()
    calls, world.calls.sent = world.calls.sent, []
    ours = [call for call in calls if call.tenant_id == world.tenant_id]
    for call in ours:
        assert (call.kind, call.subject) == ("task", SERVICE)
        world.agenda.answer(call, lambda: None)
    return bool(ours)


def updates_of(world: World) -> TaskUpdates:
    return TaskUpdates(world.outbound, world.directory, world.agenda, world.clock)


def test_a_cancelled_task_tells_its_hooks_and_a_rewritten_one_starts_over(world: World, clock: FakeClock) -> None:
    task = due(world)
    world.beat()
    later = world.entry(destination="+41791234568", dueDateTimeUtc=to_wire(clock().replace(hour=20)))
    changed = world.entries.rewrite(world.head, task, lambda: later, by=world.by)
    assert (changed.state, changed.destination, changed.event) == ("Scheduled", "+41791234568", "Rescheduled")
    world.entries.cancel(world.tenant_id, task, by=world.by)
    world.beat()
    assert world.hooks.names(task) == ["Scheduled", "Queued", "Rescheduled", "Cancelled"]


def test_a_released_task_frees_its_slot_and_its_agent(world: World) -> None:
    task = due(world)
    world.ready(1)
    world.beat()
    answer(world, 1, "accept", task)
    shown = world.supervision.release(world.tenant_id, task, STUCK, by=world.by)
    assert (shown.state, shown.history[-1].reason) == ("Released", "stuck")
    assert world.agents.holders(world.tenant_id, world.clock()) == set(), "free at once"
    world.beat()
    assert mine(world, 1) == []
    assert world.agents.holders(world.tenant_id, world.clock()) == set()
    with pytest.raises(AppError) as refused:
        answer(world, 1, "complete", task)
    assert refused.value.code == "OfferGone"


def test_an_agents_rows_survive_in_another_process(world: World) -> None:
    task = due(world)
    world.ready(1)
    world.beat()
    agents = Agents(world.account.table("outbound"), world.outbound)
    assert agents.holders(world.tenant_id, world.clock()) == {world.agent(1).oid}
    assert mine(world, 1) == [task]


def test_an_admin_pages_through_all_tasks_of_all_services_finished_ones_too(world: World) -> None:
    world.put_service(OTHER)
    made = {due(world) for _ in range(3)} | {due(world, serviceUpn=OTHER) for _ in range(2)}
    cancelled = sorted(made)[0]
    world.entries.cancel(world.tenant_id, cancelled, by=world.by)
    seen: list[str] = []
    continuation = None
    while True:
        page = world.supervision.entries(
            world.tenant_id, service_upn=None, state=None, top=2, continuation=continuation
        )
        seen += [one.id for one in page.items]
        continuation = page.continuation
        if continuation is None:
            break
    assert sorted(seen) == sorted(made)
    assert [one.id for one in page_of(world, state="Cancelled")] == [cancelled]
    assert {one.service_upn for one in page_of(world, service_upn=OTHER.upper())} == {OTHER}


def page_of(world: World, service_upn: str | None = None, state: Any = None) -> Any:
    found = world.supervision.entries(world.tenant_id, service_upn=service_upn, state=state, top=10, continuation=None)
    return found.items


def test_nothing_is_left_of_a_task_after_30_days(world: World, clock: FakeClock) -> None:
    task = due(world, ReferenceId="r-1")
    world.entries.cancel(world.tenant_id, task, by=world.by)
    world.beat()
    clock.move(days=29)
    world.visits.tidy(world.tenant_id, SERVICE)
    assert state(world, task)[0] == "Cancelled"
    clock.move(days=2)
    world.visits.tidy(world.tenant_id, SERVICE)
    left = world.account.table("outbound").partitions(f"{world.tenant_id}|", f"{world.tenant_id}}}")
    assert [row.row for row in left] == ["gate"]


def test_a_flow_that_sends_a_task_again_is_answered_with_it_though_another_flow_added_to_it(world: World) -> None:
    updates = updates_of(world)
    write = world.entry(ReferenceId="r-1", dueDateTimeUtc=to_wire(world.clock()), maxAttempts=1)

    def again() -> Any:
        outcome = world.scheduler.submit(world.head, write, by=world.by, source="http")
        assert isinstance(outcome, Accepted)
        return outcome.entry

    task = again().task_id
    added = {"customer": {"firstName": "Rosa"}, "customContextParameters": [{"name": "case", "value": "7"}]}
    updates.update(world.tenant_id, task, lambda: parse(TaskInformation, added), by=world.by)
    assert (again().task_id, again().customer.first_name) == (task, "Rosa")
    world.ready(1)
    world.beat()
    assert again().task_id == task, "while it is offered"
    answer(world, 1, "accept", task)
    answer(world, 1, "complete", task)
    assert (again().task_id, again().state) == (task, "Completed")
    world.beat()
    assert world.hooks.names(task) == ["Scheduled", "Updated", "Queued", "Offered", "Accepted", "Completed"]


class Interrupted(Table):
    """Runs ``before_replace`` once, between somebody's read and write."""

    def __init__(self, inner: Table) -> None:
        self.__dict__.update(inner.__dict__)
        self.before_replace: Callable[[], object] = lambda: None

    def replace(self, row: Row, *, etag: str) -> str:
        act, self.before_replace = self.before_replace, lambda: None
        act()
        return super().replace(row, etag=etag)


def test_an_agent_who_accepts_just_as_the_offer_ends_is_free_afterwards(world: World) -> None:
    """A visit reads the hold to free it, the agent confirms it, the visit's write finds it changed."""
    task = world.submit(dueDateTimeUtc=to_wire(world.clock()), attemptTimeoutInSeconds=86_400).entry.task_id
    world.ready(1)
    world.beat()
    agent = world.agent(1)
    world.members.ready = []
    freeing, accepting = Interrupted(world.account.table("outbound")), Interrupted(world.account.table("outbound"))
    visits = Visits(
        world.outbound, Agents(freeing, world.outbound), world.agenda, world.members, world.hooks, world.clock
    )

    def end_the_offer() -> None:
        hold = world.agents.of(world.tenant_id, agent.oid)
        assert hold is not None
        world.clock.move(seconds=21)
        freeing.before_replace = lambda: world.agents.confirm(hold, world.clock() + timedelta(days=1))
        visits.visit(world.tenant_id, SERVICE)

    accepting.before_replace = end_the_offer
    late = AgentTasks(world.outbound, Agents(accepting, world.outbound), world.directory, world.agenda, world.clock)
    with pytest.raises(AppError) as refused:
        late.accept(world.tenant_id, task, agent)
    assert refused.value.code == "OfferGone"
    world.beat()
    hold = world.agents.of(world.tenant_id, agent.oid)
    assert hold is not None
    assert hold.is_free, f"held until {hold.until}"


def test_an_event_says_who_was_connected_last_also_after_the_attempt_failed(world: World) -> None:
    task = due(world, maxAttempts=2)
    world.ready(1)
    world.beat()
    answer(world, 1, "accept", task)
    world.ready(2)
    answer(world, 1, "fail", task)
    world.beat()
    world.beat()
    told = [event for event in world.hooks.told.values() if event.task_id == task]
    connected = [(event.name, event.task.get("lastConnectedUserId")) for event in told]
    first = world.agent(1).oid
    assert connected[2:] == [("Offered", None), ("Accepted", first), ("AttemptFailed", first), ("Offered", first)]
    assert [event.task.get("LastConnectedUserUPN") for event in told][-1] == "agent1@contoso.example"


class SlowTable(Table):
    """Each transaction takes a second."""

    def __init__(self, inner: Table, clock: FakeClock) -> None:
        self.__dict__.update(inner.__dict__)
        self.clock = clock

    def transact(self, operations: Sequence[Operation]) -> list[str]:
        self.clock.move(seconds=1)
        return super().transact(operations)


def test_the_last_member_who_is_asked_has_as_long_to_answer_as_the_first(world: World) -> None:
    for _ in range(10):
        due(world, ronaTimeoutInSeconds=5, maxQueueTimeInSeconds=3600)
    world.beat_without_agents()
    world.ready(*range(1, 11))
    store = OutboundStore(SlowTable(world.account.table("outbound"), world.clock))
    hooks = FakeHooks()
    visits = Visits(store, world.agents, world.agenda, world.members, hooks, world.clock)
    visits.visit(world.tenant_id, SERVICE)
    tasks = world.outbound.unfinished(world.tenant_id, SERVICE)
    first = [next(step.at for step in task.history if step.event == "Offered") for task in tasks]
    assert len(set(first)) == 10, "each offer begins when it is made"


def test_a_visit_does_not_compare_each_task_with_each_other(world: World) -> None:
    """1,000 waiting tasks took 10 s of CPU when they were."""
    compared = 0

    class Watched(ExternalTask):
        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return super().__eq__(other)

    now = to_wire(world.clock())
    waiting = passed_by_time(
        scheduled(Watched(service_upn=SERVICE, task_id="t", created_at=now, due_date_time_utc=now)), world.clock()
    )
    assert waiting is not None
    tasks = [
        KeptTask(waiting.model_copy(update={"task_id": f"{n}"}), Row("p", f"e:{n}", {}, f"{n}")) for n in range(50)
    ]

    class Full(OutboundStore):
        def desk(self, tenant_id: str, service_upn: str) -> Desk:
            return Desk(tasks, [])

    store = Full(world.account.table("outbound"))
    Visits(store, world.agents, world.agenda, world.members, world.hooks, world.clock).visit(world.tenant_id, SERVICE)
    assert compared == 0


def test_of_tasks_that_come_due_together_those_that_changed_meanwhile_are_left_alone(world: World) -> None:
    tasks = [due(world) for _ in range(5)]
    cancelled = tasks[2]
    fragile = FragileTable(world.account.table("outbound"))
    fragile.meanwhile = lambda: world.entries.cancel(world.tenant_id, cancelled, by=world.by)
    visits = Visits(OutboundStore(fragile), world.agents, world.agenda, world.members, world.hooks, world.clock)
    visits.visit(world.tenant_id, SERVICE)
    states = {task.task_id: task.state for task in world.outbound.unfinished(world.tenant_id, SERVICE)}
    assert states == dict.fromkeys([task for task in tasks if task != cancelled], "Queued")
    world.beat()
    assert world.hooks.names(cancelled) == ["Scheduled", "Cancelled"]
    assert [world.hooks.names(task) for task in states] == [["Scheduled", "Queued"]] * 4


def test_tasks_that_come_due_together_move_in_one_transaction(world: World) -> None:
    for _ in range(20):
        due(world, ReferenceId=None)
    fragile = FragileTable(world.account.table("outbound"))
    visits = Visits(OutboundStore(fragile), world.agents, world.agenda, world.members, world.hooks, world.clock)
    visits.visit(world.tenant_id, SERVICE)
    moves = [some for some in fragile.transactions if any(isinstance(one, Replace) for one in some)]
    assert [len(some) for some in moves] == [40]


class Moments(Agenda):
    """An agenda that remembers for when the last appointment was made."""

    last: datetime | None = None

    def wake(self, kind: str, tenant_id: str, subject: str, at: datetime | None = None) -> None:
        self.last = at
        super().wake(kind, tenant_id, subject, at)


@pytest.mark.parametrize(("waited", "pause"), [(0, 5), (60, 5), (120, 10), (600, 15)])
def test_who_waits_for_long_is_looked_at_less_often(world: World, waited: int, pause: int) -> None:
    due(world, maxQueueTimeInSeconds=3600)
    world.beat()
    world.clock.move(seconds=waited)
    agenda = Moments(world.account.table("agenda"), {"task": world.calls}, world.clock)
    Visits(world.outbound, world.agents, agenda, world.members, world.hooks, world.clock).visit(
        world.tenant_id, SERVICE
    )
    assert agenda.last == world.clock() + timedelta(seconds=pause)


def test_a_burst_of_updates_does_not_jam_the_hooks_of_a_service(world: World) -> None:
    """Each update is an event with the whole task: 40 of the largest pass what one transaction takes."""
    config = {"services": [SERVICE], "taskEvents": ["Updated"], "url": "https://a.logic.azure.com/x?sig=1"}
    webhooks = HookWorld(world).process.webhooks
    webhooks.register(world.tenant_id, "tasks", {"config": config}, by=world.by)
    large = [{"name": f"p{n}", "value": "ü" * 1000} for n in range(15)]
    task = world.submit(customCallContextParameters=large).entry.task_id
    updates = updates_of(world)
    customer = {"customFields": [{"name": f"c{n}", "value": "x" * 1000} for n in range(30)]}
    for _ in range(40):
        updates.update(world.tenant_id, task, lambda: parse(TaskInformation, {"customer": customer}), by=world.by)
    visits = Visits(world.outbound, world.agents, world.agenda, world.members, webhooks, world.clock)
    visits.visit(world.tenant_id, SERVICE)
    assert world.outbound.desk(world.tenant_id, SERVICE).untold == []


def test_an_admin_hears_of_a_finished_task_though_its_service_is_gone(world: World) -> None:
    task = world.submit().entry.task_id
    world.entries.cancel(world.tenant_id, task, by=world.by)
    world.directory.delete_service(world.tenant_id, SERVICE, versions=None, by=world.by)
    with pytest.raises(Conflict) as finished:
        world.entries.cancel(world.tenant_id, task, by=world.by)
    updates = updates_of(world)
    with pytest.raises(Conflict) as too_late:
        updates.update(world.tenant_id, task, lambda: parse(TaskInformation, {}), by=world.by)
    assert finished.value.code == too_late.value.code == "OutboundTaskFinished"
