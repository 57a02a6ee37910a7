"""Presence: many users at once, or one."""

from __future__ import annotations

import time
from typing import Any, Final

from simulator.graph_access import ROOT, GraphRefusal, Reader, denied, not_found
from simulator.state import Cloud, presence_row
from simulator.wire import Call, Reply

IDS_AT_MOST: Final = 650
_HEAD: Final = f'{{"@odata.context":"{ROOT}/$metadata#Collection(microsoft.graph.presence)","value":['.encode()


def read_many(cloud: Cloud, call: Call, reader: Reader) -> Reply:
    """The presence of the users named in `ids`; users nobody knows are left out."""
    _within_limit(cloud, reader)
    _may_read(reader)
    # One read answers several hundred ids and benches ask for a hundred thousand, so rows are joined as stored text.
    rows = [row for user_id in _ids(call.json()) if (row := _row(cloud, reader, user_id)) is not None]
    return Reply(200, _HEAD + b",".join(rows) + b"]}")


def read_one(cloud: Cloud, reader: Reader, user_id: str) -> Reply:
    """One user's presence."""
    _within_limit(cloud, reader)
    if reader.oid.lower() != user_id.lower() or not reader.may("Presence.Read"):
        _may_read(reader)
    row = _row(cloud, reader, user_id.lower())
    if row is None:
        raise not_found(user_id)
    return Reply(200, f'{{"@odata.context":"{ROOT}/$metadata#users/presence/$entity",'.encode() + row[1:])


def _within_limit(cloud: Cloud, reader: Reader) -> None:
    wait = cloud.presence_limit.count(reader.client_id, reader.tenant.tenant_id, time.time())
    if wait:
        raise GraphRefusal(429, "TooManyRequests", "Please retry again later.", retry_after=wait)


def _may_read(reader: Reader) -> None:
    reader.must("Presence.Read.All", "Presence.ReadWrite.All")
    if reader.guest and reader.tenant.guest_restricted:
        raise denied()


def _ids(body: Any) -> list[str]:
    ids = body.get("ids") if isinstance(body, dict) else None
    if not isinstance(ids, list) or not ids or not all(isinstance(user_id, str) for user_id in ids):
        raise GraphRefusal(400, "BadRequest", "The request must hold a non-empty collection 'ids' of strings.")
    if len(ids) > IDS_AT_MOST:
        raise GraphRefusal(400, "BadRequest", f"The number of ids exceeds the maximum allowed, {IDS_AT_MOST}.")
    return list(dict.fromkeys(user_id.lower() for user_id in ids))


def _row(cloud: Cloud, reader: Reader, user_id: str) -> bytes | None:
    tenant_id = reader.tenant.tenant_id
    row = cloud.presence_of(tenant_id).get(user_id)
    if row is None and user_id in reader.tenant.users:
        row = _plain(user_id, "Offline", cloud.first_sequence())
    if row is not None and reader.tenant.privacy_mode and reader.guest:
        # Undocumented what Graph tells guests under privacy mode; nothing is the safe guess.
        return _plain(user_id, "PresenceUnknown", cloud.first_sequence())
    return row


def _plain(user_id: str, word: str, sequence: str) -> bytes:
    return presence_row(user_id, word, word, sequence, out_of_office=False)
