"""What every queue trigger needs: the message as its sender wrote it.

host.json leaves messages as they lie on the queue (``messageEncoding: none``), because a host that is told to decode
them hides those it cannot decode: they end in a poison queue whose trigger cannot read them either.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import azure.functions as func

from shared.errors import Malformed
from shared.json_text import read_json, read_text


def read(message: func.QueueMessage) -> dict[str, Any]:
    """The JSON object in a message. Raises Malformed; after five times the message is set aside with that reason."""
    data = read_json(read_text(message.get_body()).encode())
    if not isinstance(data, dict):
        raise Malformed("the message is not a JSON object")
    return data


def sent_at(message: func.QueueMessage) -> datetime | None:
    """When the storage took the message in, if the host says. It is in UTC, which the library drops from some forms."""
    moment = message.insertion_time
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)
