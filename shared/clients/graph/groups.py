"""Members of a security group: all of them the first time, then only who came and who left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.clients.entra.sign_in import SignIns
from shared.clients.graph.graph import Absent, Graph
from shared.kernel.errors import Denied
from shared.kernel.wire import is_guid, is_upn

_SELECT: Final = "id,displayName,userPrincipalName"
_USERS: Final = "microsoft.graph.user"


@dataclass(frozen=True, slots=True)
class GroupMember:
    """``upn`` is '' where Graph does not say who it is, as for an app without User.Read.All."""

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
        """Since ``link``; all members without one. Raises Denied, Throttled, Unreachable or Broken.

        Denied has the reason ``GroupNotFound`` for a group that was deleted.
        """
        token = self._sign_ins.app_token(tenant_id)
        if not link:
            # The link first: who joins between the two reads comes again with the next changes.
            link = self._link_of_now(token, group_id)
            path = f"/v1.0/groups/{group_id}/members/{_USERS}"
            try:
                rows = list(self._graph.pages(token, path, **{"$select": _SELECT, "$top": "999"}))
            except Absent:
                raise _gone() from None
            return GroupChanges([one for row in rows if (one := _member(row))], [], True, link)
        is_member: dict[str, bool] = {}  # the last word on each counts
        next_link = ""
        for page in self._graph.follow_pages(token, link):
            is_member |= _changed(page)
            next_link = str(page.get("@odata.deltaLink") or next_link)
        members = (self._described(token, user_id) for user_id, came in is_member.items() if came)
        left = [user_id for user_id, came in is_member.items() if not came]
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


def _changed(page: dict[str, object]) -> dict[str, bool]:
    """Ids of members with whether they are in the group now. Raises Denied for a group that was deleted."""
    changed: dict[str, bool] = {}
    groups = page.get("value")
    for group in groups if isinstance(groups, list) else ():
        if not isinstance(group, dict):
            continue
        if "@removed" in group:
            raise _gone()
        members = group.get("members@delta")
        for row in members if isinstance(members, list) else ():
            if isinstance(row, dict) and is_guid(str(row.get("id"))):
                changed[str(row["id"]).lower()] = "@removed" not in row
    return changed


def _member(row: dict[str, object]) -> GroupMember | None:
    user_id, upn = str(row.get("id") or ""), str(row.get("userPrincipalName") or "")
    if not is_guid(user_id):
        return None
    known = upn if is_upn(upn) else ""
    return GroupMember(user_id.lower(), known, str(row.get("displayName") or known))


def _gone() -> Denied:
    return Denied("the group is not there any more", reason="GroupNotFound")
