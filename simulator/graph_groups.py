"""The members of a group, all of them or what changed since a link was given."""

from __future__ import annotations

import re
import secrets
from typing import Any, Final

from simulator.graph_access import ROOT, GraphRefusal, Reader, not_found
from simulator.graph_lists import page_reply, refuse_skip, selection
from simulator.graph_users import DEFAULT, KNOWN
from simulator.state import Cloud
from simulator.wire import Call, Reply, json_reply

_ONE_GROUP: Final = re.compile(r"id eq '([0-9a-fA-F-]{36})'")

READ: Final = ("GroupMember.Read.All", "Group.Read.All", "Group.ReadWrite.All", "Directory.Read.All")


def list_members(call: Call, reader: Reader, group_id: str) -> Reply:
    """A page of a group's users."""
    reader.must(*READ)
    refuse_skip(call)
    group = reader.tenant.groups.get(group_id.lower())
    if group is None:
        raise not_found(group_id)
    users = (reader.tenant.users.get(str(user_id).lower()) for user_id in group.get("members") or [])
    typed = [{"@odata.type": "#microsoft.graph.user", **user} for user in users if user is not None]
    return page_reply(call, "directoryObjects", typed, selected=selection(call, KNOWN, DEFAULT, "user"))


def delta(cloud: Cloud, call: Call, reader: Reader) -> Reply:
    """Who came to one group and who left it since a deltatoken; `latest` only gives the link to start from."""
    reader.must(*READ)
    known = call.query.get("$deltatoken", "")
    if known == "latest":
        named = _ONE_GROUP.fullmatch(call.query.get("$filter", ""))
        if named is None:
            raise GraphRefusal(400, "Request_UnsupportedQuery", "Only one group can be tracked here: id eq '...'.")
        return _changed(cloud, reader, named[1].lower(), None)
    if known not in cloud.group_deltas:
        raise GraphRefusal(410, "syncStateNotFound", "The sync state generation is not found; start again.")
    return _changed(cloud, reader, *cloud.group_deltas[known])


def _changed(cloud: Cloud, reader: Reader, group_id: str, before: frozenset[str] | None) -> Reply:
    group = reader.tenant.groups.get(group_id)
    now = frozenset(str(user_id).lower() for user_id in (group or {}).get("members") or [])
    token = secrets.token_urlsafe(24)
    cloud.group_deltas[token] = (group_id, now)
    value: list[dict[str, Any]] = []
    if before is not None and before != now:
        kind = {"@odata.type": "#microsoft.graph.user"}
        came = [{**kind, "id": user_id} for user_id in sorted(now - before)]
        left = [{**kind, "id": user_id, "@removed": {"reason": "deleted"}} for user_id in sorted(before - now)]
        value = [{"id": group_id, "members@delta": [*came, *left]}]
    link = f"{ROOT}/groups/delta?$deltatoken={token}"
    return json_reply({"@odata.context": f"{ROOT}/$metadata#groups", "@odata.deltaLink": link, "value": value})
