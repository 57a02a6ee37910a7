"""What the overview recommends on the strength of how presence fares."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from shared.kernel.clock import to_wire
from shared.kernel.errors import NotPermitted, Throttled
from shared.operations.overview import MOST_SERVICES_READ, Overview
from shared.permissions.checks import LastCheck, PermissionChecks
from shared.presence.health import HealthOfPresence
from shared.tenants.directory import Directory
from shared.tenants.models import Service
from shared.tenants.tenants import Head
from tests.core.poll_world import people
from tests.core.world import SERVICE, World


class NeverChecked(PermissionChecks):
    def __init__(self) -> None:
        """Nothing is known of the tenant's permissions."""

    def last(self, head: Head) -> LastCheck:
        return LastCheck(state="unknown", gaps=[], checked_at=None)


def recommended(world: World) -> list[dict[str, Any]]:
    health = HealthOfPresence(world.presence, world.clock, timedelta(seconds=30))
    overview = Overview(world.settings, world.directory, world.outbound, health, NeverChecked())
    found: list[dict[str, Any]] = overview.of(world.head).as_json()["recommendations"]
    return found


def held_back(world: World) -> list[str]:
    found = recommended(world)
    assert {one["code"] for one in found} <= {"DistributeWhileBusy"}
    return [one["serviceUpn"] for one in found]


def polled(world: World) -> bool:
    return world.poller.poll(world.tenant_id, to_wire(world.clock()))


def test_a_service_that_holds_calls_back_is_told_to_let_them_through_once_tracking_works(world: World) -> None:
    people(world)
    world.put_service("free@contoso.example", distribution={"whileBusy": True})
    assert held_back(world) == [], "nobody has read the tenant yet"
    assert polled(world)
    assert held_back(world) == [SERVICE]
    world.put_service(SERVICE, distribution={"whileBusy": True})
    assert held_back(world) == []


def test_without_tracking_or_fresh_readings_nobody_is_told_to_distribute_while_busy(world: World) -> None:
    people(world)
    assert polled(world)
    world.clock.move(seconds=91)
    assert held_back(world) == []
    world.set(presenceTracking={"trackOverGuestAccounts": False})
    assert polled(world)
    assert held_back(world) == [], "a call just looks busy"


class Branches(Directory):
    """More services than are written in a test."""

    def __init__(self, inner: Directory, branches: int) -> None:
        self.__dict__.update(inner.__dict__)
        self.branches = branches

    def all_services(self, tenant_id: str) -> list[Service]:
        (desk,) = super().all_services(tenant_id)
        named = [{"upn": f"s{number}@contoso.example", "outbound_enabled": False} for number in range(self.branches)]
        return [desk.model_copy(update=name) for name in named]


def test_every_service_of_a_large_tenant_is_told(world: World) -> None:
    people(world)
    assert polled(world)
    world.directory = Branches(world.directory, MOST_SERVICES_READ + 1)
    assert len(held_back(world)) == MOST_SERVICES_READ + 1


@pytest.mark.parametrize(("tracking", "whom"), [(True, "Neither presence account"), (False, "The application")])
def test_a_degraded_tenant_is_told_who_cannot_read_it(world: World, tracking: bool, whom: str) -> None:
    people(world)
    world.set(presenceTracking={"trackOverGuestAccounts": tracking})
    world.reader.fails = dict.fromkeys(("account1", "account2", "application"), NotPermitted("no", reason="Forbidden"))
    assert not polled(world)
    (told,) = recommended(world)
    assert (told["code"], told["message"].startswith(whom)) == ("PresenceDegraded", True)


def test_a_tenant_that_graph_tells_to_wait_is_not_degraded(world: World) -> None:
    people(world)
    world.reader.fails["account1"] = Throttled("slow down", retry_after=9)
    assert not polled(world)
    assert recommended(world) == []
