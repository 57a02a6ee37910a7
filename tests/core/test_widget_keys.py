"""Widget keys: who believes which for how long, with crashes and races in between."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Sequence

import pytest

from shared.interact.widget.widget import Widget
from shared.kernel.errors import NotFound, NotKnown
from shared.storage.entities import Operation, Row
from shared.storage.tables import Table
from shared.tenants.widget_keys import WidgetKeys
from tests.core.world import World


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


def test_a_key_whose_refresh_died_half_way_lets_nobody_in(world: World) -> None:
    elapsed = Elapsed()
    elsewhere = keys_of(world, elapsed)
    widget = Widget(elsewhere, world.tenants)
    old = elsewhere.read(world.tenant_id).widget_key
    assert widget.head(f" {old.upper()} ").tenant_id == world.tenant_id
    with pytest.raises(SystemExit):
        keys_of(world, elapsed, DiesBeforeRemoval(world.account.table("widgetkeys"))).refresh(
            world.tenant_id, by=world.by
        )
    for elapsed.seconds in (0, 5.1, 3600):  # nobody reads or refreshes the key meanwhile
        with pytest.raises(NotKnown) as refused:
            widget.head(old)
    with pytest.raises(NotKnown) as unknown:
        widget.head(str(uuid.uuid4()))
    assert (refused.value.code, refused.value.detail) == (unknown.value.code, unknown.value.detail)
    assert widget.head(elsewhere.read(world.tenant_id).widget_key).tenant_id == world.tenant_id


class Between(Table):
    """A table of keys where something happens just before ways are removed or a new one is laid."""

    def __init__(self, real: Table) -> None:
        self._real = real
        self.before_removal: Callable[[], object] = lambda: None
        self.after_laying: Callable[[], object] = lambda: None

    def get(self, partition: str, row: str) -> Row | None:
        return self._real.get(partition, row)

    def overwrite(self, row: Row) -> str:
        etag = self._real.overwrite(row)
        self.after_laying()
        return etag

    def remove_blindly(self, rows: Sequence[Row]) -> None:
        self.before_removal()
        self._real.remove_blindly(rows)


def test_a_call_in_the_middle_of_a_refresh_does_not_bring_the_old_key_back_here(world: World) -> None:
    table = Between(world.account.table("widgetkeys"))
    here = keys_of(world, Elapsed(), table)
    old = here.read(world.tenant_id).widget_key
    table.before_removal = lambda: here.tenant_of(old)
    here.refresh(world.tenant_id, by=world.by)
    with pytest.raises(NotKnown):
        here.tenant_of(old)


def ways_to(world: World) -> int:
    """How many keys lead to the tenant."""
    rows = world.account.table("widgetkeys").partitions("0", "g")
    found = (world.account.table("widgetkeys").get(row.partition, row.row) for row in rows)
    return sum(row is not None and row.text("tenant_id") == world.tenant_id for row in found)


def test_a_key_refreshed_while_its_tenant_leaves_goes_with_it(world: World) -> None:
    table = Between(world.account.table("widgetkeys"))
    leaving = keys_of(world, Elapsed(), table)

    def refresh_once() -> None:
        table.before_removal = lambda: None
        keys_of(world, Elapsed()).refresh(world.tenant_id, by=world.by)

    table.before_removal = refresh_once
    leaving.forget(world.tenant_id)
    assert ways_to(world) == 0


def test_a_refresh_that_comes_too_late_leaves_no_way_to_a_tenant_that_is_gone(world: World) -> None:
    table = Between(world.account.table("widgetkeys"))
    settings = world.account.table("tenants")

    class Gone(Table):
        """The tenant's rows vanish between the reads of a refresh and its transaction."""

        def __init__(self) -> None:
            pass

        def get(self, partition: str, row: str) -> Row | None:
            found = settings.get(partition, row)
            if row == "head:settings":
                keys_of(world, Elapsed()).forget(world.tenant_id)
            return found

        def transact(self, operations: Sequence[Operation]) -> list[str]:
            return settings.transact(operations)

    late = WidgetKeys(Gone(), table, world.secrets, world.clock)
    with pytest.raises(NotFound):
        late.refresh(world.tenant_id, by=world.by)
    assert ways_to(world) == 0


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
