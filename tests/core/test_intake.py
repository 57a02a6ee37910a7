"""The queue path: admitted by the same rule; refusals end, what cannot be read is set aside."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest

from shared.kernel.clock import to_wire
from shared.kernel.errors import StorageDown
from shared.messaging.dead_letters import EVERYBODY, SetAside
from shared.outbound.admission.batches import ITEM
from shared.outbound.admission.intake import Intake
from shared.outbound.admission.scheduler import Scheduler
from shared.outbound.tasks.store import OutboundStore
from tests.core.faults import FragileTable
from tests.core.race import together
from tests.core.world import SERVICE, FakeClock, World


def message(world: World, **changes: Any) -> str:
    due = to_wire(world.clock() + timedelta(hours=1))
    body = {"tenantId": world.tenant_id, "serviceUpn": SERVICE, "destination": "+41791234567", "dueDateTimeUtc": due}
    return json.dumps(body | changes)


def take(world: World, text: str, message_id: str = "m-1") -> None:
    world.intake.take(text.encode(), message_id=f"{message_id} {world.tenant_id}", attempts=1)


def held(world: World) -> int:
    return len(world.outbound.slots(world.tenant_id, SERVICE))


def refusals(world: World) -> list[tuple[str, str]]:
    page = world.refusals.page(world.tenant_id, top=100, continuation=None)
    return [(refusal.code, refusal.source) for refusal in page.items]


def set_aside(world: World, tenant_id: str | None = None) -> list[SetAside]:
    return world.poison.page(tenant_id or world.tenant_id, top=100, continuation=None).items


def nobodys(world: World) -> set[str]:
    return {item.id for item in world.poison.page(EVERYBODY, top=1000, continuation=None).items}


def test_a_message_is_admitted_like_a_call(world: World) -> None:
    take(world, message(world, ReferenceId="r-1"))
    (entry,) = world.entries.unfinished(world.tenant_id, SERVICE, by=world.by)
    assert (entry.reference_id, entry.state) == ("r-1", "Scheduled")
    due = to_wire(world.clock() + timedelta(hours=1))
    again = world.submit(ReferenceId="r-1", dueDateTimeUtc=due)
    assert (again.replayed, again.entry.task_id) == (True, entry.task_id)


def test_a_refused_message_ends_and_is_counted(world: World) -> None:
    world.set_limit(1)
    take(world, message(world), "m-1")
    take(world, message(world), "m-2")
    assert held(world) == 1
    assert refusals(world) == [("OutboundTaskLimitReached", "queue")]
    assert set_aside(world) == []


def test_hooks_are_told_of_a_refused_message_with_the_reason(world: World) -> None:
    world.set_limit(1)
    world.submit()
    take(world, message(world, ReferenceId="r-2"))
    world.beat()
    (told,) = (event.scheduler_entry for event in world.hooks.told.values() if event.name == "Rejected")
    assert told is not None
    assert (told["completionReason"], told["ReferenceId"]) == ("OutboundTaskLimitReached", "r-2")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"serviceUpn": "nobody@contoso.example"}, "ServiceNotFound"),
        ({"dueDateTimeUtc": "2020-01-01T00:00:00Z"}, "DueDateOutOfRange"),
    ],
)
def test_what_the_rules_refuse_ends_as_a_refusal(world: World, change: dict[str, Any], code: str) -> None:
    take(world, message(world, **change))
    assert refusals(world) == [(code, "queue")]
    assert (held(world), set_aside(world)) == (0, [])


def test_a_message_that_waited_for_an_hour_is_judged_by_the_moment_it_was_sent(world: World, clock: FakeClock) -> None:
    sent_at = clock()
    text = message(world, dueDateTimeUtc=to_wire(sent_at))
    too_late = message(world, dueDateTimeUtc=to_wire(sent_at - timedelta(minutes=6)))
    clock.move(hours=1)
    for number, one in enumerate((text, too_late)):
        world.intake.take(one.encode(), message_id=f"m-{number} {world.tenant_id}", attempts=2, sent_at=sent_at)
    assert held(world) == 1
    assert refusals(world) == [("DueDateOutOfRange", "queue")]


@pytest.mark.parametrize(
    "batch", ["nightly-run", {"id": "b", "index": 0}, {"id": str(uuid.uuid4()), "index": 0}, [], 7]
)
@pytest.mark.parametrize("field", ["batch", ITEM])
def test_a_field_of_the_senders_own_changes_nothing(world: World, field: str, batch: object) -> None:
    for number in range(2):
        take(world, message(world, **{field: batch}), f"m-{number}")
    assert (held(world), set_aside(world)) == (2, [])


def test_a_refusal_names_the_service_as_its_admin_spells_it(world: World) -> None:
    world.set_limit(1)
    take(world, message(world, serviceUpn=SERVICE.upper(), ReferenceId="r-1"), "m-1")
    take(world, message(world, serviceUpn=SERVICE.upper(), ReferenceId="r-1", destination="+41790000001"), "m-2")
    take(world, message(world, serviceUpn=SERVICE.upper()), "m-3")
    take(world, message(world, serviceUpn=SERVICE.upper()), "m-3")
    page = world.refusals.page(world.tenant_id, top=100, continuation=None)
    assert {refusal.service_upn for refusal in page.items} == {SERVICE}
    world.beat()
    rejected = [event for event in world.hooks.told.values() if event.name == "Rejected"]
    assert [(event.service_upn, event.task["serviceUPN"]) for event in rejected] == [(SERVICE, SERVICE)] * 2


def test_a_conflicting_reference_ends_as_a_refusal(world: World) -> None:
    take(world, message(world, ReferenceId="r-1"), "m-1")
    take(world, message(world, ReferenceId="r-1", destination="+41791111111"), "m-2")
    assert refusals(world) == [("ReferenceIdConflict", "queue")]
    assert held(world) == 1


def test_a_message_delivered_twice_is_one_task(world: World) -> None:
    take(world, message(world))
    take(world, message(world))
    assert held(world) == 1
    assert refusals(world) == []


def test_a_refused_message_that_comes_again_is_listed_once(world: World) -> None:
    world.set_limit(1)
    take(world, message(world), "m-1")
    for message_id in ("m-2", "m-2", "m-3"):
        take(world, message(world), message_id)
    for _ in range(2):
        take(world, message(world, serviceUpn="nobody@contoso.example"), "m-4")
    assert sorted(refusals(world)) == [
        ("OutboundTaskLimitReached", "queue"),
        ("OutboundTaskLimitReached", "queue"),
        ("ServiceNotFound", "queue"),
    ]


def test_a_message_delivered_eight_times_at_once_is_one_task(world: World) -> None:
    assert together(8, lambda number: take(world, message(world))) == [None] * 8
    assert held(world) == 1


def test_a_message_delivered_again_after_its_task_was_cancelled_is_not_a_new_task(
    world: World, clock: FakeClock
) -> None:
    text = message(world)
    take(world, text)
    (entry,) = world.entries.unfinished(world.tenant_id, SERVICE, by=world.by)
    world.entries.cancel(world.tenant_id, entry.task_id, by=world.by)
    clock.move(hours=2)
    take(world, text)
    assert held(world) == 0


def test_two_messages_with_the_same_content_are_two_tasks(world: World) -> None:
    take(world, message(world), "m-1")
    take(world, message(world), "m-2")
    assert held(world) == 2


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_message_whose_worker_dies_becomes_one_task_at_its_next_delivery(world: World, when: str) -> None:
    fragile = FragileTable(world.account.table("outbound"))
    world.open_gate()
    scheduler = Scheduler(OutboundStore(fragile), world.directory, world.refusals, world.agenda, world.clock)
    dying = Intake(scheduler, world.batches, world.tenants, world.refusals, world.poison)
    fragile.fails = when
    with pytest.raises(StorageDown):
        dying.take(message(world).encode(), message_id=f"m-1 {world.tenant_id}", attempts=1)
    take(world, message(world), "m-1")
    assert held(world) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"destination": "nowhere"}, "destination"),
        ({"serviceUpn": None}, "serviceUpn"),
        ({"maxAttempts": 99}, "maxAttempts"),
        ({"customer": {"city": "x" * 2000}}, "customer.city"),
    ],
)
def test_a_malformed_message_is_set_aside_for_its_tenant_with_the_reason(
    world: World, clock: FakeClock, change: dict[str, Any], said: str
) -> None:
    world.intake.take(message(world, **change).encode(), message_id="m-1", attempts=3)
    (item,) = set_aside(world)
    assert said in item.reason
    assert (item.queue, item.attempts, item.at) == ("outbound-requests", 3, to_wire(clock()))
    assert (held(world), refusals(world)) == (0, [])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "nothing of the kind",
        "[" * 100_000,
        '{"tenantId": 3}',
        '{"tenantId": "x"}',
        "{}",
        "1" * 5000,
    ],
)
def test_a_message_that_names_no_tenant_is_set_aside_for_the_operator(world: World, text: str) -> None:
    before = nobodys(world)
    take(world, text)
    assert len(nobodys(world) - before) == 1
    assert set_aside(world) == []


@pytest.mark.parametrize("change", [{}, {"destination": "nowhere"}])
def test_a_message_of_an_unknown_tenant_is_set_aside_for_the_operator(world: World, change: dict[str, Any]) -> None:
    stranger = str(uuid.uuid4())
    before = nobodys(world)
    take(world, message(world, tenantId=stranger, **change))
    assert len(nobodys(world) - before) == 1
    assert set_aside(world, stranger) == []


def test_a_tenant_is_named_in_any_case(world: World) -> None:
    take(world, message(world, tenantId=world.tenant_id.upper()))
    take(world, message(world, tenantId=world.tenant_id.upper(), destination="nowhere"))
    assert (held(world), len(set_aside(world))) == (1, 1)


def test_a_message_of_the_largest_size_is_set_aside_whole(world: World) -> None:
    text = message(world, destination="nowhere", note="ä😀" * 8000)
    take(world, text)
    (row,) = world.account.table("journal").span(f"{world.tenant_id}|poison", "0", ":")
    assert row.doc == text


def test_a_message_that_was_refused_stays_refused_when_it_is_delivered_again(world: World) -> None:
    world.set_limit(1)
    entry = world.submit().entry
    take(world, message(world))
    world.entries.cancel(world.tenant_id, entry.task_id, by=world.by)  # now there would be room
    take(world, message(world))
    world.beat()
    assert held(world) == 0
    assert [event.name for event in world.hooks.told.values()].count("Rejected") == 1
    assert len(refusals(world)) == 1


@pytest.mark.parametrize("changes", [{"ReferenceId": "r-1"}, {"destination": "+41790000009"}])
def test_a_message_delivered_again_is_known_though_its_task_was_rewritten(world: World, changes: Any) -> None:
    text = message(world)
    take(world, text)
    (entry,) = world.entries.unfinished(world.tenant_id, SERVICE, by=world.by)
    world.entries.rewrite(world.head, entry.task_id, lambda: world.entry(**changes), by=world.by)
    take(world, text)
    world.beat()
    assert held(world) == 1
    assert refusals(world) == []
    assert "Rejected" not in [event.name for event in world.hooks.told.values()]
