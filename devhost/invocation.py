"""Runs a function once: arguments in, outputs out, one line in the log."""

import asyncio
import contextvars
import functools
import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, thread
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from devhost import lines
from devhost.converters import encode
from devhost.indexing import RETURN, Function
from devhost.replies import Reply, reply_of
from devhost.storage import Queues, contents_of

log = logging.getLogger("host")
_OURS: Final = (Path(__file__), Path(thread.__file__))


@dataclass(frozen=True)
class TraceContext:
    """W3C trace context of the caller; empty without one."""

    trace_parent: str = ""
    trace_state: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


NO_TRACE: Final = TraceContext()


@dataclass(frozen=True)
class RetryContext:
    """The devhost runs no retry policies; queues bring messages back instead."""

    retry_count: int = 0
    max_retry_count: int = 0
    exception: None = None


@dataclass(frozen=True)
class Context:
    """The `context` argument, shaped like azure.functions.Context."""

    invocation_id: str
    function_name: str
    function_directory: str
    trace_context: TraceContext
    retry_context: RetryContext = RetryContext()
    thread_local_storage: threading.local = lines.thread_invocation


class Out:
    """The argument of an output binding; None until the function sets it."""

    def __init__(self) -> None:
        self._value: Any = None

    def set(self, value: Any) -> None:
        """What the function wants sent."""
        self._value = value

    def get(self) -> Any:
        """What was set last."""
        return self._value


@dataclass(frozen=True)
class Outcome:
    """How an invocation ended. `reply` is there for HTTP functions that succeeded."""

    succeeded: bool
    reply: Reply | None = None


class Invokes(Protocol):
    """What a trigger needs in order to run its function."""

    async def invoke(
        self, function: Function, arguments: Mapping[str, object], trace: TraceContext = NO_TRACE
    ) -> Outcome:
        """Run the function once; never raises what the function raises."""
        ...


class Invoker:
    """Runs functions: plain ones on a thread pool, async ones on the loop, as the worker in Azure does."""

    def __init__(
        self,
        *,
        output: lines.Lines,
        queues: Queues,
        pool: ThreadPoolExecutor,
        app_dir: Path,
        is_open: Callable[[], bool],
    ) -> None:
        self._lines = output
        self._queues = queues
        self._pool = pool
        self._storage = ThreadPoolExecutor(thread_name_prefix="storage")
        self._app_dir = app_dir
        self._is_open = is_open  # else a request comes from the seed
        self.running = 0

    async def invoke(
        self, function: Function, arguments: Mapping[str, object], trace: TraceContext = NO_TRACE
    ) -> Outcome:
        """Run the function; an exception of it is logged and becomes a failed outcome, never raised."""
        run = str(uuid.uuid4())
        token = lines.invocation.set(run)
        started = time.perf_counter()
        self.running += 1
        outcome = Outcome(succeeded=False)
        try:
            outcome = Outcome(succeeded=True, reply=await self._run(function, run, arguments, trace))
        except (Exception, SystemExit) as error:
            log.error("function %s failed", function.name, exc_info=_from_the_app(error))
        finally:
            self.running -= 1
            self._report(function, run, arguments, outcome, milliseconds=(time.perf_counter() - started) * 1000)
            lines.invocation.reset(token)
        return outcome

    async def _run(
        self, function: Function, run: str, arguments: Mapping[str, object], trace: TraceContext
    ) -> Reply | None:
        outs = {name: Out() for name in function.outputs if name != RETURN}
        given = {**arguments, **outs}
        if function.wants_context:
            given["context"] = Context(run, function.name, str(self._app_dir), trace)
        returned = await self._call(function, run, given)
        if returned is not None and RETURN not in function.outputs:
            raise RuntimeError(f"function {function.name} without a $return binding returned a non-None value")
        values = {name: returned if name == RETURN else outs[name].get() for name in function.outputs}
        reply = None
        for name, binding in function.outputs.items():
            if binding["type"] == "http":
                reply = reply_of(values[name])
            elif values[name] is not None:
                await self._send(binding, values[name])
        return reply

    async def _call(self, function: Function, run: str, arguments: Mapping[str, object]) -> object:
        if function.is_async:
            return await function.call(**arguments)
        context = contextvars.copy_context()
        call = functools.partial(context.run, _on_this_thread, run, function.call, arguments)
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    async def _send(self, binding: Mapping[str, Any], value: object) -> None:
        """Put a queue output on its queue, message by message."""
        datum = encode("queue", value)
        for content in contents_of(datum):
            await asyncio.get_running_loop().run_in_executor(
                self._storage, self._queues.send, binding["connection"], binding["queueName"], content
            )

    def _report(
        self, function: Function, run: str, arguments: Mapping[str, object], outcome: Outcome, *, milliseconds: float
    ) -> None:
        word = "Succeeded" if outcome.succeeded else "Failed"
        fields: dict[str, object] = {}
        shown = f"{word:<9} {function.kind:<5} {function.name}"
        if function.kind == "http":
            fields["status"] = outcome.reply.status if outcome.reply else 500
            shown = f"{fields['status']} {_line_of(arguments[function.trigger['name']])}  {function.name}"
        self._lines.event(
            "invocation",
            f"{shown} {milliseconds:.0f} ms [{run[:8]}]",
            detail=outcome.succeeded and not (function.kind == "http" and self._is_open()),
            function=function.name,
            invocation=run,
            trigger=function.kind,
            duration_ms=round(milliseconds, 2),
            outcome=word,
            **fields,
        )


def _line_of(request: Any) -> str:
    """Method and path; a query may hold what is nobody's business."""
    return f"{request.method} {urlsplit(request.url).path}"


def _on_this_thread(run: str, call: Any, arguments: Mapping[str, object]) -> object:
    """Run a plain function with its invocation id where `context.thread_local_storage` shows it."""
    lines.thread_invocation.invocation_id = run
    try:
        return call(**arguments)
    finally:
        lines.thread_invocation.invocation_id = None


def _from_the_app(error: BaseException) -> BaseException:
    """The error with the way through the devhost cut off its traceback, if it was raised in the app."""
    steps = error.__traceback__
    while steps is not None and Path(steps.tb_frame.f_code.co_filename) in _OURS:
        steps = steps.tb_next
    return error if steps is None else error.with_traceback(steps)
