"""Queues as the host sees them: connections by setting name, message text in its encoding."""

import base64
import binascii
import contextlib
import json
import threading
from collections.abc import Mapping
from typing import Any, Final

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueClient

from devhost.errors import IndexingError


def connection_string(name: str, environ: Mapping[str, str]) -> str:
    """The value a binding's `connection` names; `Storage` means AzureWebJobsStorage, as in the host."""
    return environ.get(f"AzureWebJobs{name}") or environ[name]


def is_connected(name: str, environ: Mapping[str, str]) -> bool:
    """Whether the setting a binding's `connection` names is there."""
    return bool(environ.get(f"AzureWebJobs{name}") or environ.get(name))


# What .NET's Convert.FromBase64String passes over, and therefore the host.
_BLANKS: Final = str.maketrans("", "", " \t\r\n")


def encoded(content: str | bytes, *, as_base64: bool) -> str:
    """Message text for the wire."""
    if as_base64:
        data = content.encode() if isinstance(content, str) else content
        return base64.b64encode(data).decode()
    return content if isinstance(content, str) else content.decode()


def decoded(text: str, *, as_base64: bool) -> str | bytes:
    """What the function gets: str if it is UTF-8, else bytes. Raises ValueError for text that is not base64."""
    if not as_base64:
        return text
    try:
        data = base64.b64decode(text.translate(_BLANKS), validate=True)
    except binascii.Error as error:
        raise ValueError(f"the message is not base64: {error}") from error
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def contents_of(datum: Any) -> list[str | bytes]:
    """The messages in what the queue converter made of an output: a JSON list is several messages."""
    if datum.type != "json":
        return [datum.value]
    value = json.loads(datum.value)
    return [
        item if isinstance(item, str) else json.dumps(item) for item in (value if isinstance(value, list) else [value])
    ]


class Queues:
    """Queue clients of one process, made at first use; threads share them."""

    def __init__(self, environ: Mapping[str, str], *, as_base64: bool) -> None:
        self._environ = environ
        self._as_base64 = as_base64
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], QueueClient] = {}

    def client(self, connection: str, queue: str) -> QueueClient:
        """One client per queue. It does not retry: the caller polls again anyway.

        Raises IndexingError for a connection string that is none.
        """
        with self._lock:
            if (connection, queue) not in self._clients:
                told = connection_string(connection, self._environ)
                try:
                    client = QueueClient.from_connection_string(told, queue, retry_total=0, read_timeout=30)
                except ValueError as error:
                    raise IndexingError(f"queue {queue}: its connection {connection} is of no use: {error}") from error
                self._clients[connection, queue] = client
            return self._clients[connection, queue]

    def decoded(self, text: str) -> str | bytes:
        """See `decoded`; the encoding is host.json's."""
        return decoded(text, as_base64=self._as_base64)

    def send(self, connection: str, queue: str, content: str | bytes) -> None:
        """Send one message that never expires; creates the queue if it is missing, as the host's binding does."""
        self.send_text(connection, queue, encoded(content, as_base64=self._as_base64))

    def send_text(self, connection: str, queue: str, text: str) -> None:
        """Send text that is encoded already."""
        client = self.client(connection, queue)
        try:
            client.send_message(text, time_to_live=-1)
        except ResourceNotFoundError:
            with contextlib.suppress(ResourceExistsError):  # another process was faster
                client.create_queue()
            client.send_message(text, time_to_live=-1)
