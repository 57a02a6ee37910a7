"""Appointments are called once they are due, and none is lost by the way others are handled."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.kernel.errors import StorageDown
from shared.messaging.job_schedule import BUCKET, CALLED_AGAIN, Agenda
from tests.core.hook_world import Calls
from tests.core.world import FakeClock, World
from tests.support.memory_storage import MemoryTable


def nothing() -> None:
    """A look that finds nothing to do."""


def test_an_appointment_at_the_moment_of_a_second_call_outlives_the_first(clock: FakeClock) -> None:
    """What one process asked for must not go when another one's call is done, though both are for one moment."""
    calls = Calls()
    agenda = Agenda(MemoryTable(), {"webhook": calls}, clock)
    first, later = timedelta(seconds=62), timedelta(seconds=62 + BUCKET) + CALLED_AGAIN
    for delay in (first, later):
        agenda.wake("webhook", "tenant", "subject", clock() + delay)
    clock.moment += first + timedelta(milliseconds=1)
    assert agenda.call_due() == 1
    agenda.answer(calls.waiting.pop(), nothing)
    clock.move(minutes=1)
    assert agenda.call_due() == 1
    agenda.answer(calls.waiting.pop(), nothing)
    clock.move(minutes=10)
    assert agenda.call_due() == 0


def test_an_appointment_of_a_kind_unknown_here_waits_for_the_version_that_knows_it(clock: FakeClock) -> None:
    table, calls = MemoryTable(), Calls()
    Agenda(table, {"webhook": calls, "fax": calls}, clock).wake("fax", "tenant", "subject")
    old = Agenda(table, {"webhook": calls}, clock)
    old.wake("webhook", "tenant", "subject")
    clock.move(seconds=5)
    assert old.call_due() == 1
    assert Agenda(table, {"webhook": calls, "fax": calls}, clock).call_due() == 1


def test_a_call_that_gets_lost_is_made_again_and_one_that_was_made_is_not(clock: FakeClock) -> None:
    table, calls = MemoryTable(), Calls()
    agenda = Agenda(table, {"webhook": calls}, clock)
    agenda.wake("webhook", "tenant", "subject", clock() + timedelta(minutes=5))
    clock.move(minutes=5, seconds=1)
    assert (agenda.call_due(), agenda.call_due()) == (1, 0)
    clock.moment += CALLED_AGAIN
    assert agenda.call_due() == 1
    first, second = calls.waiting
    agenda.answer(first, nothing)  # late: the second call is out
    clock.moment += CALLED_AGAIN
    assert agenda.call_due() == 1
    agenda.answer(second, nothing)
    agenda.answer(calls.waiting[-1], nothing)
    clock.move(minutes=10)
    assert agenda.call_due() == 0


def test_what_changes_while_its_subject_is_looked_at_is_looked_at_again(clock: FakeClock) -> None:
    """Another process, whose clock is behind, makes an appointment for a moment that was called already."""
    table, calls = MemoryTable(), Calls()
    agenda = Agenda(table, {"webhook": calls}, clock)
    moment = clock() + timedelta(minutes=5)
    agenda.wake("webhook", "tenant", "subject", moment)
    clock.move(minutes=5, seconds=1)
    assert agenda.call_due() == 1
    Agenda(table, {"webhook": calls}, lambda: moment - timedelta(seconds=90)).wake(
        "webhook", "tenant", "subject", moment
    )
    agenda.answer(calls.waiting[0], nothing)
    assert agenda.call_due() == 1


def test_calls_do_not_pile_up_while_nobody_answers_them(clock: FakeClock) -> None:
    """A subject that changes all the time has one call under way; what came meanwhile is called when that is done."""
    table, calls = MemoryTable(), Calls()
    agenda = Agenda(table, {"webhook": calls}, clock)
    for _ in range(int(CALLED_AGAIN.total_seconds() / BUCKET) - 2):
        agenda.wake("webhook", "tenant", "subject")
        clock.move(seconds=BUCKET)
        agenda.call_due()
    (call,) = calls.waiting
    agenda.answer(call, nothing)
    assert agenda.call_due() == 1


def test_a_call_that_was_made_again_is_not_answered_twice(world: World) -> None:
    """On real storage, since it is the ETag that tells."""
    agenda = Agenda(world.account.table("agenda"), {"task": world.calls}, world.clock)
    agenda.wake("task", world.tenant_id, "subject", world.clock() + timedelta(minutes=5))
    looks = []
    for pause in (timedelta(minutes=5, seconds=1), CALLED_AGAIN + timedelta(seconds=1)):
        world.clock.moment += pause
        agenda.call_due()
    early, late = [call for call in world.calls.sent if call.tenant_id == world.tenant_id]
    for call in (early, late, late):
        agenda.answer(call, lambda call=call: looks.append(call))  # type: ignore[misc]
    assert looks == [late]


def test_a_look_that_fails_leaves_its_appointment(clock: FakeClock) -> None:
    table, calls = MemoryTable(), Calls()
    agenda = Agenda(table, {"webhook": calls}, clock)
    agenda.wake("webhook", "tenant", "subject", clock() + timedelta(minutes=5))
    clock.move(minutes=5, seconds=1)
    agenda.call_due()

    def die() -> None:
        raise StorageDown("the process died")

    with pytest.raises(StorageDown):
        agenda.answer(calls.waiting.pop(), die)
    clock.moment += CALLED_AGAIN
    assert agenda.call_due() == 1
