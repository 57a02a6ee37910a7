"""Queue messages: JSON objects, sent as the Functions host expects to read them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from azure.core.exceptions import AzureError

from shared.kernel.errors import AppError, StorageDown

if TYPE_CHECKING:  # for its name alone: 100 ms that indexing need not wait for
    from azure.storage.queue import QueueClient

MAX_BYTES: Final = 49_152  # 64 KiB on the wire, less what base64 adds
MAX_DELAY: Final = timedelta(days=7)  # Azure's limit for a hidden message


class MessageTooBig(AppError):
    """The message would pass what a queue takes; nothing was sent."""

    code = "MessageTooBig"


class Queue:
    """One queue. Delivery is at least once and in no order: whoever reads must not mind."""

    def __init__(self, client: QueueClient) -> None:
        self._client = client

    def send(self, message: Mapping[str, object], *, delay: timedelta = timedelta(0)) -> None:
        """Put a message that becomes visible after ``delay`` (0 to 7 days) and does not expire."""
        self.send_text(json.dumps(message, ensure_ascii=False, separators=(",", ":")), delay=delay)

    def send_text(self, text: str, *, delay: timedelta = timedelta(0)) -> None:
        """The same for a message that is a text already."""
        if len(text.encode()) > MAX_BYTES:
            raise MessageTooBig(f"a message for {self._client.queue_name} has more than {MAX_BYTES} bytes")
        seconds = int(min(delay, MAX_DELAY).total_seconds())
        try:
            self._client.send_message(text, visibility_timeout=seconds, time_to_live=-1)
        except (AzureError, OSError) as exc:
            raise StorageDown(f"Azure Storage does not answer (queue {self._client.queue_name})") from exc
