"""What every queue trigger needs: the message as its sender wrote it.

host.json leaves messages as they lie on the queue (``messageEncoding: none``), because a host that is told to decode
them hides those it cannot decode: they end in a poison queue whose trigger cannot read them either.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import azure.functions as func

from shared.kernel import log
from shared.kernel.errors import AppError, Malformed
from shared.kernel.json_text import read_json, read_text
from shared.kernel.wire import is_guid


def read(message: func.QueueMessage) -> dict[str, Any]:
    """The JSON object in a message. Raises Malformed; after five times the message is set aside with that reason."""
    data = read_json(read_text(message.get_body()).encode())
    if not isinstance(data, dict):
        raise Malformed("the message is not a JSON object")
    return data


@contextmanager
def failures_logged(message: func.QueueMessage, operation: str) -> Iterator[None]:
    """Logs the tenant of a message that could not be worked on, which the host's own line does not know.

    Raises what the work raises, so that the host delivers the message again.
    """
    try:
        yield
    except Exception as exc:
        log.warning(
            "a queue message failed",
            operation=operation,
            tenant=_tenant_of(message),
            attempts=message.dequeue_count,
            why=exc.code if isinstance(exc, AppError) else type(exc).__name__,
        )
        raise


def _tenant_of(message: func.QueueMessage) -> str | None:
    try:
        named = str(read(message).get("tenantId"))
    except Malformed:
        return None
    return named.lower() if is_guid(named) else None


def sent_at(message: func.QueueMessage) -> datetime | None:
    """When the storage took the message in, if the host says. It is in UTC, which the library drops from some forms."""
    moment = message.insertion_time
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)
