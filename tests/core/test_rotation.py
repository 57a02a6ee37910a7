"""Secrets sealed again under a new key, while others write, with stops, damage and a ring that does not fit."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

import pytest

from shared.interact.acs import leftover_users
from shared.storage.entities import Operation, Row
from shared.storage.secrets import SecretBox, Unreadable
from shared.storage.tables import Table
from shared.tenants.key_rotation import Rotated, Rotation
from shared.tenants.settings.settings import TenantSettings
from shared.tenants.tenants import Tenants
from shared.tenants.widget_keys import WidgetKeys
from tests.core.acs_world import GOOD, AcsWorld
from tests.core.race import codes, together
from tests.core.world import CONTOSO_STRING, OLD_KEY, World

NEW_KEY = ("new", os.urandom(32))
BOTH, ONLY_NEW = SecretBox([NEW_KEY, OLD_KEY]), SecretBox([NEW_KEY])
FIELD = "interact.acsConnectionString"


class OnlyThis(Tenants):
    """The tenants of one test: other tests' tenants share the account."""

    def __init__(self, *tenant_ids: str) -> None:
        self._only = tenant_ids

    def ids(self) -> Iterator[str]:
        return iter(self._only)


def rotation(world: World, heads: Table | None = None) -> Rotation:
    return Rotation(OnlyThis(world.tenant_id), heads or world.account.table("tenants"), BOTH)


def quietly(done: int, of: int) -> None:
    """No progress to show."""


def stored(world: World, section: str = "interact") -> str:
    """The sealed text that lies in the row."""
    row = world.account.table("tenants").get(world.tenant_id, "head:settings")
    assert row is not None
    return str(row.doc[section]["acsConnectionString"]["sealed"])


def test_everything_is_sealed_again_and_it_can_be_stopped_and_resumed(world: World) -> None:
    world.set(interact={"acsConnectionString": CONTOSO_STRING}, assistant={"acsConnectionString": CONTOSO_STRING})
    keys = world.account.table("widgetkeys")
    key = WidgetKeys(world.account.table("tenants"), keys, world.secrets, world.clock).read(world.tenant_id).widget_key
    before = world.head.settings

    def stop(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotation(world).run(stop)
    seen: list[tuple[int, int]] = []
    assert rotation(world).run(lambda done, of: seen.append((done, of))) == Rotated(0, ())
    assert seen == [(1, 1)]
    assert world.head.settings.revision == before.revision
    for section in ("interact", "assistant"):
        sealed = stored(world, section)
        opened = ONLY_NEW.open(sealed, tenant=world.tenant_id, field=f"{section}.acsConnectionString")
        assert opened == CONTOSO_STRING
        with pytest.raises(Unreadable):
            world.secrets.open(sealed, tenant=world.tenant_id, field=f"{section}.acsConnectionString")
    rotated = WidgetKeys(world.account.table("tenants"), keys, ONLY_NEW, world.clock)
    assert rotated.read(world.tenant_id).widget_key == key


class Before(Table):
    """The table of heads, where something happens once, just before the next write."""

    def __init__(self, real: Table, happens: Callable[[], object]) -> None:
        self._real = real
        self._happens = [happens]

    def get(self, partition: str, row: str) -> Row | None:
        return self._real.get(partition, row)

    def replace(self, row: Row, *, etag: str) -> str:
        self._happen()
        return self._real.replace(row, etag=etag)

    def transact(self, operations: Sequence[Operation]) -> list[str]:
        self._happen()
        return self._real.transact(operations)

    def _happen(self) -> None:
        if self._happens:
            self._happens.pop()()


def test_a_write_that_read_before_the_rotation_does_not_bring_the_old_seal_back(world: World) -> None:
    world.set(interact={"acsConnectionString": CONTOSO_STRING})
    heads = Before(world.account.table("tenants"), lambda: rotation(world).run(quietly))
    admin = TenantSettings(heads, BOTH, world.licences, (".communication.azure.com",), [], world.clock)
    head = world.head
    change = {"interact": {"restrictOrigins": True}}
    admin.patch(head, change, versions=frozenset({head.settings.revision}), by=world.by)
    assert ONLY_NEW.open(stored(world), tenant=world.tenant_id, field=FIELD) == CONTOSO_STRING
    assert world.head.settings.value.interact.restrict_origins


def ringed(world: World, box: SecretBox) -> TenantSettings:
    """The settings as an instance with another ring writes them."""
    suffixes = (".communication.azure.com",)
    return TenantSettings(world.account.table("tenants"), box, world.licences, suffixes, [], world.clock)


def patch(world: World, box: SecretBox, change: dict[str, object]) -> None:
    head = world.head
    ringed(world, box).patch(head, change, versions=frozenset({head.settings.revision}), by=world.by)


@pytest.mark.parametrize(
    "change", [{"outbound": {"maxScheduledTasksPerService": 7}}, {"interact": {"acsConnectionString": CONTOSO_STRING}}]
)
def test_a_write_of_the_settings_seals_their_secrets_with_the_newest_key(
    world: World, change: dict[str, object]
) -> None:
    world.set(interact={"acsConnectionString": CONTOSO_STRING}, assistant={"acsConnectionString": CONTOSO_STRING})
    patch(world, BOTH, change)
    for section in ("interact", "assistant"):
        field = f"{section}.acsConnectionString"
        assert ONLY_NEW.open(stored(world, section), tenant=world.tenant_id, field=field) == CONTOSO_STRING
    sealed = stored(world)
    patch(world, BOTH, {"interact": {"acsConnectionString": CONTOSO_STRING}})
    assert (stored(world), world.head.settings.revision) == (sealed, 3), "there was nothing left to do"


def test_a_write_about_something_else_is_not_said_to_change_a_secret(world: World) -> None:
    world.set(interact={"acsConnectionString": CONTOSO_STRING})
    patch(world, BOTH, {"outbound": {"maxScheduledTasksPerService": 7}})
    page = world.settings.history(world.tenant_id, top=1, continuation=None, section=None, by=None)
    assert [change.path for change in page.items[0].changes] == ["outbound.maxScheduledTasksPerService"]


def test_a_secret_whose_key_is_lost_can_be_written_anew_and_keeps_no_other_field_from_being_written(
    world: World,
) -> None:
    world.set(interact={"acsConnectionString": CONTOSO_STRING})
    before = stored(world)
    patch(world, ONLY_NEW, {"outbound": {"maxScheduledTasksPerService": 7}})
    assert stored(world) == before
    patch(world, ONLY_NEW, {"interact": {"acsConnectionString": CONTOSO_STRING}})
    assert ringed(world, ONLY_NEW).connection_string(world.head, "interact") == CONTOSO_STRING


def test_a_secret_written_in_the_middle_of_a_rotation_is_kept(world: World) -> None:
    world.set(interact={"acsConnectionString": CONTOSO_STRING})
    newer = CONTOSO_STRING.replace("contoso", "newer")
    heads = Before(world.account.table("tenants"), lambda: world.set(interact={"acsConnectionString": newer}))
    assert rotation(world, heads).run(quietly).unreadable == ()
    assert ONLY_NEW.open(stored(world), tenant=world.tenant_id, field=FIELD) == newer


def test_writes_beside_rotations_lose_nothing_and_end_under_the_new_key(world: World) -> None:
    world.set(interact={"acsConnectionString": CONTOSO_STRING})
    suffixes = (".communication.azure.com",)
    admin = TenantSettings(world.account.table("tenants"), BOTH, world.licences, suffixes, [], world.clock)

    def act(number: int) -> object:
        if number % 2:
            return rotation(world).run(quietly)
        for limit in range(1, 11):
            head = world.head
            change = {"outbound": {"maxScheduledTasksPerService": limit}}
            admin.patch(head, change, versions=frozenset({head.settings.revision}), by=world.by)
        return None

    assert codes(together(3, lambda number: act(number + 1))) == []
    assert ONLY_NEW.open(stored(world), tenant=world.tenant_id, field=FIELD) == CONTOSO_STRING
    assert world.head.settings.revision == 12


def test_a_secret_that_does_not_open_is_named_and_keeps_no_other_from_being_sealed(world: World) -> None:
    world.set(interact={"acsConnectionString": CONTOSO_STRING}, assistant={"acsConnectionString": CONTOSO_STRING})
    heads = world.account.table("tenants")
    row = heads.get(world.tenant_id, "head:widget")
    assert row is not None
    heads.overwrite(Row(row.partition, row.row, {**row.values, "sealed": "v2.lost.AAAA.AAAA"}))
    lost = f"widgetKey of tenant {world.tenant_id}"
    assert rotation(world).run(quietly) == Rotated(2, (lost,))
    assert rotation(world).run(quietly) == Rotated(0, (lost,))


def test_a_ring_that_fits_nothing_changes_nothing(world: World) -> None:
    world.set(interact={"acsConnectionString": CONTOSO_STRING})
    before = stored(world)
    wrong = Rotation(OnlyThis(world.tenant_id), world.account.table("tenants"), SecretBox([("other", bytes(32))]))
    rotated = wrong.run(quietly)
    assert rotated.sealed == 0
    assert len(rotated.unreadable) == 2
    assert stored(world) == before


def test_what_checks_left_behind_is_sealed_again_and_still_swept(world: World) -> None:
    acs = AcsWorld(world.account, world.clock)
    acs.left_behind(box=SecretBox([OLD_KEY]))
    places = [leftover_users.sealed_rows(acs.table)]
    assert Rotation(OnlyThis(), world.account.table("tenants"), BOTH, places).run(quietly) == Rotated(1, ())
    [row] = acs.rows()
    assert ONLY_NEW.open(row.text("sealed"), tenant=acs.tenant, field=leftover_users.FIELD) == GOOD
    assert acs.checks(box=ONLY_NEW).sweep() == 1
    acs.clear()
