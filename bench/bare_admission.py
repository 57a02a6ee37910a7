"""The bare equivalent of one admission: the same reads and transactions, straight from azure-data-tables.

This is the least code that keeps the limit when several processes submit at once: read the tenant's head, the
service and the held slots; insert slot and entry (and reference) in one transaction, at another slot if
somebody was faster. It checks nothing of what it sends, builds no models and writes no log. Rows have the
names, keys and sizes of ours. Client settings are those of shared/storage/account.py.
"""

from __future__ import annotations

import json
import random
import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

import requests
from azure.core import MatchConditions
from azure.core.pipeline.transport import RequestsTransport
from azure.data.tables import TableClient, TableServiceClient, TableTransactionError, UpdateMode
from requests.adapters import HTTPAdapter

_RETRIES: Final[dict[str, Any]] = {"retry_total": 2, "retry_backoff_factor": 0.2}
_TIMEOUTS: Final[dict[str, Any]] = {"connection_timeout": 3, "read_timeout": 15}  # seconds
_RANGE: Final = "PartitionKey eq @p and RowKey ge @s and RowKey lt @e"


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
    entry_id: str
    slot: int
    reference: str


class BareAdmission:
    """One tenant's admissions. ``limit`` is not read from the head, though the head is."""

    def __init__(self, tables: TableServiceClient, tenant_id: str, limit: int) -> None:
        self._tenants = tables.get_table_client("tenants")
        self._directory = tables.get_table_client("directory")
        self._tables = tables
        self._tenant_id = tenant_id
        self._limit = limit
        self._outbound: TableClient
        self._journal: TableClient

    def use(self, outbound: str, journal: str) -> None:
        """Work on these tables, which are there already."""
        self._outbound = self._tables.get_table_client(outbound)
        self._journal = self._tables.get_table_client(journal)

    def admit(self, body: Mapping[str, Any], *, note: bool = True) -> Held | None:
        """Three reads and a transaction, or None when the service is full, noted in the journal if ``note``."""
        service = str(body["serviceUpn"])
        partition = f"{self._tenant_id}|{sha256(service.encode()).hexdigest()[:16]}"
        list(self._tenants.query_entities(_RANGE, parameters={"p": self._tenant_id, "s": "head:", "e": "head;"}))
        self._directory.get_entity(self._tenant_id, f"service:{service}")
        while True:
            rows = self._outbound.query_entities(_RANGE, parameters={"p": partition, "s": "slot:", "e": "slot;"})
            free = set(range(self._limit)) - {int(row["RowKey"][5:]) for row in rows}
            if not free:
                if note:
                    self._note(service)
                return None
            for slot in random.sample(sorted(free), len(free)):
                held = self._insert(partition, slot, body)
                if held is not None:
                    return held

    def release(self, held: Held) -> None:
        """Read the entry (and its reference) and move it to the past in one transaction."""
        partition = held.partition
        entry = self._outbound.get_entity(partition, f"entry:{held.entry_id}")
        etag, match = entry.metadata["etag"], MatchConditions.IfNotModified
        moment = _now()
        past = json.loads(entry["doc"]) | {
            "state": "Cancelled",
            "event": "Cancelled",
            "completionReason": "Cancelled",
            "finishedAt": moment,
        }
        operations: list[Any] = [
            (
                "delete",
                {"PartitionKey": partition, "RowKey": entry["RowKey"]},
                {"etag": etag, "match_condition": match},
            ),
            ("delete", {"PartitionKey": partition, "RowKey": f"slot:{held.slot:02}"}),
            ("create", {"PartitionKey": partition, "RowKey": f"past:{held.entry_id}", "doc": _text(past)}),
        ]
        if held.reference:
            row = self._outbound.get_entity(partition, f"ref:{held.reference}")
            condition = {"mode": UpdateMode.REPLACE, "etag": row.metadata["etag"], "match_condition": match}
            operations.append(("update", {**row, "free_at": moment}, condition))
        self._outbound.submit_transaction(operations)

    def _insert(self, partition: str, slot: int, body: Mapping[str, Any]) -> Held | None:
        """The entry in this slot, or None if somebody else has the slot."""
        entry_id = str(uuid.uuid4())
        reference = sha256(str(body["ReferenceId"]).encode()).hexdigest() if "ReferenceId" in body else ""
        fingerprint = sha256(_text(body).encode()).hexdigest()
        added = {"schedulerEntryId": entry_id, "state": "Scheduled", "event": "Scheduled", "attempt": 0, "slot": slot}
        entry = {**_DEFAULTS, **body, **added, "createdAt": _now()}
        known = {"entry_id": entry_id, "fingerprint": fingerprint}
        rows: list[dict[str, Any]] = [
            {"RowKey": f"slot:{slot:02}", "reference": reference, "state": "Scheduled", **known},
            {"RowKey": f"entry:{entry_id}", "reference": reference, "doc": _text(entry)},
        ]
        if reference:
            rows.append({"RowKey": f"ref:{reference}", **known})
        try:
            self._outbound.submit_transaction([("create", {"PartitionKey": partition, **row}) for row in rows])
        except TableTransactionError as error:
            if error.status_code == 409 and error.index == 0:
                return None
            raise
        return Held(partition, entry_id, slot, reference)

    def _note(self, service: str) -> None:
        key = f"{10**15 - time.time_ns() // 1_000_000:016}-{secrets.token_hex(4)}"
        values = {"service_upn": service, "code": "OutboundTaskLimitReached", "at": _now(), "source": "http"}
        self._journal.create_entity({"PartitionKey": f"{self._tenant_id}|refusals", "RowKey": key, **values})


_DEFAULTS: Final = {
    "distributionPriority": "Normal",
    "maxAttempts": 1,
    "attemptTimeoutInSeconds": 3600,
    "maxQueueTimeInSeconds": 300,
    "ronaTimeoutInSeconds": 20,
}


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
