"""Online meetings made by an app on behalf of a user it has an access policy for."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

from simulator.graph_access import GUID, ROOT, GraphRefusal, Reader, not_found
from simulator.state import Cloud
from simulator.wire import Call, Reply, json_reply


def make_meeting(cloud: Cloud, call: Call, reader: Reader, user_id: str) -> Reply:
    """Make a meeting as the user; 403 without an application access policy."""
    _may(reader, user_id, "Create")
    wanted = call.json()
    if not isinstance(wanted, dict):
        raise GraphRefusal(400, "BadRequest", "The meeting must be an object.")
    meeting = _meeting(reader.tenant.tenant_id, user_id, wanted)
    cloud.meetings[meeting["id"]] = {"tenant": reader.tenant.tenant_id, "user": user_id.lower(), "meeting": meeting}
    return json_reply({"@odata.context": f"{ROOT}/$metadata#users('{user_id}')/onlineMeetings/$entity", **meeting}, 201)


def one_meeting(cloud: Cloud, call: Call, reader: Reader, user_id: str, meeting_id: str) -> Reply:
    """Read or remove one meeting."""
    _may(reader, user_id, "Delete" if call.method == "DELETE" else "Read")
    row = cloud.meetings.get(meeting_id)
    if row is None or (row["tenant"], row["user"]) != (reader.tenant.tenant_id, user_id.lower()):
        raise not_found(meeting_id)
    if call.method == "DELETE":
        del cloud.meetings[meeting_id]
        return Reply(204)
    return json_reply(row["meeting"])


def _may(reader: Reader, user_id: str, verb: str) -> None:
    if not reader.app_only:
        reader.must("OnlineMeetings.ReadWrite")
        return
    reader.must("OnlineMeetings.ReadWrite.All")
    if not GUID.fullmatch(user_id):
        raise GraphRefusal(400, "BadRequest", f"The user id '{user_id}' must be an object id.")
    if user_id.lower() not in reader.tenant.users:
        raise GraphRefusal(404, "NotFound", f"The user '{user_id}' was not found.")
    policy = reader.tenant.access_policies.get(user_id.lower(), reader.tenant.access_policies.get("*"))
    if not (policy is True or (isinstance(policy, list) and reader.client_id in policy)):
        text = f"App {reader.client_id} is not authorized to {verb} meeting on behalf of user {user_id}"
        raise GraphRefusal(403, "Unauthorized", text)


def _meeting(tenant_id: str, user_id: str, wanted: dict[str, Any]) -> dict[str, Any]:
    thread = f"19:meeting_{base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip('=')}@thread.v2"
    context = json.dumps({"Tid": tenant_id, "Oid": user_id}, separators=(",", ":"))
    meeting_id = base64.b64encode(f"1*{user_id}*0**{thread}".encode()).decode().replace("/", "_")
    number = str(uuid.uuid4().int)[:12]
    settings = wanted.get("joinMeetingIdSettings")
    passcode = settings.get("isPasscodeRequired", True) is not False if isinstance(settings, dict) else True
    return {
        "id": meeting_id,
        "subject": wanted.get("subject"),
        "startDateTime": wanted.get("startDateTime"),
        "endDateTime": wanted.get("endDateTime"),
        "joinWebUrl": f"https://teams.microsoft.com/l/meetup-join/{thread.replace(':', '%3a').replace('@', '%40')}/0"
        f"?context={context.replace('{', '%7b').replace('}', '%7d').replace(chr(34), '%22')}",
        "joinMeetingIdSettings": {
            "isPasscodeRequired": passcode,
            "joinMeetingId": number,
            "passcode": number[:6] if passcode else None,
        },
        "chatInfo": {"threadId": thread, "messageId": "0", "replyChainMessageId": None},
        "lobbyBypassSettings": wanted.get("lobbyBypassSettings") or {"scope": "organization"},
        "participants": {"organizer": {"upn": None, "role": "presenter", "identity": {"user": {"id": user_id}}}},
    }
