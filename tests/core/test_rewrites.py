"""A task that is written anew: its content is judged before its state."""

from __future__ import annotations

from typing import Any

import pytest

from shared.kernel.clock import to_wire
from shared.kernel.errors import AppError
from shared.outbound.tasks.models import SchedulerEntryWrite
from tests.core.world import STUCK, FakeClock, World


def rewritten(world: World, task: str, write: SchedulerEntryWrite) -> str:
    """The code of the refusal."""
    with pytest.raises(AppError) as refused:
        world.entries.rewrite(world.head, task, lambda: write, by=world.by)
    return refused.value.code


def offered(world: World, clock: FakeClock) -> str:
    task: str = world.submit(dueDateTimeUtc=to_wire(clock())).entry.task_id
    world.ready(1)
    world.beat()
    return task


def accepted(world: World, clock: FakeClock) -> str:
    task = offered(world, clock)
    world.agent_tasks.accept(world.tenant_id, task, world.agent(1))
    return task


def finished(world: World, clock: FakeClock) -> str:
    task = offered(world, clock)
    world.supervision.release(world.tenant_id, task, STUCK, by=world.by)
    return task


STATES = {
    "OutboundTaskInProgress": (offered, accepted),
    "OutboundTaskFinished": (finished,),
}


@pytest.mark.parametrize(
    ("state", "code"),
    [(state, code) for code, states in STATES.items() for state in states],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_task_of_any_state_is_refused_content_it_could_not_have_before_its_state(
    world: World, clock: FakeClock, state: Any, code: str
) -> None:
    task = state(world, clock)
    assert rewritten(world, task, world.entry(serviceUpn="other@contoso.example")) == "ServiceFixed"
    assert rewritten(world, task, world.entry(dueDateTimeUtc="2020-01-01T00:00:00Z")) == "DueDateOutOfRange"
    assert rewritten(world, task, world.entry()) == code
    world.put_service(world.entry().service_upn, outboundEnabled=False)
    assert rewritten(world, task, world.entry()) == "OutboundNotEnabled"
