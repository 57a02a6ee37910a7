"""Messages that failed five times, of every queue: kept where people find them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import azure.functions as func

from functions.http.messages import failures_logged
from functions.wiring import core
from shared.kernel.queue_names import QUEUES
from shared.outbound.admission.intake import QUEUE as REQUESTS

bp = func.Blueprint()
_REASON: Final = "it failed five times; the log says why"


def _keeper(queue: str) -> Callable[[func.QueueMessage], None]:
    def keep(message: func.QueueMessage) -> None:
        raw = message.get_body()
        with failures_logged(message, name):
            core().poison.keep(raw, queue=queue, reason=_REASON, attempts=5, message_id=message.id or "")
            if queue == REQUESTS:
                core().outbound.intake.give_up(raw)

    name = f"keep_poison_of_{queue.replace('-', '_')}"
    keep.__name__ = keep.__qualname__ = name
    return keep


for _queue in QUEUES:
    bp.queue_trigger(arg_name="message", queue_name=f"{_queue}-poison", connection="AzureWebJobsStorage")(
        _keeper(_queue)
    )
