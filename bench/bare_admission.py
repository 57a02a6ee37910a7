"""The bare equivalent of one admission: the same reads and transactions, straight from azure-data-tables.

This is the least code that keeps the limit when several processes submit at once: read the tenant's head, the
service and the held slots; insert slot, entry and event (and reference) and touch the gate in one transaction, at
another slot if somebody was faster. It checks nothing of what it sends, builds no models and writes no log. Rows
have the names, keys and sizes of ours. Client settings are those of shared/storage/account.py.
"""

from __future__ import annotations

import json
import math
import random
import secrets
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

import requests
from azure.core import MatchConditions
from azure.core.pipeline.transport import RequestsTransport
from azure.data.tables import TableClient, TableServiceClient, TableTransactionError, UpdateMode
from requests.adapters import HTTPAdapter

from bench.ways import Body, cancelled, event_of, now, task_of, text

_RETRIES: Final[dict[str, Any]] = {"retry_total": 2, "retry_backoff_factor": 0.2}
_TIMEOUTS: Final[dict[str, Any]] = {"connection_timeout": 5, "read_timeout": 15}  # seconds
_RANGE: Final = "PartitionKey eq @p and RowKey ge @s and RowKey lt @e"
SAME_VERSION: Final = MatchConditions.IfNotModified


def open_tables(connection: str) -> TableServiceClient:
    """A client with the transport, pool and patience ours has."""
    session = requests.Session()
    session.mount("http://", HTTPAdapter(pool_maxsize=64))
    transport = RequestsTransport(session=session, session_owner=False, **_TIMEOUTS)
    return TableServiceClient.from_connection_string(connection, transport=transport, **_RETRIES)


@dataclass(frozen=True, slots=True)
class Held:
    """What must be known to release an entry: where it is, and its reference row or nothing."""

    partition: str
    service: str
    entry_id: str
    slot: int
    reference: str


class Surroundings:
    """What every way on tables reads and writes beside the limit: the same for ours, bare and counter row.

    ``outbound``, ``journal`` and ``agenda`` are names of tables.
    """

    def __init__(self, tables: TableServiceClient, tenant_id: str, outbound: str, journal: str, agenda: str) -> None:
        self._tenant_id = tenant_id
        self.outbound: TableClient = tables.get_table_client(outbound)
        self._tenants = tables.get_table_client("tenants")
        self._directory = tables.get_table_client("directory")
        self._journal = tables.get_table_client(journal)
        self._agenda = tables.get_table_client(agenda)
        self._made: set[str] = set()

    def partition(self, service: str) -> str:
        return f"{self._tenant_id}|{sha256(service.encode()).hexdigest()[:16]}"

    def read_tenant_and_service(self, service: str) -> None:
        list(self._tenants.query_entities(_RANGE, parameters={"p": self._tenant_id, "s": "head:", "e": "head;"}))
        self._directory.get_entity(self._tenant_id, f"service:{service}")

    def wake(self, service: str) -> None:
        """Appointments on whole 2 seconds and on whole minutes, each written once."""
        for seconds in (2, 60):
            at = math.ceil((time.time() + (1 if seconds == 2 else seconds)) / seconds) * seconds
            moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            row = f"{moment}|task|{self._tenant_id}|{service}"
            if row not in self._made:
                values = {"kind": "task", "tenant_id": self._tenant_id, "subject": service}
                shard = f"shard:{sha256(service.encode()).digest()[0] % 8}"
                self._agenda.upsert_entity({"PartitionKey": shard, "RowKey": row, **values}, mode=UpdateMode.REPLACE)
                self._made.add(row)

    def note_refusal(self, service: str) -> None:
        key = f"{10**15 - time.time_ns() // 1_000_000:016}-{secrets.token_hex(4)}"
        values = {"service_upn": service, "code": "OutboundTaskLimitReached", "at": now(), "source": "http"}
        self._journal.create_entity({"PartitionKey": f"{self._tenant_id}|refusals", "RowKey": key, **values})


class BareAdmission:
    """``limit`` is not read from the head, though the head is. ``note``: whether refusals are noted."""

    def __init__(self, surroundings: Surroundings, limit: int, *, note: bool = True) -> None:
        self._around = surroundings
        self._limit = limit
        self._note = note

    def admit(self, body: Body) -> Held | None:
        service = str(body["serviceUpn"])
        partition = self._around.partition(service)
        self._around.read_tenant_and_service(service)
        while True:
            parameters = {"p": partition, "s": "slot:", "e": "slot;"}
            rows = self._around.outbound.query_entities(_RANGE, parameters=parameters)
            free = set(range(self._limit)) - {int(row["RowKey"][5:]) for row in rows}
            if not free:
                if self._note:
                    self._around.note_refusal(service)
                return None
            self._around.wake(service)
            for slot in random.sample(sorted(free), min(2, len(free))):
                held = self._insert(partition, slot, body)
                if held is not None:
                    return held

    def release(self, held: Held) -> None:
        """Read the entry (and its reference) and move it to the past in one transaction."""
        outbound, partition = self._around.outbound, held.partition
        entry = outbound.get_entity(partition, f"entry:{held.entry_id}")
        condition = {"etag": entry.metadata["etag"], "match_condition": SAME_VERSION}
        self._around.wake(held.service)
        operations: list[Any] = [
            ("delete", {"PartitionKey": partition, "RowKey": entry["RowKey"]}, condition),
            ("delete", {"PartitionKey": partition, "RowKey": f"slot:{held.slot:02}"}),
            *past_and_event(partition, json.loads(entry["doc"])),
        ]
        if held.reference:
            values = {"entry_id": held.entry_id, "fingerprint": sha256(entry["doc"].encode()).hexdigest()}
            row = {"PartitionKey": partition, "RowKey": f"ref:{held.reference}", "free_at": now(), **values}
            operations.append(("upsert", row, {"mode": UpdateMode.REPLACE}))
        outbound.submit_transaction(operations)

    def _insert(self, partition: str, slot: int, body: Body) -> Held | None:
        """The entry in this slot, or None if somebody else has the slot."""
        entry_id = str(uuid.uuid4())
        reference = sha256(str(body["ReferenceId"]).encode()).hexdigest() if "ReferenceId" in body else ""
        known = {"entry_id": entry_id, "fingerprint": sha256(text(body).encode()).hexdigest()}
        operations: list[Any] = [
            created(partition, f"slot:{slot:02}", reference=reference, state="Scheduled", **known),
            *entry_and_event(partition, task_of(body, entry_id, slot), reference),
            ("update", {"PartitionKey": partition, "RowKey": "gate"}, {"mode": UpdateMode.MERGE}),
        ]
        if reference:
            operations.append(created(partition, f"ref:{reference}", **known))
        try:
            self._around.outbound.submit_transaction(operations)
        except TableTransactionError as error:
            if error.status_code == 409 and error.index == 0:
                return None
            raise
        return Held(partition, str(body["serviceUpn"]), entry_id, slot, reference)


class TwoInserts:
    """No admission at all: one transaction that inserts two small rows, the least that storage asks for."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._around = surroundings

    def admit(self, body: Body) -> str:
        partition, name = self._around.partition(str(body["serviceUpn"])), uuid.uuid4().hex
        rows = [created(partition, f"one:{name}"), created(partition, f"two:{name}")]
        self._around.outbound.submit_transaction(rows)
        return name

    def release(self, held: str) -> None:
        """Nothing: the rows stay."""


def created(partition: str, row: str, **values: object) -> tuple[str, dict[str, object]]:
    return ("create", {"PartitionKey": partition, "RowKey": row, **values})


def entry_and_event(partition: str, task: dict[str, Any], reference: str = "") -> list[Any]:
    return [
        created(partition, f"entry:{task['taskId']}", reference=reference, state="Scheduled", doc=text(task)),
        created(partition, f"outbox:{task['taskId']}|000001", freed="", offer=0, doc=text(event_of(task))),
    ]


def past_and_event(partition: str, task: dict[str, Any]) -> list[Any]:
    """What releasing ``task`` inserts."""
    past = cancelled(task)
    kept = {"state": "Cancelled", "finished_at": past["finishedAt"], "doc": text(past)}
    return [
        created(partition, f"past:{task['taskId']}", **kept),
        created(partition, f"outbox:{task['taskId']}|000002", freed="", offer=0, doc=text(event_of(past))),
    ]
