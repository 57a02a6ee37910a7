"""Who is in a group, who came and who left, as Graph tells it to an app that may not read everything."""

from __future__ import annotations

import pytest
import requests

from shared.clients.entra.sign_in import SignIns
from shared.clients.graph.graph import Graph
from shared.clients.graph.groups import GroupMember, GroupReader
from shared.kernel.errors import Denied
from tests.clients.fake_cloud import CLOUD, TENANT, Answer, FakeCloud, FakeEntra, TurnedClock
from tests.clients.memory_shelf import MemoryShelf

ROOT = "/graph.microsoft.com/v1.0"
LINK = "https://graph.microsoft.com/v1.0/groups/delta?$deltatoken=1"
GROUP = "cccccccc-0000-4000-8000-000000000001"
MEMBERS = f"{ROOT}/groups/{GROUP}/members/microsoft.graph.user"
ADA, BEN = "aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002"


@pytest.fixture
def groups(cloud: FakeCloud, session: requests.Session, entra: FakeEntra, clock: TurnedClock) -> GroupReader:
    sign_ins = SignIns(session, CLOUD, "a0000000-0000-4000-8000-000000000002", "app-secret", clock, MemoryShelf())
    changed(cloud)
    return GroupReader(sign_ins, Graph(session, CLOUD, clock))


def changed(cloud: FakeCloud, *rows: dict[str, object]) -> None:
    cloud.on(f"{ROOT}/groups/delta", Answer(body={"value": list(rows), "@odata.deltaLink": LINK}))


def test_members_whose_names_the_app_may_not_read_are_members_all_the_same(
    cloud: FakeCloud, groups: GroupReader
) -> None:
    nameless = {"@odata.type": "#microsoft.graph.user", "id": BEN, "displayName": None, "userPrincipalName": None}
    rows = [{"id": ADA.upper(), "displayName": "Ada", "userPrincipalName": "ada@contoso.example"}, nameless]
    cloud.on(MEMBERS, Answer(body={"value": [*rows, {"id": None}]}))
    found = groups.changes(TENANT, GROUP, "")
    assert found.came == [GroupMember(ADA, "ada@contoso.example", "Ada"), GroupMember(BEN, "", "")]
    assert found.whole


def test_of_who_left_and_came_the_last_word_counts(cloud: FakeCloud, groups: GroupReader) -> None:
    removed = {"@removed": {"reason": "deleted"}}
    changed(
        cloud,
        {"id": GROUP, "members@delta": [{"id": ADA, **removed}, {"id": BEN}, {"id": ADA}, {"id": BEN, **removed}]},
    )
    cloud.on(f"{ROOT}/users/{ADA}", Answer(body={"id": ADA, "userPrincipalName": "ada@contoso.example"}))
    found = groups.changes(TENANT, GROUP, LINK)
    assert ([one.user_id for one in found.came], found.left, found.whole) == ([ADA], [BEN], False)


@pytest.mark.parametrize("link", ["", LINK])
def test_a_group_that_was_deleted_is_no_group_without_members(cloud: FakeCloud, groups: GroupReader, link: str) -> None:
    if link:
        changed(cloud, {"id": GROUP, "@removed": {"reason": "changed"}})
    with pytest.raises(Denied) as refusal:
        groups.changes(TENANT, GROUP, link)
    assert refusal.value.reason == "GroupNotFound"
