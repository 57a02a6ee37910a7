"""Events reach their hooks in order, whatever receivers, processes and clocks do."""

from __future__ import annotations

import threading
import uuid
from datetime import timedelta

import pytest

from shared.kernel.callers import Caller
from shared.kernel.clock import to_wire
from shared.kernel.errors import Broken, StorageDown, Unreachable
from shared.outbound.webhooks.deliveries import LEASE
from shared.outbound.webhooks.retry_policy import KEPT
from tests.core.hook_world import Answer, Fate, HookWorld, Post, Process
from tests.core.race import together
from tests.core.world import SERVICE, World


def test_events_of_a_task_arrive_in_order_and_nothing_is_left(hooks: HookWorld) -> None:
    hook = hooks.register()
    hooks.publish(*[hooks.event(task, number) for task in ("a", "b", "c") for number in (1, 2, 3)])
    hooks.run(minutes=5)
    assert {task: hooks.receiver.numbers(task) for task in ("a", "b", "c")} == {task: [1, 2, 3] for task in "abc"}
    assert hooks.receiver.overlaps == 0
    state = hooks.state(hook)
    assert (state.state, state.pending, state.last_status, state.next_try) == ("active", 0, 202, None)
    assert state.last_delivery_at is not None
    assert hooks.next_moment() is None
    ids = [post.event_id for post in hooks.receiver.posts]
    assert len(set(ids)) == 9
    assert {str(uuid.UUID(event_id)) for event_id in ids} == set(ids)


def test_a_failed_event_is_tried_again_with_the_same_id_and_those_behind_it_wait(hooks: HookWorld) -> None:
    hook = hooks.register()
    hooks.receiver.answers = lambda post: Answer(500 if len(hooks.receiver.posts) <= 2 else 202)
    hooks.publish(hooks.event("t", 1), hooks.event("t", 2))
    hooks.deliver(hook)
    state = hooks.state(hook)
    assert (state.state, state.pending, state.last_status) == ("failing", 2, 500)
    assert state.next_try is not None
    hooks.deliver(hook)
    assert len(hooks.receiver.posts) == 1, "its pause is not over"
    hooks.run(minutes=3)
    assert [post.number for post in hooks.receiver.posts] == [1, 1, 1, 2]
    assert len({post.event_id for post in hooks.receiver.posts}) == 2
    assert hooks.state(hook).state == "active"
    assert hooks.state(hook).failing_since is None


@pytest.mark.parametrize("answer", [Answer(301), Answer(429), Answer(503), Unreachable("no"), Broken("nonsense")])
def test_a_receiver_that_is_unwell_costs_a_wait_and_not_one_per_task(
    hooks: HookWorld, answer: Answer | Unreachable
) -> None:
    hook = hooks.register()
    hooks.receiver.answers = lambda post: answer
    hooks.publish(*[hooks.event(f"t{n}", 1) for n in range(20)])
    hooks.deliver(hook)
    assert len(hooks.receiver.posts) <= 4, "as many as are sent side by side"
    before = len(hooks.receiver.posts)
    hooks.clock.move(seconds=11)
    hooks.deliver(hook)
    assert len(hooks.receiver.posts) == before + 1, "a trial"
    hooks.receiver.answers = lambda post: Answer()
    hooks.run(minutes=5)
    assert hooks.pending(hook) == []
    assert len({post.task for post in hooks.receiver.taken}) == len(hooks.receiver.taken) == 20


def test_an_event_that_a_receiver_refuses_holds_up_its_own_task_only(hooks: HookWorld) -> None:
    hook = hooks.register()
    hooks.receiver.answers = lambda post: Answer(400 if post.task == "bad" else 202)
    hooks.publish(*[hooks.event(task, number) for task in ("bad", "good", "other") for number in (1, 2)])
    hooks.run(minutes=2)
    assert (hooks.receiver.numbers("good"), hooks.receiver.numbers("other")) == ([1, 2], [1, 2])
    for number in range(3, 8):
        hooks.publish(hooks.event("good", number))
        hooks.run(minutes=1)
    assert hooks.receiver.numbers("good") == [1, 2, 3, 4, 5, 6, 7]
    assert hooks.receiver.numbers("bad") == []
    assert len(hooks.pending(hook)) == 2


def test_a_refused_event_is_given_up_after_24_hours_and_the_next_one_follows(hooks: HookWorld) -> None:
    hook = hooks.register()
    hooks.receiver.answers = lambda post: Answer(400 if (post.task, post.number) == ("bad", 1) else 202)
    hooks.publish(hooks.event("bad", 1), hooks.event("bad", 2))
    hooks.run(hours=23)
    assert hooks.receiver.numbers("bad") == [], "what comes behind it waits"
    hooks.publish(hooks.event("good", 1))  # or else nothing would have got through for 24 hours
    hooks.run(hours=3)
    assert hooks.receiver.numbers("bad") == [2]
    state = hooks.state(hook)
    assert (state.state, state.given_up, state.pending) == ("active", 1, 0)


def test_retry_after_is_honoured(hooks: HookWorld) -> None:
    hook = hooks.register()
    hooks.receiver.answers = lambda post: Answer(429, retry_after=600.0)
    hooks.publish(hooks.event("t", 1))
    hooks.deliver(hook)
    hooks.receiver.answers = lambda post: Answer()
    hooks.run(until=lambda: len(hooks.receiver.posts) > 1, minutes=9)
    assert len(hooks.receiver.posts) == 1
    hooks.run(minutes=3)
    assert hooks.receiver.numbers("t") == [1]


def test_a_receiver_that_asks_for_rest_after_some_deliveries_gets_it(hooks: HookWorld) -> None:
    hook = hooks.register()
    hooks.receiver.answers = lambda post: Answer() if post.number < 3 else Answer(429, retry_after=120.0)
    hooks.publish(*[hooks.event("t", number) for number in (1, 2, 3)])
    hooks.deliver(hook)
    hooks.publish(hooks.event("u", 1))
    hooks.run(seconds=100)
    assert [(post.task, post.number) for post in hooks.receiver.posts] == [("t", 1), ("t", 2), ("t", 3)]
    assert hooks.state(hook).state == "active"
    hooks.receiver.answers = lambda post: Answer()
    hooks.run(minutes=3)
    assert hooks.receiver.numbers("t") == [1, 2, 3]


def test_410_removes_the_hook_and_its_events(hooks: HookWorld) -> None:
    hook, other = hooks.register(), hooks.register()
    hooks.receiver.answers = lambda post: Answer(410 if post.url.endswith(gone) else 202)
    kept = hooks.process.hooks.find(hooks.tenant_id, hook.id)
    assert kept is not None
    gone = hooks.process.hooks.url_of(hooks.tenant_id, kept)[-32:]
    hooks.publish(*[hooks.event("t", number) for number in (1, 2, 3)])
    hooks.run(minutes=5)
    assert (hooks.hook(hook), hooks.rows(hook)) == (None, [])
    assert hooks.pending(other) == []
    assert len(hooks.receiver.posts) == 1 + 3


def test_a_hook_dead_for_24_hours_is_switched_off_audited_and_kept_for_30_days(hooks: HookWorld) -> None:
    hook = hooks.register()
    hooks.receiver.answers = lambda post: Unreachable("no")
    began = hooks.clock()
    hooks.publish(*[hooks.event(task, 1) for task in ("a", "b", "c")])
    hooks.run(hours=23)
    assert hooks.state(hook).state == "failing"
    hooks.run(until=lambda: hooks.state(hook).state == "switchedOff", hours=2)
    off_after = hooks.clock() - began
    assert timedelta(hours=24) <= off_after <= timedelta(hours=24, minutes=1)
    assert len(hooks.receiver.posts) <= 36
    (line,) = hooks.world.settings.history(hooks.tenant_id, top=9, continuation=None, section="outbound", by=None).items
    assert (line.by.name, line.changes[0].path, line.changes[0].new) == (
        "system",
        f"outbound.webhooks.{hook.id}",
        "switchedOff",
    )
    hooks.run(minutes=5)
    assert hooks.rows(hook) == []
    hooks.publish(hooks.event("d", 1))
    assert hooks.rows(hook) == []
    assert hooks.state(hook).last_problem == "UpstreamUnreachable"
    hooks.run(until=lambda: hooks.hook(hook) is None, days=40)
    assert KEPT <= hooks.clock() - began - off_after <= KEPT + timedelta(minutes=1)
    assert hooks.next_moment() is None


def test_one_delivery_in_between_starts_the_24_hours_anew(hooks: HookWorld) -> None:
    hook = hooks.register()
    hooks.receiver.answers = lambda post: Answer(500)
    hooks.publish(hooks.event("a", 1), hooks.event("b", 1))
    hooks.run(hours=20)
    hooks.receiver.answers = lambda post: Answer(202 if post.task == "a" else 500)
    hooks.run(until=lambda: hooks.receiver.numbers("a") == [1], hours=3)
    hooks.receiver.answers = lambda post: Answer(500)
    hooks.publish(hooks.event("c", 1))
    hooks.run(hours=10)
    assert hooks.state(hook).state == "failing"


def test_who_is_no_owner_any_more_is_told_nothing(hooks: HookWorld, world: World) -> None:
    world.put_service(SERVICE, owners=["bbbbbbbb-0000-4000-8000-000000000001"])
    owner = Caller(world.tenant_id, "bbbbbbbb-0000-4000-8000-000000000001", "Olga Owner", frozenset({"ServiceOwner"}))
    owners, admins = hooks.register(by=owner), hooks.register()
    hooks.publish(hooks.event("t", 1))
    hooks.run(minutes=3)
    world.put_service(SERVICE, owners=[])
    hooks.publish(hooks.event("t", 2))
    hooks.run(minutes=3)
    assert hooks.receiver.numbers("t") == [1, 1, 2]
    assert (hooks.state(owners).skipped, hooks.state(owners).pending) == (1, 0)
    assert (hooks.state(admins).skipped, hooks.state(admins).pending) == (0, 0)


def test_a_host_taken_off_the_list_is_not_called_any_more(hooks: HookWorld) -> None:
    hook = hooks.register()
    hooks.publish(hooks.event("t", 1))
    Process(hooks, allowed=(".api.powerplatform.com",)).deliveries.deliver(hooks.tenant_id, hook.id)
    assert hooks.receiver.posts == []
    state = hooks.state(hook)
    assert (state.state, state.last_problem, state.pending) == ("failing", "HostNotAllowed", 1)
    hooks.run(minutes=3)
    assert hooks.receiver.numbers("t") == [1]


# time and other deliveries


def test_a_turn_ends_when_its_time_is_over_and_the_rest_follows(hooks: HookWorld) -> None:
    stop_watch = [0.0]
    slow = Process(hooks, elapsed=lambda: stop_watch[0])

    def taken_slowly(post: Post) -> Answer:
        stop_watch[0] += 3.0
        return Answer()

    hook = hooks.register()
    hooks.receiver.answers = taken_slowly
    hooks.publish(*[hooks.event("t", number) for number in range(1, 11)])
    slow.deliveries.deliver(hooks.tenant_id, hook.id)
    assert hooks.receiver.numbers("t") == [1, 2, 3, 4]
    hooks.process = slow
    hooks.run(minutes=3)
    assert hooks.receiver.numbers("t") == list(range(1, 11))


def test_a_receiver_that_never_answers_is_not_waited_for(hooks: HookWorld) -> None:
    hook = hooks.register()
    for_ever = threading.Event()
    hooks.receiver.meanwhile = lambda: [for_ever.wait(30)].clear()
    hooks.publish(hooks.event("t", 1))
    Process(hooks, patience=0.05).deliveries.deliver(hooks.tenant_id, hook.id)
    state = hooks.state(hook)
    for_ever.set()
    assert (state.state, state.last_status, state.last_problem) == ("failing", None, "UpstreamUnreachable")


def test_deliveries_of_one_hook_at_once_send_each_event_once_and_in_order(hooks: HookWorld) -> None:
    hook = hooks.register()
    hooks.publish(*[hooks.event(task, number) for task in ("a", "b", "c") for number in range(1, 6)])
    processes = [Process(hooks) for _ in range(4)]
    assert together(4, lambda n: processes[n].deliveries.deliver(hooks.tenant_id, hook.id)) == [None] * 4
    hooks.run(minutes=5)
    assert {task: hooks.receiver.numbers(task) for task in "abc"} == {task: [1, 2, 3, 4, 5] for task in "abc"}
    assert (len(hooks.receiver.posts), hooks.receiver.overlaps) == (15, 0)


def test_events_published_during_a_delivery_are_not_forgotten(hooks: HookWorld) -> None:
    hook = hooks.register()
    other = Process(hooks)

    def publish_more() -> None:
        hooks.receiver.meanwhile = lambda: None
        hooks.publish(hooks.event("b", 1), hooks.event("a", 2))
        other.deliveries.deliver(hooks.tenant_id, hook.id)  # finds the lease taken

    hooks.receiver.meanwhile = publish_more
    hooks.publish(hooks.event("a", 1))
    hooks.deliver(hook)
    hooks.run(minutes=5)
    assert (hooks.receiver.numbers("a"), hooks.receiver.numbers("b")) == ([1, 2], [1])
    assert len(hooks.receiver.posts) == 3


def test_a_call_that_finds_the_lease_taken_is_made_again_when_it_is_over(hooks: HookWorld) -> None:
    hook = hooks.register()
    hooks.clock.move(seconds=5)

    def publish_and_call() -> None:
        hooks.receiver.meanwhile = lambda: None
        hooks.publish(hooks.event("b", 1))
        hooks.clock.move(seconds=2)
        hooks.beat(Process(hooks))

    hooks.receiver.meanwhile = publish_and_call
    hooks.publish(hooks.event("a", 1))
    hooks.deliver(hook)
    hooks.run(seconds=LEASE.total_seconds() + 5)
    assert hooks.receiver.numbers("b") == [1], "and not at the second look a minute later only"


def test_a_hook_removed_during_its_delivery_stays_removed(hooks: HookWorld) -> None:
    hook = hooks.register()

    def remove() -> None:
        hooks.process.webhooks.remove(hooks.tenant_id, "scheduler-entries", hook.id, by=hooks.world.by)

    hooks.receiver.meanwhile = remove
    hooks.publish(hooks.event("t", 1))
    hooks.run(minutes=5)
    assert (hooks.hook(hook), hooks.rows(hook)) == (None, [])


def test_a_slow_hook_does_not_delay_another_ones_events(hooks: HookWorld) -> None:
    slow, quick = hooks.register(), hooks.register()
    hooks.publish(hooks.event("t", 1))
    seen: list[int] = []

    def meanwhile() -> None:
        hooks.receiver.meanwhile = lambda: None
        Process(hooks).deliveries.deliver(hooks.tenant_id, quick.id)
        seen.append(len(hooks.receiver.taken))

    hooks.receiver.meanwhile = meanwhile
    hooks.deliver(slow)
    assert seen == [1]


# crashes


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("turn", range(14))
def test_a_process_that_dies_at_any_write_loses_nothing_and_keeps_the_order(
    hooks: HookWorld, turn: int, when: str
) -> None:
    hook = hooks.register()
    hooks.receiver.answers = lambda post: Answer(500 if len(hooks.receiver.posts) == 2 else 202)
    events = [hooks.event("t", number) for number in (1, 2, 3)]
    fate = Fate(turn, when)
    mortal = Process(hooks, fate)
    try:
        mortal.webhooks.publish(events)
        for _ in range(5):
            hooks.clock.move(seconds=11)
            hooks.beat(mortal)
    except StorageDown:
        assert fate.struck
    hooks.publish(*events)  # whoever was publishing comes back, having died or not
    hooks.run(minutes=30)
    numbers = hooks.receiver.numbers("t")
    assert list(dict.fromkeys(numbers)) == [1, 2, 3]
    assert numbers == sorted(numbers), "an event came a second time behind a later one"
    assert len(numbers) <= 4, "more than one event came twice"
    if len(numbers) == 4:
        assert fate.struck
        assert len({post.event_id for post in hooks.receiver.taken}) == 3
    assert (hooks.pending(hook), hooks.next_moment()) == ([], None)
    state = hooks.hook(hook)
    assert state is not None
    assert (state.lease_until, state.failing_since) == (None, None)


def test_a_delivery_that_died_holds_its_hook_for_a_minute_at_most(hooks: HookWorld) -> None:
    hook = hooks.register()
    hooks.publish(hooks.event("t", 1))
    kept = hooks.process.hooks.find(hooks.tenant_id, hook.id)
    assert kept is not None
    began = hooks.clock()
    hooks.process.hooks.save(kept, kept.hook.model_copy(update={"lease_until": to_wire(began + LEASE)}))
    hooks.run(until=lambda: hooks.receiver.posts != [], minutes=3)
    assert hooks.receiver.numbers("t") == [1]
    assert LEASE <= hooks.clock() - began <= LEASE + timedelta(seconds=5)


# what is left behind


def test_rows_of_tasks_long_over_are_swept_away(hooks: HookWorld) -> None:
    hook = hooks.register()
    hooks.publish(hooks.event("old", 1))
    hooks.run(minutes=3)
    hooks.clock.move(days=6)
    hooks.publish(hooks.event("young", 1))
    hooks.run(minutes=3)
    hooks.clock.move(days=2)
    hooks.publish(hooks.event("new", 1))
    hooks.run(minutes=3)
    assert hooks.rows(hook) == ["told:new", "told:young"]
    hooks.publish(hooks.event("old", 2))
    hooks.run(minutes=3)
    assert hooks.receiver.numbers("old") == [1, 2]
