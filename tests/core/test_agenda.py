"""Appointments are called once they are due, and none is lost by the way others are handled."""

from __future__ import annotations

from datetime import timedelta

from shared.outbound.agenda import BUCKET, CALLED_AGAIN, Agenda
from tests.core.hook_world import Calls
from tests.core.memory_table import MemoryTable
from tests.core.world import FakeClock


def test_an_appointment_at_the_moment_of_a_second_call_outlives_the_first(clock: FakeClock) -> None:
    """What one process asked for must not go when another one's call is done, though both are for one moment."""
    calls = Calls()
    agenda = Agenda(MemoryTable(), {"webhook": calls}, clock)
    first, later = timedelta(seconds=62), timedelta(seconds=62 + BUCKET) + CALLED_AGAIN
    for delay in (first, later):
        agenda.wake("webhook", "tenant", "subject", clock() + delay)
    clock.moment += first + timedelta(milliseconds=1)
    assert agenda.call_due() == 1
    agenda.done(calls.waiting.pop())
    clock.move(minutes=1)
    assert agenda.call_due() == 1
    agenda.done(calls.waiting.pop())
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
    agenda.done(first)  # late: the second call is out
    clock.moment += CALLED_AGAIN
    assert agenda.call_due() == 1
    agenda.done(second)
    agenda.done(calls.waiting[-1])
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
    agenda.done(calls.waiting[0])
    assert agenda.call_due() == 1
