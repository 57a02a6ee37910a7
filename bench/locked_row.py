"""A locked row in PostgreSQL: one transaction with ``SELECT ... FOR UPDATE`` of the service, the task and its event.

Who comes second waits for the lock, so there is nothing to retry. With fsync and synchronous_commit on, an answer
means that the task is on disk.
"""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg.types.json import Jsonb

from bench.ways import Body, cancelled, event_of, task_of, upn

_SCHEMA: Final = """
DROP TABLE IF EXISTS service, task, outbox;
CREATE TABLE service (upn text PRIMARY KEY, most int NOT NULL, used int NOT NULL);
CREATE TABLE task (id uuid PRIMARY KEY, service text NOT NULL, state text NOT NULL, doc jsonb NOT NULL);
CREATE TABLE outbox (task uuid, number int, doc jsonb NOT NULL, PRIMARY KEY (task, number));
"""


@dataclass(frozen=True, slots=True)
class _Held:
    service: str
    task_id: str


class LockedRow:
    """Starts with empty tables; a connection per thread."""

    def __init__(self, address: str, *, services: int, limit: int) -> None:
        self._address = address
        self._local = threading.local()
        with psycopg.connect(address) as connection:
            connection.execute(_SCHEMA)
            for number in range(services):
                connection.execute("INSERT INTO service VALUES (%s, %s, 0)", (upn(number), limit))

    def admit(self, body: Body) -> _Held | None:
        service, task = str(body["serviceUpn"]), task_of(body, str(uuid.uuid4()), 0)
        with self._connection.transaction():
            run = self._connection.execute
            most, used = run("SELECT most, used FROM service WHERE upn = %s FOR UPDATE", (service,)).fetchone()
            if used >= most:
                return None
            run("UPDATE service SET used = used + 1 WHERE upn = %s", (service,))
            run("INSERT INTO task VALUES (%s, %s, 'Scheduled', %s)", (task["taskId"], service, Jsonb(task)))
            run("INSERT INTO outbox VALUES (%s, 1, %s)", (task["taskId"], Jsonb(event_of(task))))
        return _Held(service, task["taskId"])

    def release(self, held: _Held) -> None:
        with self._connection.transaction():
            run = self._connection.execute
            (task,) = run("SELECT doc FROM task WHERE id = %s FOR UPDATE", (held.task_id,)).fetchone()
            past = cancelled(task)
            run("UPDATE task SET state = 'Cancelled', doc = %s WHERE id = %s", (Jsonb(past), held.task_id))
            run("INSERT INTO outbox VALUES (%s, 2, %s)", (held.task_id, Jsonb(event_of(past))))
            run("UPDATE service SET used = used - 1 WHERE upn = %s", (held.service,))

    @property
    def _connection(self) -> Any:
        if not hasattr(self._local, "connection"):
            self._local.connection = psycopg.connect(self._address, autocommit=True)
        return self._local.connection
