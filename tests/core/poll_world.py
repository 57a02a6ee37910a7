"""What tests of polls share: two tracked users, ticks of the timer, and directories of many users."""

from __future__ import annotations

from datetime import timedelta

from shared.kernel.clock import to_wire
from shared.kernel.errors import Denied
from shared.kernel.sign_in_errors import fault_called
from shared.presence.account_health import Accounts
from shared.presence.polling.poller import Poller
from shared.presence.store import PresenceStore
from shared.presence.views import Presence
from shared.storage.queues import Queue
from tests.core.world import FakeClock, Row, World

INTERVAL = 30  # seconds between two ticks


def user(number: int) -> str:
    return f"aaaaaaaa-0000-4000-8000-{number:012}"


ANA, BEN = user(1), user(2)


def refused_by_entra(reason: str) -> Denied:
    """What a sign-in raises for a code such as ``AADSTS50076``."""
    return Denied("no", reason=reason, fault=fault_called(reason))


NO_MFA = refused_by_entra("AADSTS50076")


def people(world: World) -> None:
    """Two users, tracked over guest accounts; Graph knows both."""
    world.set(presenceTracking={"trackOverGuestAccounts": True})
    for person, name in ((ANA, "ana"), (BEN, "ben")):
        world.put_user(person, f"{name}@contoso.example")
    say(world, ANA, "Available")
    say(world, BEN, "Busy", "InACall")


def say(world: World, person: str, availability: str, activity: str = "", sequence: str = "") -> None:
    world.reader.says[person] = Row(person, availability, activity or availability, sequence)


def tick(world: World, **moved: float) -> bool:
    """Move the clock by one interval, or as told, and poll."""
    world.clock.move(**(moved or {"seconds": INTERVAL}))
    return world.poller.poll(world.tenant_id, to_wire(world.clock()))


def poller(
    world: World,
    store: PresenceStore | None = None,
    clock: FakeClock | None = None,
    seconds: float = INTERVAL,
    polls: Queue | None = None,
) -> Poller:
    """Another instance, with a store, a clock, an interval or a queue of its own."""
    return Poller(
        store or world.presence,
        world.tenants,
        world.directory,
        world.reader,
        polls or world.polls,
        timedelta(seconds=seconds),
        clock or world.clock,
        world.elapsed,
    )


def rest(world: World) -> list[bool]:
    """Poll what was left for later, at its time."""
    outcomes = []
    for message, pause in world.polls.take():
        world.clock.move(seconds=pause)
        outcomes.append(world.poller.poll(message["tenantId"], message["tick"], message["part"], rest=message["rest"]))
    return outcomes


def readers(world: World) -> list[str]:
    asked = [source for source, _ in world.reader.asked]
    world.reader.asked.clear()
    return asked


def accounts(world: World) -> Accounts:
    return world.presence.accounts(world.tenant_id).accounts


def seen(world: World, person: str) -> Presence:
    return world.presences.of_user(world.tenant_id, person)


class Crowd:
    """A directory of many users, ids in ascending order."""

    def __init__(self, crowd: int) -> None:
        self.crowd = crowd

    def generation(self, tenant_id: str) -> str:
        return str(self.crowd)

    def user_ids(self, tenant_id: str) -> list[str]:
        return [user(number) for number in range(self.crowd)]


def crowded(world: World, crowd: int, store: PresenceStore | None = None) -> Crowd:
    """So many users, all of them away."""
    world.directory = found = Crowd(crowd)  # type: ignore[assignment]
    world.reader.says = {user(number): Row(user(number), "Away", "Away") for number in range(crowd)}
    world.poller = poller(world, store)
    return found
