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
