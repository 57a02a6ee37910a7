"""The figures of a tenant of several parts, and what may be recommended on their strength."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.kernel.clock import to_wire
from shared.presence.account_health import Note
from shared.presence.account_notes import AccountNotes
from shared.presence.store import Figures, PartState, Roster
from tests.core.world import World

INTERVAL = timedelta(seconds=30)


@pytest.fixture(autouse=True)
def two_parts(world: World) -> None:
    """The second part was polled 30 s after the first; both accounts work."""
    world.set(presenceTracking={"trackOverGuestAccounts": True})
    world.presence.reform(world.tenant_id, Roster("1", 2), [], [])
    AccountNotes(world.presence, world.clock).note(world.tenant_id, [Note("account1"), Note("account2")])
    for number in (0, 1):
        at = to_wire(world.clock() + number * INTERVAL)
        figures = Figures(at, "account1", 650, 3, 2, 1, 200 + number, oldest=at)
        world.presence.lease(world.tenant_id, number, PartState(figures=figures))
    world.clock.move(seconds=30)


def test_the_figures_of_parts_are_summed_and_the_age_is_that_of_the_oldest(world: World) -> None:
    health = world.health()
    assert (health.users_read, health.changes, health.graph_calls, health.throttled) == (1300, 6, 4, 2)
    assert (health.milliseconds, health.age_seconds) == (201, 30)
    assert health.last_poll_at == to_wire(world.clock() - INTERVAL)


def test_what_is_too_old_is_stale_and_nothing_is_recommended(world: World) -> None:
    world.clock.move(seconds=60)
    assert (world.health().stale, world.health().works) == (False, True)
    world.clock.move(milliseconds=1)
    assert (world.health().stale, world.health().works) == (True, False)


def test_while_neither_account_works_nothing_is_recommended(world: World) -> None:
    notes = AccountNotes(world.presence, world.clock)
    notes.note(world.tenant_id, [Note("account1", "MfaRequired")])
    assert (world.health().degraded, world.health().works) == (False, True)
    notes.note(world.tenant_id, [Note("account2", "WrongPassword")])
    assert (world.health().degraded, world.health().works) == (True, False)
    assert world.health().problem == "MfaRequired"
