"""What webhooks are told has the shapes of the published connector, whatever happens to a task."""

from __future__ import annotations

from typing import Any

from shared.outbound.admission.task_updates import TaskUpdates
from shared.outbound.distribution.supervision import Release
from shared.outbound.tasks.events import FINAL, SCHEDULER_ENTRY_EVENTS
from shared.outbound.tasks.models import ExternalTaskWrite, TaskInformation, read_body
from tests.core.world import SERVICE, FakeClock, World
from tests.published import everything, strays

PREFERRED = [{"upn": "agent1@contoso.example", "priority": 1}]


def test_every_event_there_is_tells_all_it_knows_in_the_published_shapes(world: World, clock: FakeClock) -> None:
    names = {"serviceUpn": SERVICE, "destination": "+41791234567", "dueDateTimeUtc": "2026-03-01T12:00:00.000Z"}
    choices = {"distributionPriority": "High", "maxAttempts": 2, "maxQueueTimeInSeconds": 60}
    sent: dict[str, Any] = everything("SchedulerEntryWriteData", **names, **choices)

    def add(reference: str) -> str:
        return str(world.submit(**sent | {"ReferenceId": reference}).entry.task_id)

    cancelled, released, failing = add("cancelled"), add("released"), add("failing")
    world.entries.rewrite(world.head, cancelled, lambda: world.entry(**sent), by=world.by)
    world.entries.cancel(world.tenant_id, cancelled, by=world.by)
    world.supervision.release(world.tenant_id, released, lambda: Release(reason="a test"), by=world.by)
    world.ready(1)
    for _ in range(2):
        world.beat()
        world.agent_tasks.accept(world.tenant_id, failing, world.agent(1))
        world.agent_tasks.fail(world.tenant_id, failing, world.agent(1))
    external: dict[str, Any] = everything(
        "ExternalTaskWriteDto", serviceUpn=SERVICE, distributionPriority="Low", preferredUsers=PREFERRED
    )
    task = world.external_tasks.add(world.head, read_body(ExternalTaskWrite, external), by=world.by).task_id
    information = {name: external[name] for name in ("customer", "customContextParameters", "preferredUsers")}
    updates = TaskUpdates(world.outbound, world.directory, world.agenda, clock)
    updates.update(world.tenant_id, task, lambda: read_body(TaskInformation, information), by=world.by)
    world.beat()
    world.agent_tasks.accept(world.tenant_id, task, world.agent(1))
    world.agent_tasks.complete(world.tenant_id, task, world.agent(1))
    world.ready()
    add("nobody comes")
    world.beat()
    clock.move(seconds=61)
    world.scheduler.tell_rejected(world.tenant_id, world.entry(**sent), "OutboundTaskLimitReached", "m-1")
    world.beat()

    told = list(world.hooks.told.values())
    assert {event.name for event in told} == {*SCHEDULER_ENTRY_EVENTS, "Updated"}
    for event in told:
        assert strays(event.task, "TaskEventData") == []
        if event.task_id == task:
            assert event.task["taskInformation"] == information
            assert event.scheduler_entry is None
            continue
        assert event.scheduler_entry is not None
        assert strays(event.scheduler_entry, "SchedulerEntryEventData") == []
        assert event.scheduler_entry.items() >= {**sent, "ReferenceId": event.task["referenceId"]}.items()
        assert ("schedulerEntryId" in event.scheduler_entry) == (event.name != "Rejected")
        assert ("completionReason" in event.scheduler_entry) == (event.name in (*FINAL, "Rejected"))


def test_whatever_leaves_the_published_shapes_is_found() -> None:
    good = everything("SchedulerEntryEventData")
    assert strays(good, "SchedulerEntryEventData") == []
    for bad, stray in (
        (good | {"referenceId": "x"}, ".referenceId is unknown"),
        (good | {"maxAttempts": True}, ".maxAttempts is no integer"),
        (good | {"destination": None}, ".destination is no string"),
        (good | {"customer": {"upn": "x"}}, ".customer.upn is unknown"),
        (good | {"customCallContextParameters": [{"value": "x"}]}, ".customCallContextParameters[0].name is missing"),
    ):
        assert strays(bad, "SchedulerEntryEventData") == [stray]
    assert strays({"modality": "Fax"}, "ExternalTaskWriteResult")[0].startswith(".modality is none of")
    assert strays({}, ["string"]) == [" is no list"]
    assert strays([], "TaskEventData") == [" is no object"]
