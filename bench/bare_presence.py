"""The other two ways to poll presence: one GET per user, and a row per user of which all are read and written."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from shared.app_settings.config import PresenceAccount
from shared.clients.entra.sign_in import SignIns
from shared.clients.graph.graph import Graph, PresenceReading
from shared.presence.account_health import Source
from shared.presence.blocks import IDS_PER_BLOCK
from shared.presence.polling.fallback_reader import CALLS_AT_ONCE, Reader
from shared.storage.entities import Insert, Operation, Replace, Row
from shared.storage.tables import Table


class OneByOne:
    """A reader for our own poller that asks Graph for each user; as many calls at once as a poll makes at most."""

    def __init__(self, sign_ins: SignIns, graph: Graph, account: PresenceAccount) -> None:
        self._sign_ins = sign_ins
        self._graph = graph
        self._account = account

    def read(self, tenant_id: str, source: Source, user_ids: Sequence[str]) -> list[PresenceReading]:  # noqa: ARG002
        token = self._sign_ins.guest_token(tenant_id, self._account)
        return [self._one(token, user_id) for user_id in user_ids]

    def _one(self, token: str, user_id: str) -> PresenceReading:
        said = self._graph.get(token, f"/v1.0/users/{user_id}/presence")
        return PresenceReading(user_id, str(said["availability"]), str(said["activity"]), str(said["sequenceNumber"]))


class AllRows:
    """A row per user: each poll reads all of them, asks Graph in blocks, and writes all of them."""

    def __init__(self, table: Table, reader: Reader) -> None:
        self._table = table
        self._reader = reader

    def poll(self, tenant_id: str, user_ids: Sequence[str]) -> None:
        partition = f"{tenant_id}|rows"
        before = {row.row: row.etag for row in self._table.span(partition, "", "~")}
        parts = [user_ids[at : at + IDS_PER_BLOCK] for at in range(0, len(user_ids), IDS_PER_BLOCK)]
        with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
            answers = pool.map(lambda part: self._reader.read(tenant_id, "account1", part), parts)
            found = [one for answer in answers for one in answer]
        operations: list[Operation] = []
        for one in found:
            words = {"availability": one.availability, "activity": one.activity, "sequence": one.sequence_number}
            row = Row(partition, one.user_id, words)
            operations.append(Replace(row, before[row.row]) if row.row in before else Insert(row))
        self._table.transact_all(operations)
