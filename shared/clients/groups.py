"""Members of a security group: all of them the first time, then only who came and who left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from shared.clients.graph import Absent, Graph
from shared.clients.sign_in import SignIns
from shared.wire import is_guid, is_upn

_SELECT: Final = "id,displayName,userPrincipalName"
_USERS: Final = "microsoft.graph.user"


@dataclass(frozen=True, slots=True)
class GroupMember:
    user_id: str
    upn: str
    display_name: str


@dataclass(frozen=True, slots=True)
class GroupChanges:
    """``came`` is everybody when ``whole``; ``link`` leads to what changes from now on."""

    came: list[GroupMember]
    left: list[str]
    whole: bool
    link: str


class GroupReader:
    """Reads as the application, which needs GroupMember.Read.All and User.Read.All."""

    def __init__(self, sign_ins: SignIns, graph: Graph) -> None:
        self._sign_ins = sign_ins
        self._graph = graph

    def changes(self, tenant_id: str, group_id: str, link: str) -> GroupChanges:
        """Since ``link``; all members without one. Raises Denied, Throttled, Unreachable or Broken."""
        token = self._sign_ins.app_token(tenant_id)
        if not link:
            # The link first: who joins between the two reads comes again with the next changes.
            link = self._link_of_now(token, group_id)
            path = f"/v1.0/groups/{group_id}/members/{_USERS}"
            rows = self._graph.pages(token, path, **{"$select": _SELECT, "$top": "999"})
            return GroupChanges([one for row in rows if (one := _member(row))], [], True, link)
        came: list[str] = []
        left: list[str] = []
        next_link = ""
        for page in self._graph.follow_pages(token, link):
            for user_id, removed in _changed(page):
                (left if removed else came).append(user_id)
            next_link = str(page.get("@odata.deltaLink") or next_link)
        members = (self._described(token, user_id) for user_id in came)
        return GroupChanges([one for one in members if one], left, False, next_link)

    def _link_of_now(self, token: str, group_id: str) -> str:
        query = {"$filter": f"id eq '{group_id}'", "$select": "members", "$deltatoken": "latest"}
        *_, last = self._graph.raw_pages(token, "/v1.0/groups/delta", **query)
        return str(last.get("@odata.deltaLink") or "")

    def _described(self, token: str, user_id: str) -> GroupMember | None:
        try:
            return _member(self._graph.get(token, f"/v1.0/users/{user_id}", **{"$select": _SELECT}))
        except Absent:
            return None  # deleted since, or not a user but a device or a group


def _changed(page: dict[str, object]) -> Iterator[tuple[str, bool]]:
    """Ids of members with whether they left."""
    groups = page.get("value")
    for group in groups if isinstance(groups, list) else ():
        members = group.get("members@delta") if isinstance(group, dict) else None
        for row in members if isinstance(members, list) else ():
            if isinstance(row, dict) and is_guid(str(row.get("id"))):
                yield str(row["id"]).lower(), "@removed" in row


def _member(row: dict[str, object]) -> GroupMember | None:
    user_id, upn = str(row.get("id") or ""), str(row.get("userPrincipalName") or "")
    if not (is_guid(user_id) and is_upn(upn)):
        return None
    return GroupMember(user_id.lower(), upn, str(row.get("displayName") or upn))
