"""The queue trigger: polls, leases, runs, deletes; what fails too often goes to the poison queue."""

import asyncio
import functools
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.functions.meta import Datum

from devhost.converters import decode
from devhost.indexing import QUEUE, Function
from devhost.invocation import Invokes
from devhost.settings import QueueSettings
from devhost.storage import Queues

SHORTEST_POLL: Final = 0.1  # seconds; the host's lower bound
POISON: Final = "-poison"

T = TypeVar("T")
log = logging.getLogger("host")


@dataclass
class Held:
    """A message under lease. Renewing the lease changes the receipt."""

    message: Any
    receipt: str


class QueueListener:
    """Feeds one queue function of one process: at most batch size + new batch threshold at once."""

    def __init__(
        self, function: Function, *, queues: Queues, settings: QueueSettings, invoker: Invokes, lease: float
    ) -> None:
        self._function = function
        self._queues = queues
        self._settings = settings
        self._invoker = invoker
        self._lease = lease
        self._connection: str = function.trigger["connection"]
        self._queue: str = function.trigger["queueName"]
        self._client = queues.client(self._connection, self._queue)
        # A poison queue has no poison queue of its own: what fails there waits for its lease to end.
        self._has_poison = not self._queue.endswith(POISON)
        self._threads = ThreadPoolExecutor(4, thread_name_prefix=f"queue-{self._queue}")
        self._running: set[asyncio.Task[None]] = set()
        self._readable = True

    async def run(self, stop: asyncio.Event) -> None:
        """Poll until `stop`; then let the messages in hand finish."""
        stopping = asyncio.create_task(stop.wait())
        delay = SHORTEST_POLL
        while not stop.is_set():
            if len(self._running) > self._settings.new_batch_threshold:
                await asyncio.wait({stopping, *self._running}, return_when=asyncio.FIRST_COMPLETED)
                continue
            messages = await self._receive()
            for message in messages:
                task = asyncio.create_task(self._handle(Held(message, message.pop_receipt)))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            if messages:
                delay = SHORTEST_POLL
            else:
                await asyncio.wait({stopping}, timeout=delay)
                delay = min(delay * 2, self._settings.max_polling_interval.total_seconds())
        if self._running:
            await asyncio.wait(self._running)

    async def _receive(self) -> list[Any]:
        """The next batch, under lease. A missing queue is an empty one; storage that is away is said once."""
        try:
            messages = await self._in_thread(self._next_page)
        except ResourceNotFoundError:
            return []
        except AzureError as error:
            if self._readable:
                log.warning("queue %s cannot be read: %s", self._queue, str(error).splitlines()[0])
            self._readable = False
            return []
        if not self._readable:
            log.info("queue %s can be read again", self._queue)
        self._readable = True
        return messages

    def _next_page(self) -> list[Any]:
        pages = self._client.receive_messages(
            messages_per_page=self._settings.batch_size, visibility_timeout=int(self._lease)
        ).by_page()
        return list(next(pages, ()))

    async def _handle(self, held: Held) -> None:
        """One message from lease to its end. Storage errors are logged; the message then comes back by itself."""
        try:
            if self._has_poison and held.message.dequeue_count > self._settings.max_dequeue_count:
                await self._poison(held, "it was taken too often without an end")
                return
            try:
                argument = _queue_message(held.message, self._queues.decoded(held.message.content))
            except ValueError as error:
                await self._poison(held, str(error))
                return
            await self._run_leased(held, argument)
        except AzureError as error:
            log.warning("queue %s, message %s: %s", self._queue, held.message.id, str(error).splitlines()[0])

    async def _run_leased(self, held: Held, argument: Any) -> None:
        done = asyncio.Event()
        renewing = asyncio.create_task(self._renew(held, done))
        outcome = await self._invoker.invoke(self._function, {self._function.trigger["name"]: argument})
        done.set()
        await renewing  # a renewal under way must not outlive the receipt that is used next
        if outcome.succeeded:
            await self._in_thread(self._client.delete_message, held.message.id, held.receipt)
        elif not self._has_poison:
            return
        elif held.message.dequeue_count >= self._settings.max_dequeue_count:
            await self._poison(held, f"it failed {held.message.dequeue_count} times")
        else:
            seconds = int(self._settings.visibility_timeout.total_seconds())
            await self._in_thread(
                self._client.update_message, held.message.id, held.receipt, visibility_timeout=seconds
            )

    async def _renew(self, held: Held, done: asyncio.Event) -> None:
        """Keep the lease while the function runs."""
        finished = asyncio.create_task(done.wait())
        while not (await asyncio.wait({finished}, timeout=self._lease / 2))[0]:
            try:
                renewed = await self._in_thread(
                    self._client.update_message, held.message.id, held.receipt, visibility_timeout=int(self._lease)
                )
            except AzureError as error:
                log.warning("queue %s: lease of %s not renewed: %s", self._queue, held.message.id, error)
                continue
            held.receipt = str(renewed.pop_receipt)

    async def _poison(self, held: Held, why: str) -> None:
        """Copy the message as it is, then delete it; a crash in between leaves it twice, never lost."""
        if not self._has_poison:
            return
        target = self._queue + POISON
        log.warning("queue %s: message %s moves to %s: %s", self._queue, held.message.id, target, why)
        await self._in_thread(self._queues.send_text, self._connection, target, held.message.content)
        await self._in_thread(self._client.delete_message, held.message.id, held.receipt)

    async def _in_thread(self, call: Callable[..., T], *arguments: Any, **named: Any) -> T:
        work = functools.partial(call, *arguments, **named)
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _queue_message(message: Any, content: str | bytes) -> Any:
    """func.QueueMessage, made by azure-functions' own converter from the metadata the host sends."""
    metadata = {
        "Id": _json(message.id),
        "DequeueCount": _json(message.dequeue_count),
        "InsertionTime": _json(message.inserted_on),
        "ExpirationTime": _json(message.expires_on),
        "NextVisibleTime": _json(message.next_visible_on),
        "PopReceipt": _json(message.pop_receipt),
    }
    datum = Datum(content, "string" if isinstance(content, str) else "bytes")
    return decode(QUEUE, datum, metadata)


def _json(value: object) -> Datum:
    return Datum(json.dumps(value.isoformat() if isinstance(value, datetime) else value), "json")
