"""Sealed texts that are copied or moved from row to row while the keys are rotated: none is left under an old key."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from shared.interact.sessions import cleanup
from shared.interact.sessions import store as session_store
from shared.interact.sessions.cleanup import SessionEnds
from shared.interact.sessions.rules import Session
from shared.interact.sessions.store import HeldSession, SessionStore, Ties
from shared.kernel.acs_connection_string import ConnectionString, read_connection_string
from shared.storage.entities import Row, Values
from shared.storage.secrets import SecretBox
from shared.storage.tables import Table
from shared.tenants.key_rotation import MOST_PASSES, Rotated, Rotation
from shared.tenants.tenants import Tenants
from tests.core.old_seals import v1_seal
from tests.core.world import CONTOSO_STRING, OLD_KEY, FakeClock
from tests.support.memory_storage import MemoryTable

NEW_KEY = ("new", bytes([7]) * 32)
BOTH, ONLY_NEW, OLD_FIRST = SecretBox([NEW_KEY, OLD_KEY]), SecretBox([NEW_KEY]), SecretBox([OLD_KEY, NEW_KEY])
TENANT = str(uuid.uuid4())
SUFFIXES = (".communication.azure.com",)
CONTOSO = read_connection_string(CONTOSO_STRING, SUFFIXES)


class NoTenants(Tenants):
    """Only sessions matter here."""

    def __init__(self) -> None:
        pass

    def ids(self) -> Iterator[str]:
        return iter(())


class Outside:
    """An ACS with nothing to delete, and a tenant with no other string."""

    def delete_user(self, connection: ConnectionString, user_id: str, timeout: float) -> None:
        assert connection == CONTOSO

    def of(self, tenant_id: str) -> Iterator[ConnectionString]:
        return iter(())


class Stepping(Table):
    """A table as the rotation sees it; ``step`` runs before each of its calls and before each row it is given."""

    def __init__(self, real: Table, step: Callable[[], None]) -> None:
        self._real = real
        self._step = step

    def get(self, partition: str, row: str) -> Row | None:
        self._step()
        return self._real.get(partition, row)

    def span(self, partition: str, start: str, end: str, **more: Any) -> Iterator[Row]:
        for row in self._real.span(partition, start, end):
            self._step()
            yield row
        self._step()

    def partitions(self, start: str, end: str) -> Iterator[Row]:
        for row in list(self._real.partitions(start, end)):
            self._step()
            yield row

    def replace(self, row: Row, *, etag: str) -> str:
        self._step()
        return self._real.replace(row, etag=etag)


class Shop:
    """Two sessions with their entries, all sealed with the old key, the first in the form of earlier releases."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.sessions, self.index = MemoryTable(), MemoryTable()
        self.store = SessionStore(self.sessions)
        self.held = [self._planted(v1_seal(OLD_KEY, CONTOSO_STRING, tenant=TENANT, field=session_store.FIELD))]
        place = {"tenant": TENANT, "field": session_store.FIELD}
        self.held.append(self._planted(SecretBox([OLD_KEY]).seal(CONTOSO_STRING, **place)))

    def _planted(self, sealed: str) -> HeldSession:
        until = self.clock() + timedelta(hours=1)
        session = Session(
            session_id=str(uuid.uuid4()),
            conversation="direct",
            target="agent@contoso.example",
            customer=None,
            recovery=timedelta(seconds=20),
            state="Open",
            until=until,
            token_until=until,
        )
        ties = Ties("8:acs:1", sealed, CONTOSO.endpoint, "https://teams.microsoft.com/l/x", "hash")
        self.store.insert(HeldSession(TENANT, session, ties))
        values: Values = {
            "tenant": TENANT,
            "session": session.session_id,
            "user": "8:acs:1",
            "sealed": sealed,
            "made_at": "2026-03-01T11:59:00.000Z",
            "tries": 0,
        }
        moment = f"{int(self.clock().timestamp() * 1000):015}"
        self.index.insert(Row(cleanup.PARTITION, f"{moment}|{TENANT}|{session.session_id}", values))
        held = self.store.get(TENANT, session.session_id)
        assert held is not None
        return held

    def ends(self, box: SecretBox = BOTH) -> SessionEnds:
        outside = Outside()
        return SessionEnds(self.index, self.store, box, outside, outside, self.clock)

    def remind(self) -> None:
        """A process that read both sessions before the rotation began writes entries for them now."""
        for held in self.held:
            self.ends().remind(held, self.clock() + timedelta(seconds=20))

    def sweep(self) -> None:
        """Moves the entries of sessions that live on to their next moment."""
        self.ends().sweep()

    def rotate(self, step: Callable[[], None]) -> Rotated:
        places = [
            session_store.sealed_rows(Stepping(self.sessions, step)),
            cleanup.sealed_rows(Stepping(self.index, step)),
        ]
        return Rotation(NoTenants(), MemoryTable(), BOTH, places).run(lambda done, of: None)

    def rows(self) -> list[Row]:
        return [*self.sessions.span(TENANT, "", "~"), *self.index.span(cleanup.PARTITION, "0", ":")]

    def all_is_new(self) -> bool:
        place = {"tenant": TENANT, "field": session_store.FIELD}
        return all(ONLY_NEW.open(row.text("sealed"), **place) == CONTOSO_STRING for row in self.rows()) and all(
            ONLY_NEW.is_current(row.text("sealed")) for row in self.rows()
        )


@pytest.mark.parametrize("copy", [Shop.remind, Shop.sweep])
def test_a_copy_at_any_point_of_a_rotation_leaves_no_old_seal_behind(copy: Callable[[Shop], None]) -> None:
    steps = at = 0
    while at <= steps:
        shop, steps = Shop(), 0

        def step(shop: Shop = shop, at: int = at) -> None:
            nonlocal steps
            if steps == at:
                copy(shop)
            steps += 1

        assert shop.rotate(step).settled
        if at >= steps:
            copy(shop)  # after the last step
        assert all(BOTH.is_current(row.text("sealed")) for row in shop.rows()), f"copied at step {at}"
        assert shop.all_is_new()
        at += 1
    assert steps > 10


def test_what_an_instance_seals_with_the_old_key_meanwhile_is_found_by_a_further_pass() -> None:
    shop, steps = Shop(), 0

    def late() -> None:
        nonlocal steps
        steps += 1
        if steps == 8:  # the sessions are done, the entries have been read
            shop.ends(OLD_FIRST).begin(TENANT, str(uuid.uuid4()), "8:acs:1", CONTOSO)

    assert shop.rotate(late).sealed == 5
    assert shop.all_is_new()


def test_an_instance_that_never_stops_sealing_with_the_old_key_is_told_of() -> None:
    shop = Shop()

    class Restless(Stepping):
        def partitions(self, start: str, end: str) -> Iterator[Row]:
            shop.ends(OLD_FIRST).begin(TENANT, str(uuid.uuid4()), "8:acs:1", CONTOSO)
            return super().partitions(start, end)

    places = [
        session_store.sealed_rows(Restless(shop.sessions, lambda: None)),
        cleanup.sealed_rows(shop.index),
    ]
    rotated = Rotation(NoTenants(), MemoryTable(), BOTH, places).run(lambda done, of: None)
    assert rotated == Rotated(4 + MOST_PASSES, (), settled=False)
