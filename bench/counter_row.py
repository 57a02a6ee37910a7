"""The usual way to keep a limit on tables: a row that counts, changed under its ETag, read again after each conflict.

It reads and writes all that ours does, except that the counter takes the place of slots and gate.
"""

from __future__ import annotations

import json
import random
import time
import uuid
from typing import Any, Final

from azure.core.exceptions import HttpResponseError
from azure.data.tables import UpdateMode

from bench.bare_admission import SAME_VERSION, Held, Surroundings, entry_and_event, past_and_event
from bench.ways import Body, GaveUp, task_of

TRIES: Final = 10  # of an admission; a release goes on until it is through, since a count too high stays
FIRST_PAUSE: Final = 0.01  # seconds at most, doubled with each conflict up to the longest
LONGEST_PAUSE: Final = 0.16


class CounterRow:
    """The counters are there already, see ``counter``."""

    def __init__(self, surroundings: Surroundings, limit: int) -> None:
        self._around = surroundings
        self._limit = limit

    def admit(self, body: Body) -> Held | None:
        service = str(body["serviceUpn"])
        partition, task = self._around.partition(service), task_of(body, str(uuid.uuid4()), 0)
        self._around.read_tenant_and_service(service)
        for attempt in range(TRIES):
            row = self._around.outbound.get_entity(partition, "counter")
            if row["used"] >= self._limit:
                self._around.note_refusal(service)
                return None
            self._around.wake(service)
            if self._change(row, 1, entry_and_event(partition, task)):
                return Held(partition, service, task["taskId"], 0, "")
            _pause(attempt)
        raise GaveUp(f"{TRIES} conflicts")

    def release(self, held: Held) -> None:
        entry = self._around.outbound.get_entity(held.partition, f"entry:{held.entry_id}")
        condition = {"etag": entry.metadata["etag"], "match_condition": SAME_VERSION}
        moved = [
            ("delete", {"PartitionKey": held.partition, "RowKey": entry["RowKey"]}, condition),
            *past_and_event(held.partition, json.loads(entry["doc"])),
        ]
        self._around.wake(held.service)
        attempt = 0
        while not self._change(self._around.outbound.get_entity(held.partition, "counter"), -1, moved):
            _pause(attempt)
            attempt += 1

    def _change(self, row: Any, by: int, operations: list[Any]) -> bool:
        """False when the counter has changed since ``row`` was read."""
        condition = {"mode": UpdateMode.REPLACE, "etag": row.metadata["etag"], "match_condition": SAME_VERSION}
        try:
            self._around.outbound.submit_transaction(
                [("update", {**row, "used": row["used"] + by}, condition), *operations]
            )
        except HttpResponseError as error:
            if error.status_code == 412:
                return False
            raise
        return True


def _pause(attempt: int) -> None:
    time.sleep(random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt)))
