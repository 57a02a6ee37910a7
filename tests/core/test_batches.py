"""A batch: each item is decided once, whatever is delivered twice, gets lost or cannot be read."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from shared.kernel.clock import to_wire
from shared.kernel.errors import Malformed, StorageDown
from shared.kernel.json_text import read_json
from shared.kernel.wire import parse
from shared.outbound.admission.batches import Batches, ItemState
from shared.outbound.admission.external_tasks import ExternalTasks
from shared.outbound.admission.intake import Intake
from shared.outbound.tasks.models import ExternalTaskWrite
from shared.outbound.tasks.store import OutboundStore
from shared.storage.account import StorageAccount
from shared.storage.entities import Row
from shared.storage.tables import Table
from tests.core.faults import wire
from tests.core.world import SERVICE, FakeClock, World


class Sent:
    """The queue of requests, kept in a list; ``down`` makes it fail."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.down = False

    def send(self, message: Any, **_: Any) -> None:
        if self.down:
            raise StorageDown("queue does not answer")
        self.texts.append(json.dumps(message, ensure_ascii=False))


class Deaf(Batches):
    """Notes nothing."""

    def __init__(self) -> None:
        pass

    def decide(self, *_: Any, **__: Any) -> None:
        pass


class Overtaken(Table):
    """Somebody else is a moment faster with the first write."""

    def __init__(self, inner: Table, first: Callable[[], None]) -> None:
        self.__dict__.update(inner.__dict__)
        self._first: Callable[[], None] | None = first

    def replace(self, row: Row, *, etag: str) -> str:
        first, self._first = self._first, None
        if first is not None:
            first()
        return super().replace(row, etag=etag)


def body(world: World, **changes: Any) -> dict[str, Any]:
    due = to_wire(world.clock() + timedelta(hours=1))
    return {"serviceUpn": SERVICE, "destination": "+41791234567", "dueDateTimeUtc": due} | changes


def batches_of(world: World) -> tuple[Batches, Sent]:
    sent = Sent()
    batches = Batches(world.account.table("journal"), sent, world.agenda, world.clock)
    return batches, sent


def take(world: World, text: str, message_id: str) -> None:
    world.intake.take(text.encode(), message_id=message_id, attempts=1)


def held(world: World) -> int:
    return len(world.outbound.slots(world.tenant_id, SERVICE))


def test_an_item_of_a_batch_that_was_refused_stays_refused_when_its_second_message_comes(world: World) -> None:
    world.set_limit(1)
    batches, sent = batches_of(world)
    batch = batches.submit(world.tenant_id, [body(world), body(world, destination="+41790000002")])
    batches.send_pending(world.tenant_id, batch)  # the appointment of 2 s later: nothing was worked off yet
    assert len(sent.texts) == 4
    first, second, again_first, again_second = sent.texts
    take(world, first, "m1")
    take(world, second, "m2")
    states = [item.state for item in batches.status(world.tenant_id, batch).items]
    assert states == ["admitted", "refused"]
    (entry,) = world.entries.unfinished(world.tenant_id, SERVICE, by=world.by)
    world.entries.cancel(world.tenant_id, entry.task_id, by=world.by)  # a place is free
    take(world, again_first, "m3")
    take(world, again_second, "m4")
    states = [item.state for item in batches.status(world.tenant_id, batch).items]
    assert states == ["admitted", "refused"]
    assert held(world) == 0, "refused, told so, and yet it runs"


def test_an_item_is_judged_by_the_moment_its_batch_was_asked_for(world: World, clock: FakeClock) -> None:
    batches, sent = batches_of(world)
    batch = batches.submit(world.tenant_id, [body(world, dueDateTimeUtc=to_wire(clock()))])
    clock.move(hours=1)
    batches.send_pending(world.tenant_id, batch)
    _, again = sent.texts
    world.intake.take(again.encode(), message_id="m", attempts=1, sent_at=clock())
    assert [item.state for item in batches.status(world.tenant_id, batch).items] == ["admitted"]


def test_an_item_whose_message_was_set_aside_says_so_until_it_is_sent_again(world: World) -> None:
    batches, sent = batches_of(world)
    batch = batches.submit(world.tenant_id, [body(world), body(world, destination="0041")])
    for text in sent.texts:
        world.intake.give_up(text.encode())
    assert [(item.state, item.code) for item in batches.status(world.tenant_id, batch).items] == [
        ("invalid", "MessageSetAside")
    ] * 2
    batches.send_pending(world.tenant_id, batch)
    assert len(sent.texts) == 2, "what was set aside waits for a person"
    for number, text in enumerate(sent.texts):
        take(world, text, f"again {number}")
    first, second = batches.status(world.tenant_id, batch).items
    assert (first.state, first.code) == ("admitted", None)
    assert (second.state, second.code) == ("invalid", "InvalidValue")


def test_an_item_that_was_decided_before_its_message_was_set_aside_reads_as_decided(world: World) -> None:
    """All five deliveries died right before they could note it."""
    world.set_limit(1)
    batches, sent = batches_of(world)
    deaf = Intake(world.scheduler, Deaf(), world.tenants, world.refusals, world.poison)
    batch = batches.submit(world.tenant_id, [body(world, ReferenceId="r-1"), body(world)])
    for number, text in enumerate(sent.texts):
        deaf.take(text.encode(), message_id=f"m{number}", attempts=5)
        world.intake.give_up(text.encode())
    first, second = batches.status(world.tenant_id, batch).items
    (entry,) = world.entries.unfinished(world.tenant_id, SERVICE, by=world.by)
    assert (first.state, first.scheduler_entry_id) == ("admitted", entry.task_id)
    assert (second.state, second.code) == ("refused", "OutboundTaskLimitReached")
    for text in sent.texts:
        world.intake.give_up(text.encode())
    assert batches.status(world.tenant_id, batch).items == [first, second]


@pytest.mark.parametrize(("state", "code"), [("invalid", "MessageSetAside"), ("refused", "OutboundTaskLimitReached")])
def test_a_task_that_comes_in_at_the_moment_its_item_is_decided_otherwise_reads_as_admitted(
    world: World, state: ItemState, code: str
) -> None:
    batches, sent = batches_of(world)
    batch = batches.submit(world.tenant_id, [body(world)])

    def otherwise() -> None:
        batches.decide(world.tenant_id, batch, 0, state, entry_id="", code=code)

    slower = Batches(Overtaken(world.account.table("journal"), otherwise), sent, world.agenda, world.clock)
    slower.decide(world.tenant_id, batch, 0, "admitted", entry_id="e-1", code="")
    (item,) = batches.status(world.tenant_id, batch).items
    assert (item.state, item.scheduler_entry_id, item.code) == ("admitted", "e-1", None)


def test_a_task_of_somebody_else_with_the_items_reference_is_not_taken_for_the_items(world: World) -> None:
    world.submit(ReferenceId="r-1")
    batches, sent = batches_of(world)
    batch = batches.submit(world.tenant_id, [body(world, ReferenceId="r-1", destination="+41790000002")])
    world.intake.give_up(sent.texts[0].encode())
    assert [item.code for item in batches.status(world.tenant_id, batch).items] == ["MessageSetAside"]


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"nothing to read", b'{"tenantId": "11111111-1111-4111-8111-111111111119"}']
)
def test_a_message_of_no_batch_that_is_set_aside_concerns_no_batch(world: World, raw: bytes) -> None:
    world.intake.give_up(raw)
    world.intake.give_up(json.dumps(body(world) | {"tenantId": world.tenant_id}).encode())


def test_a_batch_whose_rows_are_in_is_accepted_though_the_queue_is_away(world: World) -> None:
    batches, sent = batches_of(world)
    sent.down = True
    batch = batches.submit(world.tenant_id, [body(world)])
    sent.down = False
    batches.send_pending(world.tenant_id, batch)  # as the agenda will have it
    take(world, sent.texts[0], "m1")
    assert [item.state for item in batches.status(world.tenant_id, batch).items] == ["admitted"]


def test_a_batch_and_an_external_task_survive_a_lost_answer(world: World, connection: str) -> None:
    with wire(connection) as (tap, behind):
        table, sent = StorageAccount(behind, None, "").table, Sent()
        batches = Batches(table("journal"), sent, world.agenda, world.clock)
        tap.lose = 1
        batch = batches.submit(world.tenant_id, [body(world), body(world)])
        states = [item.state for item in batches.status(world.tenant_id, batch).items]
        assert states == ["pending"] * len(sent.texts) == ["pending"] * 2
        world.open_gate()
        tasks = ExternalTasks(OutboundStore(table("outbound")), world.directory, world.agenda, world.clock)
        tap.lose = 1
        task = tasks.add(world.head, parse(ExternalTaskWrite, {"serviceUpn": SERVICE}), by=world.by)
        assert [one.task_id for one in world.outbound.unfinished(world.tenant_id, SERVICE)] == [task.task_id]


def test_a_number_that_no_json_can_carry_on_is_refused_at_once() -> None:
    """It would be sent on as ``Infinity``, which nobody reads, and its item would wait for ever."""
    with pytest.raises(Malformed, match="too large"):
        read_json(b'{"entries": [{"note": 1e400}]}')
