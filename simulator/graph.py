"""graph.microsoft.com: finds the module that answers a path."""

from __future__ import annotations

from simulator import (
    graph_contacts,
    graph_grant_writes,
    graph_grants,
    graph_groups,
    graph_meetings,
    graph_presence,
    graph_users,
)
from simulator.graph_access import GraphRefusal, Reader, error_reply, reader_of
from simulator.graph_lists import check_options
from simulator.state import Cloud
from simulator.wire import Call, NotJson, Reply


def answer(cloud: Cloud, call: Call) -> Reply:
    """Answer one request to Graph."""
    try:
        parts = call.segments
        if not parts or parts[0].lower() not in ("v1.0", "beta"):
            raise GraphRefusal(400, "BadRequest", "Invalid version.")
        reader = reader_of(cloud, call)
        check_options(call)
        return _route(cloud, call, reader, parts[1:])
    except GraphRefusal as refusal:
        return error_reply(refusal, call)
    except NotJson:
        return error_reply(GraphRefusal(400, "BadRequest", "Unable to read JSON request payload."), call)


def _route(cloud: Cloud, call: Call, reader: Reader, parts: list[str]) -> Reply:
    lowered = [part.lower() for part in parts]
    if lowered[:1] == ["me"]:
        if reader.app_only:
            raise GraphRefusal(400, "BadRequest", "/me request is only valid with delegated authentication flow.")
        parts, lowered = ["users", reader.oid, *parts[1:]], ["users", reader.oid.lower(), *lowered[1:]]
    match call.method, lowered:
        case "POST", ["communications", "getpresencesbyuserid"]:
            return graph_presence.read_many(cloud, call, reader)
        case "GET", ["communications", "presences", _] | ["users", _, "presence"]:
            return graph_presence.read_one(cloud, reader, parts[1] if lowered[0] == "users" else parts[2])
        case "GET", ["users"]:
            return graph_users.list_users(call, reader)
        case "GET", ["users", "$count"]:
            return graph_users.count_users(call, reader)
        case "GET", ["users", _]:
            return graph_users.read_user(call, reader, parts[1])
        case "GET", ["users", _, "contacts"]:
            return graph_contacts.list_contacts(call, reader, parts[1])
        case "POST", ["users", _, "onlinemeetings"]:
            return graph_meetings.make_meeting(cloud, call, reader, parts[1])
        case "GET" | "DELETE", ["users", _, "onlinemeetings", _]:
            return graph_meetings.one_meeting(cloud, call, reader, parts[1], parts[3])
        case "GET", ["groups", "delta"]:
            return graph_groups.delta(cloud, call, reader)
        case "GET", ["groups", _, "members" | "transitivemembers", *_]:
            return graph_groups.list_members(call, reader, parts[1])
        case "GET", [head, *_] if head.startswith(("serviceprincipals", "oauth2permissiongrants")):
            return graph_grants.answer(cloud, call, reader, parts)
        case "POST" | "PATCH" | "DELETE", ["serviceprincipals" | "oauth2permissiongrants", *_]:
            return graph_grant_writes.answer(cloud, call, reader, parts)
    name = parts[0] if parts else ""
    raise GraphRefusal(400, "BadRequest", f"Resource not found for the segment '{name}'.")
