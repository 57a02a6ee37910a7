"""The members of a group."""

from __future__ import annotations

from typing import Final

from simulator.graph_access import Reader, not_found
from simulator.graph_lists import page_reply, selection
from simulator.graph_users import DEFAULT, KNOWN
from simulator.wire import Call, Reply

READ: Final = ("GroupMember.Read.All", "Group.Read.All", "Group.ReadWrite.All", "Directory.Read.All")


def list_members(call: Call, reader: Reader, group_id: str) -> Reply:
    """A page of a group's users."""
    reader.must(*READ)
    group = reader.tenant.groups.get(group_id.lower())
    if group is None:
        raise not_found(group_id)
    users = (reader.tenant.users.get(str(user_id).lower()) for user_id in group.get("members") or [])
    typed = [{"@odata.type": "#microsoft.graph.user", **user} for user in users if user is not None]
    return page_reply(call, "directoryObjects", typed, selected=selection(call, KNOWN, DEFAULT, "user"))
