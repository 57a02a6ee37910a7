"""The storage account: opened once per process, its tables and queues made once per account."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import requests
from azure.core.exceptions import AzureError, ResourceExistsError
from azure.core.pipeline.transport import RequestsTransport
from azure.data.tables import TableServiceClient
from azure.storage.queue import LinearRetry, QueueServiceClient, TextBase64EncodePolicy

from shared.http.keep_alive import AwakeAdapter
from shared.kernel.errors import StorageDown
from shared.kernel.queue_names import QUEUES
from shared.storage.entities import Row
from shared.storage.queues import Queue
from shared.storage.tables import Table

TABLES: Final = (
    "system",
    "tenants",
    "widgetkeys",
    "directory",
    "outbound",
    "agenda",
    "journal",
    "presence",
    "signins",
    "sessions",
    "contacts",
)
# Whoever changes this list or that of the queues changes this too, so that running accounts get what is new.
LAYOUT: Final = "4"

# A blip is bridged within a second; longer waits belong to the caller, who knows what is at stake.
_RETRIES: Final[dict[str, Any]] = {"retry_total": 2, "retry_backoff_factor": 0.2}
_TIMEOUTS: Final[dict[str, Any]] = {"connection_timeout": 5, "read_timeout": 15}  # seconds
_PROBE: Final[dict[str, Any]] = {"retry_total": 0, "connection_timeout": 2, "read_timeout": 2}
# The queue SDK has retry settings of its own; its default waits 15 s and more between two tries.
_QUEUE_RETRIES: Final[dict[str, Any]] = {"backoff": 0, "random_jitter_range": 1, "retry_total": 2}


def transport() -> RequestsTransport:
    """What tables and queues send with."""
    session = requests.Session()
    session.trust_env = False  # no proxy stands before storage, and looking for one is a tenth of a call's work
    session.mount("https://", AwakeAdapter(pool_maxsize=64))
    session.mount("http://", AwakeAdapter(pool_maxsize=64))
    # Time limits given to the clients would be ignored beside a transport of our own.
    return RequestsTransport(session=session, session_owner=False, **_TIMEOUTS)


class StorageAccount:
    """Tables and queues of one account, by connection string or, with only a name, by managed identity."""

    def __init__(self, connection_string: str | None, account_name: str | None, suffix: str) -> None:
        common: dict[str, Any] = {"transport": transport(), **_RETRIES}
        patient: dict[str, Any] = {**common, "retry_policy": LinearRetry(**_QUEUE_RETRIES)}
        encode = {"message_encode_policy": TextBase64EncodePolicy()}
        if account_name:
            from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - 100 ms that local keys do not need

            credential = DefaultAzureCredential()
            host = f"{account_name}.{{}}.{suffix}"
            self._tables = TableServiceClient(f"https://{host.format('table')}", credential=credential, **common)
            self._queues = QueueServiceClient(f"https://{host.format('queue')}", credential=credential, **patient)
        else:
            text = str(connection_string)
            self._tables = TableServiceClient.from_connection_string(text, **common)
            self._queues = QueueServiceClient.from_connection_string(text, **patient)
        self._encode = encode

    def table(self, name: str) -> Table:
        return Table(self._tables.get_table_client(name))

    def queue(self, name: str) -> Queue:
        return Queue(self._queues.get_queue_client(name, **self._encode))

    def prepare(self) -> None:
        """Make what is missing. One read tells a known account; only a new one pays for the rest."""
        if self._layout() == LAYOUT:
            return
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(_if_missing, self._creations()))
        self.table("system").overwrite(Row("system", "layout", {"version": LAYOUT}))

    def probe(self) -> None:
        """One small read without patience. Raises StorageDown when tables or queues do not answer."""
        try:
            self._tables.get_table_client("system").get_entity("system", "layout", **_PROBE)
            self._queues.get_queue_client(QUEUES[0]).get_queue_properties(**_PROBE)
        except (AzureError, OSError) as exc:
            raise StorageDown("Azure Storage does not answer") from exc

    def _layout(self) -> str:
        row = self.table("system").get("system", "layout")
        return row.text("version") if row else ""

    def _creations(self) -> Iterable[Any]:
        for name in TABLES:
            yield self._tables.get_table_client(name).create_table
        for name in QUEUES:
            yield self._queues.get_queue_client(name).create_queue


def _if_missing(create: Any) -> None:
    try:
        create()
    except ResourceExistsError:
        return
    except (AzureError, OSError) as exc:
        raise StorageDown("Azure Storage does not answer while tables and queues are made") from exc
