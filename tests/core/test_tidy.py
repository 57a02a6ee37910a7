"""The journal keeps nothing for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.outbound.refusals import Refusals
from shared.poison import Poison
from shared.storage.account import StorageAccount
from shared.storage.tables import Row
from shared.tidy import Tidy
from tests.core.race import together
from tests.core.world import World


@pytest.mark.parametrize(
    ("age", "left"),
    [
        (timedelta(hours=23), {"refusals": 2, "poison": 2, "recent": 1}),
        (timedelta(hours=25), {"refusals": 0, "poison": 2, "recent": 1}),
        (timedelta(days=29), {"refusals": 0, "poison": 2, "recent": 1}),
        (timedelta(days=31), {"refusals": 0, "poison": 0, "recent": 0}),
    ],
)
def test_refusals_go_after_a_day_and_the_rest_after_thirty(
    world: World, account: StorageAccount, age: timedelta, left: dict[str, int]
) -> None:
    table = account.table("journal")

    def later() -> datetime:
        return datetime.now(UTC) + age

    Refusals(table, later).note(world.tenant_id, "desk@contoso.example", "Full", "queue", "m-1")
    message = f'{{"tenantId": "{world.tenant_id}"}}'.encode()
    Poison(table, world.tenants, {}, later).keep(message, queue="q", reason="r", attempts=5, message_id="m-1")
    table.insert(Row(f"{world.tenant_id}|pace", "recent", {}))
    assert together(2, lambda number: Tidy(table, later).run()) is not None
    Tidy(table, later).run()

    def rows(kind: str) -> int:
        return len(list(table.span(f"{world.tenant_id}|{kind}", "", "~")))

    # A note and the word that its message is noted, each.
    assert {"refusals": rows("refusals"), "poison": rows("poison"), "recent": rows("pace")} == left
