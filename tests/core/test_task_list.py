"""The list of tasks that admins page through."""

from __future__ import annotations

import pytest

from tests.core.world import STUCK, World

OTHER = "other-desk@contoso.example"


@pytest.mark.parametrize("top", [1, 2, 500])
def test_each_task_of_all_services_is_listed_once_however_it_is_paged(world: World, top: int) -> None:
    world.put_service(OTHER)
    ids = {world.submit(**changes).entry.task_id for changes in ({}, {}, {"serviceUpn": OTHER}, {"serviceUpn": OTHER})}
    finished = min(ids)
    world.supervision.release(world.tenant_id, finished, STUCK, by=world.by)
    found, continuation = [], None
    while True:
        page = world.supervision.entries(
            world.tenant_id, service_upn=None, state=None, top=top, continuation=continuation
        )
        found += [(one.id, one.state) for one in page.items]
        continuation = page.continuation
        if continuation is None:
            break
    assert sorted(found) == sorted((one, "Released" if one == finished else "Scheduled") for one in ids)
    (only,) = world.supervision.entries(
        world.tenant_id, service_upn=None, state="Released", top=top, continuation=None
    ).items
    assert only.id == finished
