"""Queue messages that could not be worked on: kept once, seen by who may, sent again once."""

from __future__ import annotations

import base64
import json
import uuid

import pytest
from azure.storage.queue import QueueClient

from shared.kernel.errors import AppError, Conflict, NotFound, StorageDown
from shared.messaging.dead_letters import EVERYBODY, Poison, SetAside
from shared.storage.queues import Queue
from tests.core.race import codes, together
from tests.core.world import FakeClock, World

NAMES = "outbound-requests"


class RememberingQueue(Queue):
    """Takes texts; ``fails`` times it does not."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.fails = 0

    def send_text(self, text: str, **more: object) -> None:
        if self.fails:
            self.fails -= 1
            raise StorageDown("the queue is away")
        self.sent.append(text)


@pytest.fixture
def queue() -> RememberingQueue:
    return RememberingQueue()


@pytest.fixture
def poison(world: World, queue: RememberingQueue) -> Poison:
    return Poison(world.account.table("journal"), world.tenants, {NAMES: queue}, world.clock)


def naming(world: World, **more: object) -> bytes:
    return json.dumps({"tenantId": world.tenant_id, **more}).encode()


def keep(poison: Poison, raw: bytes, message_id: str = "", reason: str = "it failed five times") -> None:
    poison.keep(raw, queue=NAMES, reason=reason, attempts=5, message_id=message_id or str(uuid.uuid4()))


def kept(poison: Poison, whose: str) -> list[SetAside]:
    return poison.page(whose, top=1000, continuation=None).items


def nobodys(poison: Poison, before: set[str]) -> list[SetAside]:
    return [item for item in kept(poison, EVERYBODY) if item.id not in before]


def ids(poison: Poison) -> set[str]:
    return {item.id for item in kept(poison, EVERYBODY)}


@pytest.mark.parametrize("wire", [lambda text: text, base64.b64encode, base64.encodebytes])
def test_a_message_is_listed_for_the_tenant_it_names_and_for_operators(
    world: World, poison: Poison, wire: object
) -> None:
    assert callable(wire)
    keep(poison, wire(naming(world)))
    (item,) = kept(poison, world.tenant_id)
    assert (item.queue, item.reason, item.attempts) == (NAMES, "it failed five times", 5)
    assert item in kept(poison, EVERYBODY)


def test_the_operators_row_does_not_hold_the_tenants_content(world: World, poison: Poison) -> None:
    keep(poison, naming(world, destination="+41791234567"))
    listed = world.account.table("journal").span(f"{EVERYBODY}|poison", "0", ":")
    rows = [row for row in listed if row.text("tenant") == world.tenant_id]
    assert len(rows) == 1
    assert "+41791234567" not in " ".join(str(row.values) for row in rows)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"not base64!", "base64"),
        (b"", "five times"),
        (base64.b64encode(b"\xff\xfe\x00"), "UTF-8"),
        ("größer".encode(), "base64"),
        (base64.b64encode(b"plain words"), "five times"),
        (b'{"tenantId": 3}', "five times"),
        (b'{"tenantId": "5f0c9d1e-7a64-4c1d-8a53-9e2b6f4d7c10"}', "five times"),
    ],
)
def test_what_cannot_be_read_or_names_nobody_is_listed_for_operators(poison: Poison, raw: bytes, said: str) -> None:
    before = ids(poison)
    keep(poison, raw)
    (item,) = nobodys(poison, before)
    assert said in item.reason


def test_a_message_that_comes_again_is_listed_once(world: World, poison: Poison, clock: FakeClock) -> None:
    for _ in range(3):
        keep(poison, naming(world), f"m-1 {world.tenant_id}")
        clock.move(seconds=1)
    keep(poison, naming(world), f"m-2 {world.tenant_id}")
    assert len(kept(poison, world.tenant_id)) == 2
    assert {item.id for item in kept(poison, world.tenant_id)} <= ids(poison)


def test_a_message_kept_by_eight_at_once_is_listed_once(world: World, poison: Poison) -> None:
    assert together(8, lambda number: keep(poison, naming(world), f"m-1 {world.tenant_id}")) == [None] * 8
    (item,) = kept(poison, world.tenant_id)
    assert [other.id for other in kept(poison, EVERYBODY)].count(item.id) == 1


def test_the_second_row_follows_when_the_process_died_after_the_first(world: World, poison: Poison) -> None:
    keep(poison, naming(world), f"m-1 {world.tenant_id}")
    (item,) = kept(poison, world.tenant_id)
    table = world.account.table("journal")
    seen = [row for row in table.span(f"{EVERYBODY}|poison", "", "~") if row.text("note") == item.id]
    table.remove_blindly([*seen, *[row for row in [table.get(f"{EVERYBODY}|poison", item.id)] if row]])
    assert item.id not in ids(poison)
    keep(poison, naming(world), f"m-1 {world.tenant_id}")
    assert item.id in ids(poison)
    assert kept(poison, world.tenant_id) == [item]


def test_newest_come_first(world: World, poison: Poison, clock: FakeClock) -> None:
    for reason in ("one", "two", "three"):
        keep(poison, naming(world), reason=reason)
        clock.move(seconds=1)
    assert [item.reason for item in kept(poison, world.tenant_id)] == ["three", "two", "one"]


@pytest.mark.parametrize("whose", ["the tenant", "an operator"])
def test_a_requeued_message_is_sent_as_it_was_and_struck_off_both_lists(
    world: World, poison: Poison, queue: RememberingQueue, whose: str
) -> None:
    text = naming(world, name="Zoë 😀")
    keep(poison, base64.b64encode(text))
    (item,) = kept(poison, world.tenant_id)
    tenant_id = world.tenant_id if whose == "the tenant" else poison.tenant_of(item.id)
    assert tenant_id == world.tenant_id
    with pytest.raises(NotFound):
        poison.requeue(EVERYBODY, item.id)  # the operator's list only points to it
    assert poison.requeue(tenant_id, item.id) == item
    assert queue.sent == [text.decode()]
    assert kept(poison, world.tenant_id) == []
    assert item.id not in ids(poison)
    with pytest.raises(NotFound):
        poison.requeue(world.tenant_id, item.id)
    assert len(queue.sent) == 1


def test_an_operator_sends_a_message_of_nobody_again(poison: Poison, queue: RememberingQueue) -> None:
    before = ids(poison)
    keep(poison, b"plain and wrong!")
    (item,) = nobodys(poison, before)
    assert poison.tenant_of(item.id) is None
    poison.requeue(EVERYBODY, item.id)
    assert queue.sent == ["plain and wrong!"]
    assert item.id not in ids(poison)


def test_of_eight_who_requeue_at_once_one_sends(world: World, poison: Poison, queue: RememberingQueue) -> None:
    keep(poison, naming(world))
    (item,) = kept(poison, world.tenant_id)
    outcomes: list[SetAside | AppError] = together(8, lambda number: poison.requeue(world.tenant_id, item.id))
    assert len(queue.sent) == 1
    assert len(codes(outcomes)) == 7
    assert set(codes(outcomes)) <= {"RequeueUnderWay", "PoisonNotFound"}


def test_a_message_whose_sending_failed_stays_listed_and_can_be_sent_after_a_pause(
    world: World, poison: Poison, queue: RememberingQueue, clock: FakeClock
) -> None:
    keep(poison, naming(world))
    (item,) = kept(poison, world.tenant_id)
    queue.fails = 1
    with pytest.raises(StorageDown):
        poison.requeue(world.tenant_id, item.id)
    with pytest.raises(Conflict):
        poison.requeue(world.tenant_id, item.id)
    clock.move(minutes=3)
    poison.requeue(world.tenant_id, item.id)
    assert (len(queue.sent), kept(poison, world.tenant_id)) == (1, [])


@pytest.mark.parametrize("note_id", ["", "x", "a/b", "0000000000000000-00000000", "seen:m-1", "'or'1", "../../x"])
def test_an_id_that_is_on_no_list_is_not_found(world: World, poison: Poison, note_id: str) -> None:
    keep(poison, naming(world), f"m-1 {world.tenant_id}")
    with pytest.raises(NotFound) as refused:
        poison.requeue(world.tenant_id, note_id)
    assert refused.value.code == "PoisonNotFound"


def test_nobody_sends_the_message_of_another_tenant(world: World, poison: Poison, queue: RememberingQueue) -> None:
    keep(poison, naming(world))
    (item,) = kept(poison, world.tenant_id)
    with pytest.raises(NotFound):
        poison.requeue(str(uuid.uuid4()), item.id)
    assert queue.sent == []


def test_a_message_too_big_to_carry_an_envelope_goes_back_whole(world: World, connection: str) -> None:
    text = naming(world, note="x" * 49_000)
    keep(world.poison, text)
    (item,) = kept(world.poison, world.tenant_id)
    world.poison.requeue(world.tenant_id, item.id)
    with QueueClient.from_connection_string(connection, NAMES) as raw:
        found = [base64.b64decode(message.content) for message in raw.receive_messages()]
        raw.clear_messages()
    assert text in found


def test_a_message_too_large_to_be_sent_again_is_the_callers_matter(world: World) -> None:
    """Azure takes 64 KiB of plain text; what we send is base64."""
    raw = json.dumps({"tenantId": world.tenant_id, "note": "x" * 60_000}).encode()
    world.intake.take(raw, message_id=f"big {world.tenant_id}", attempts=1)
    (row,) = world.poison.page(world.tenant_id, top=10, continuation=None).items
    with pytest.raises(Conflict) as refused:
        world.poison.requeue(world.tenant_id, row.id)
    assert refused.value.code == "MessageTooBig"
