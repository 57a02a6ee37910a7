"""The journal keeps nothing for ever."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from azure.data.tables import TableServiceClient

from shared.messaging.dead_letters import Poison
from shared.operations.retention import Tidy
from shared.outbound.tasks.refusals import Refusals
from shared.presence.guest_accounts.consent import USES as CONSENTS
from shared.storage.account import StorageAccount
from shared.storage.entities import Row
from shared.storage.tables import Table
from tests.core.race import together
from tests.core.world import World
from tests.support.memory_storage import MemoryTable


@pytest.fixture
def own(connection: str, account: StorageAccount) -> Table:
    """A journal that no other test writes to, since tidying looks at all of it."""
    name = f"journal{uuid.uuid4().hex[:8]}"
    with TableServiceClient.from_connection_string(connection) as service:
        service.create_table(name)
    return account.table(name)


@pytest.mark.parametrize(
    ("age", "left"),
    [
        (timedelta(hours=23), {"refusals": 2, "consents": 1, "poison": 2, "recent": 1}),
        (timedelta(hours=25), {"refusals": 0, "consents": 0, "poison": 2, "recent": 1}),
        (timedelta(days=29), {"refusals": 0, "consents": 0, "poison": 2, "recent": 1}),
        (timedelta(days=31), {"refusals": 0, "consents": 0, "poison": 0, "recent": 0}),
    ],
)
def test_refusals_and_used_consent_states_go_after_a_day_and_the_rest_after_thirty(
    world: World, own: Table, age: timedelta, left: dict[str, int]
) -> None:

    def later() -> datetime:
        return datetime.now(UTC) + age

    Refusals(own, later).note(world.tenant_id, "desk@contoso.example", "Full", "queue", "m-1")
    message = f'{{"tenantId": "{world.tenant_id}"}}'.encode()
    Poison(own, world.tenants, {}, later).keep(message, queue="q", reason="r", attempts=5, message_id="m-1")
    own.insert(Row(f"{world.tenant_id}|pace", "recent", {}))
    own.insert(Row(f"{world.tenant_id}|{CONSENTS}", "state", {}))
    assert together(2, lambda number: Tidy(own, MemoryTable(), later).run()) is not None
    Tidy(own, MemoryTable(), later).run()

    def rows(kind: str) -> int:
        return len(list(own.span(f"{world.tenant_id}|{kind}", "", "~")))

    # A note and the word that its message is noted, each.
    found = {"refusals": rows("refusals"), "consents": rows(CONSENTS)}
    assert found | {"poison": rows("poison"), "recent": rows("pace")} == left
