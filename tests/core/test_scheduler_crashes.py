"""Slots and unfinished entries stay the same set, whatever dies between which two lines."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator

import pytest

from shared.kernel.errors import AppError, StorageDown
from shared.outbound.admission.entries import Entries
from shared.outbound.admission.scheduler import Accepted, Scheduler
from shared.outbound.tasks.store import OutboundStore
from shared.storage.account import StorageAccount
from shared.storage.entities import Row
from tests.core.faults import FragileTable, Wire, wire
from tests.core.race import together
from tests.core.world import SERVICE, FakeClock, World


def rows(world: World, kind: str) -> list[Row]:
    """All rows of a kind in all partitions of the tenant, read past the store."""
    table = world.account.table("outbound")
    names = table.partitions(f"{world.tenant_id}|", f"{world.tenant_id}}}")
    found = [table.get(name.partition, name.row) for name in names if name.row.startswith(f"{kind}:")]
    return [row for row in found if row is not None]


def assert_slots_are_the_unfinished_entries(world: World) -> None:
    slots = {row.text("entry_id"): int(row.row.removeprefix("slot:")) for row in rows(world, "slot")}
    entries = {row.row.removeprefix("entry:"): row.doc["slot"] for row in rows(world, "entry")}
    assert slots == entries
    assert len(rows(world, "slot")) == len(slots), "an entry holds two slots"
    finished = {row.row.removeprefix("past:") for row in rows(world, "past")}
    assert not finished & set(entries), "an entry is finished and unfinished"
    for row in rows(world, "ref"):
        assert row.text("entry_id") in (finished if row.text("free_at") else set(entries)), (
            "a ReferenceId leads nowhere"
        )


def assert_somebody_comes(world: World) -> None:
    """The service is on the agenda, all that is due of it done with this call."""
    world.clock.move(seconds=3)
    world.calls.sent.clear()
    world.agenda.call_due()
    calls = [call for call in world.calls.sent if call.tenant_id == world.tenant_id]
    assert [call.subject for call in calls] == [SERVICE], "a change nobody looks at"
    world.agenda.answer(calls[0], lambda: None)


@pytest.fixture
def fragile(world: World) -> FragileTable:
    return FragileTable(world.account.table("outbound"))


@pytest.fixture
def scheduler(world: World, fragile: FragileTable) -> Scheduler:
    world.open_gate()
    return Scheduler(OutboundStore(fragile), world.directory, world.refusals, world.agenda, world.clock)


@pytest.fixture
def entries(world: World, fragile: FragileTable) -> Entries:
    return Entries(OutboundStore(fragile), world.directory, world.agenda, world.clock)


def submit(world: World, scheduler: Scheduler, **changes: object) -> str:
    outcome = scheduler.submit(world.head, world.entry(**changes), by=world.by, source="http")
    assert isinstance(outcome, Accepted)
    return outcome.entry.task_id


def test_a_submission_that_dies_before_its_write_leaves_nothing(
    world: World, scheduler: Scheduler, fragile: FragileTable
) -> None:
    fragile.fails = "before"
    with pytest.raises(StorageDown):
        submit(world, scheduler, ReferenceId="r-1")
    assert rows(world, "slot") == rows(world, "entry") == rows(world, "ref") == []
    submit(world, scheduler, ReferenceId="r-1")
    assert_slots_are_the_unfinished_entries(world)


def test_a_submission_that_dies_after_its_write_is_found_again_by_its_reference(
    world: World, scheduler: Scheduler, fragile: FragileTable
) -> None:
    fragile.fails = "after"
    with pytest.raises(StorageDown):
        submit(world, scheduler, ReferenceId="r-1")
    (entry,) = world.entries.unfinished(world.tenant_id, SERVICE, by=world.by)
    assert submit(world, scheduler, ReferenceId="r-1") == entry.task_id
    assert_slots_are_the_unfinished_entries(world)
    assert len(rows(world, "slot")) == 1
    assert_somebody_comes(world)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_cancellation_that_dies_leaves_the_entry_whole_or_gone(
    world: World, scheduler: Scheduler, entries: Entries, fragile: FragileTable, when: str
) -> None:
    entry_id = submit(world, scheduler, ReferenceId="r-1")
    fragile.fails = when
    world.clock.move(minutes=5)
    assert_somebody_comes(world)
    with pytest.raises(StorageDown):
        entries.cancel(world.tenant_id, entry_id, by=world.by)
    assert_somebody_comes(world)
    assert_slots_are_the_unfinished_entries(world)
    assert len(rows(world, "slot")) == (1 if when == "before" else 0)


def test_an_entry_changed_between_read_and_cancellation_is_judged_again(
    world: World, scheduler: Scheduler, entries: Entries, fragile: FragileTable
) -> None:
    entry_id = submit(world, scheduler)
    fragile.meanwhile = lambda: world.entries.cancel(world.tenant_id, entry_id, by=world.by)
    with pytest.raises(AppError) as refused:
        entries.cancel(world.tenant_id, entry_id, by=world.by)
    assert refused.value.code == "OutboundTaskFinished"
    assert_slots_are_the_unfinished_entries(world)


def test_a_slot_lost_to_a_faster_submitter_is_not_the_end(
    world: World, scheduler: Scheduler, fragile: FragileTable
) -> None:
    world.set_limit(2)
    fragile.meanwhile = lambda: [world.submit()].clear()
    submit(world, scheduler)
    assert len(rows(world, "slot")) == 2
    assert_slots_are_the_unfinished_entries(world)


def test_the_last_slot_lost_to_a_faster_submitter_is_a_refusal(
    world: World, scheduler: Scheduler, fragile: FragileTable
) -> None:
    world.set_limit(1)
    fragile.meanwhile = lambda: [world.submit()].clear()
    outcome = scheduler.submit(world.head, world.entry(), by=world.by, source="http")
    assert not isinstance(outcome, Accepted)
    assert_slots_are_the_unfinished_entries(world)


@pytest.mark.parametrize("seed", range(3))
def test_after_any_operations_with_any_crashes_slots_are_the_unfinished_entries(
    world: World, scheduler: Scheduler, entries: Entries, fragile: FragileTable, clock: FakeClock, seed: int
) -> None:
    chance = random.Random(seed)
    world.set_limit(4)
    known: list[str] = []
    for _ in range(40):
        fragile.fails = chance.choice(["", "", "before", "after"])
        try:
            match chance.choice(["submit", "refer", "cancel", "limit", "wait"]):
                case "submit":
                    known.append(submit(world, scheduler))
                case "refer":
                    known.append(submit(world, scheduler, ReferenceId=f"r-{chance.randrange(3)}"))
                case "cancel" if known:
                    entries.cancel(world.tenant_id, chance.choice(known), by=world.by)
                case "limit":
                    world.set_limit(chance.randint(2, 6))
                case _:
                    clock.move(hours=12)
        except (AppError, AssertionError):
            continue  # refused, or dead; what counts is what it leaves behind
        finally:
            fragile.fails = ""
    assert known
    assert_slots_are_the_unfinished_entries(world)
    assert len(rows(world, "slot")) <= 6


def test_after_submitters_and_cancellers_ran_side_by_side_slots_are_the_unfinished_entries(world: World) -> None:
    world.set_limit(5)

    def work(number: int) -> None:
        chance = random.Random(number)
        for turn in range(4):
            reference = {"ReferenceId": f"r-{chance.randrange(4)}"} if turn % 2 else {}
            try:
                outcome = world.submit(**reference)
                if isinstance(outcome, Accepted) and chance.random() < 0.6:
                    world.entries.cancel(world.tenant_id, outcome.entry.task_id, by=world.by)
            except AppError as exc:
                if exc.code != "OutboundTaskFinished":  # the replay of an entry somebody else has cancelled
                    raise

    assert together(8, work) == [None] * 8
    assert_slots_are_the_unfinished_entries(world)
    assert len(rows(world, "slot")) <= 5


@pytest.fixture
def lossy(connection: str, account: StorageAccount, clock: FakeClock) -> Iterator[tuple[Wire, World]]:
    """A world whose tables lie behind a wire that can lose answers. The SDK sends such a write again."""
    with wire(connection) as (tap, behind):
        yield tap, World(StorageAccount(behind, None, ""), clock, str(uuid.uuid4()))


@pytest.mark.parametrize("limit", [1, 20])
def test_a_lost_answer_does_not_make_one_submission_two_tasks(lossy: tuple[Wire, World], limit: int) -> None:
    tap, world = lossy
    world.set_limit(limit)
    world.open_gate()  # a first task finds it shut, and the answer that gets lost would be that refusal
    tap.lose = 1
    outcome = world.submit()
    assert tap.lose == 0, "the write went through the wire"
    assert isinstance(outcome, Accepted)
    assert not outcome.replayed
    assert [row.text("entry_id") for row in rows(world, "slot")] == [outcome.entry.task_id]
    assert_slots_are_the_unfinished_entries(world)


def test_a_lost_answer_to_a_cancellation_leaves_the_task_cancelled(lossy: tuple[Wire, World]) -> None:
    tap, world = lossy
    entry_id = world.submit(ReferenceId="r-1").entry.task_id
    tap.lose = 1
    world.entries.cancel(world.tenant_id, entry_id, by=world.by)
    assert tap.lose == 0, "the write went through the wire"
    assert rows(world, "slot") == []
    assert_slots_are_the_unfinished_entries(world)
