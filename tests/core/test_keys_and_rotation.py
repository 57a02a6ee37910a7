"""Widget keys and the rotation of the keys that protect secrets, with crashes in between."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence

import pytest

from shared.errors import NotKnown
from shared.storage.secrets import SecretBox, Unreadable
from shared.storage.tables import Row, Table
from shared.tenants.rotation import Rotation
from shared.tenants.tenants import Tenants
from shared.tenants.widget_keys import WidgetKeys
from tests.core.world import CONTOSO_STRING, OLD_KEY, World


class Elapsed:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def keys_of(world: World, elapsed: Elapsed, table: Table | None = None) -> WidgetKeys:
    """One instance of several."""
    heads, keys = world.account.table("tenants"), table or world.account.table("widgetkeys")
    return WidgetKeys(heads, keys, world.secrets, world.clock, elapsed)


def test_a_refreshed_key_is_invalid_at_once_here_and_within_5_seconds_elsewhere(world: World) -> None:
    elapsed = Elapsed()
    here, elsewhere = keys_of(world, elapsed), keys_of(world, elapsed)
    old = here.read(world.tenant_id).widget_key
    assert here.tenant_of(old) == elsewhere.tenant_of(old) == world.tenant_id
    new = here.refresh(world.tenant_id, by=world.by).widget_key
    with pytest.raises(NotKnown):
        here.tenant_of(old)
    elapsed.seconds = 4.9
    assert elsewhere.tenant_of(old) == world.tenant_id  # believed, and not asked again
    elapsed.seconds = 5.1
    with pytest.raises(NotKnown):
        elsewhere.tenant_of(old)
    assert elsewhere.tenant_of(f" {new.upper()} ") == world.tenant_id


class DiesBeforeRemoval(Table):
    """The process ends after the refresh is written and before the way from the old key is removed."""

    def __init__(self, real: Table) -> None:
        self._real = real
        self.dead = True

    def get(self, partition: str, row: str) -> Row | None:
        return self._real.get(partition, row)

    def overwrite(self, row: Row) -> str:
        return self._real.overwrite(row)

    def remove_blindly(self, rows: Sequence[Row]) -> None:
        if self.dead:
            raise SystemExit
        self._real.remove_blindly(rows)


def test_a_refresh_that_dies_on_its_last_line_is_made_good_by_the_next_look(world: World) -> None:
    elapsed = Elapsed()
    dying = DiesBeforeRemoval(world.account.table("widgetkeys"))
    old = keys_of(world, elapsed).read(world.tenant_id).widget_key
    with pytest.raises(SystemExit):
        keys_of(world, elapsed, dying).refresh(world.tenant_id, by=world.by)
    new = keys_of(world, elapsed).read(world.tenant_id).widget_key
    assert new != old
    with pytest.raises(NotKnown):
        keys_of(world, elapsed).tenant_of(old)
    assert keys_of(world, elapsed).tenant_of(new) == world.tenant_id


def test_refreshes_and_settings_writes_at_once_are_all_audited(world: World) -> None:
    def refresh() -> None:
        for _ in range(5):
            keys_of(world, Elapsed()).refresh(world.tenant_id, by=world.by)

    threads = [threading.Thread(target=refresh) for _ in range(2)]
    for thread in threads:
        thread.start()
    for limit in range(1, 11):
        world.set_limit(limit)
    for thread in threads:
        thread.join()
    history = world.settings.history(world.tenant_id, top=100, continuation=None, section=None, by=None).items
    assert sum(entry.changes[0].path == "widgetKey" for entry in history) == 10
    limits = [entry.changes[0].new for entry in history if entry.changes[0].path != "widgetKey"]
    assert limits == list(range(10, 0, -1))
    assert world.head.settings.revision == 11


def test_rotation_seals_everything_again_and_can_be_stopped_and_resumed(world: World) -> None:
    world.set(interact={"acsConnectionString": CONTOSO_STRING})
    key = keys_of(world, Elapsed()).read(world.tenant_id).widget_key
    revision = world.head.settings.revision
    new_key = ("new", os.urandom(32))
    both, only_new = SecretBox([new_key, OLD_KEY]), SecretBox([new_key])
    heads = world.account.table("tenants")
    stopping = Rotation(OnlyThis(world), heads, both)

    def stop(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopping.run(stop)
    seen: list[tuple[int, int]] = []
    assert Rotation(OnlyThis(world), heads, both).run(lambda done, of: seen.append((done, of))) == 0
    assert seen == [(1, 1)]
    assert world.head.settings.revision == revision
    secret = world.head.settings.value.interact.acs_connection_string
    assert secret is not None
    opened = only_new.open(secret.sealed, tenant=world.tenant_id, field="interact.acsConnectionString")
    assert opened == CONTOSO_STRING
    rotated = WidgetKeys(heads, world.account.table("widgetkeys"), only_new, world.clock)
    assert rotated.read(world.tenant_id).widget_key == key
    with pytest.raises(Unreadable):
        world.secrets.open(secret.sealed, tenant=world.tenant_id, field="interact.acsConnectionString")


class OnlyThis(Tenants):
    """The tenants of one test: other tests' tenants share the account."""

    def __init__(self, world: World) -> None:
        self._only = world.tenant_id

    def ids(self) -> Iterator[str]:
        return iter([self._only])


class Counted(Table):
    """Counts look-ups, and makes each wait until the others had time to arrive."""

    def __init__(self, real: Table, together: threading.Barrier) -> None:
        self._real = real
        self._together = together
        self.lookups = 0

    def get(self, partition: str, row: str) -> Row | None:
        self.lookups += 1
        self._together.wait(20)
        return self._real.get(partition, row)


def test_many_calls_with_one_key_at_once_cost_one_look_up(world: World) -> None:
    key = keys_of(world, Elapsed()).read(world.tenant_id).widget_key
    started = threading.Barrier(2)
    counted = Counted(world.account.table("widgetkeys"), started)
    instance = keys_of(world, Elapsed(), counted)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(instance.tenant_of(key))) for _ in range(8)]
    for thread in threads:
        thread.start()
    started.wait(20)  # the one look-up goes on only now that all threads are under way
    for thread in threads:
        thread.join(20)
    assert found == [world.tenant_id] * 8
    assert counted.lookups == 1
