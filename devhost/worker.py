"""One worker process: imports the app and runs its HTTP, timer and queue functions. Internal; the supervisor starts it.

Standard input is a socket to the supervisor. It brings the job (one JSON line)
and later `open`; its end means that the supervisor is gone, and so are we.
"""

import asyncio
import json
import logging
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import uvicorn

from devhost import lines
from devhost.checks import make_folder
from devhost.errors import CannotStart, IndexingError
from devhost.http import HttpApp
from devhost.indexing import QUEUE, TIMER, Function, index, load, summary
from devhost.invocation import Invoker
from devhost.job import Job
from devhost.options import body_limit, queue_lease
from devhost.queues import QueueListener
from devhost.settings import HostSettings, read_host_settings
from devhost.storage import Queues, is_connected
from devhost.timers import Timer

GRACE: Final = 10.0  # seconds running invocations may take after SIGTERM
# Bytes of request line and headers that are read at all; up to here a client gets a proper 414 or 431.
PARSER_LIMIT: Final = 1024 * 1024

log = logging.getLogger("host")


class Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the worker decides when it stops."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leaves the signals to the worker."""
        yield


class Worker:
    """The app's functions and what feeds them."""

    def __init__(self, job: Job, functions: list[Function], host: HostSettings, output: lines.Lines) -> None:
        self._job = job
        self._functions = functions
        self._host = host
        self._queues = Queues(os.environ, as_base64=host.queues.base64)
        self._invoker = Invoker(
            output=output,
            queues=self._queues,
            pool=ThreadPoolExecutor(_threads(), thread_name_prefix="function"),
            app_dir=Path(job.app_dir),
            is_open=lambda: self.door.is_set(),
        )
        self.door = asyncio.Event()
        self.stop = asyncio.Event()
        if job.door_open:
            self.door.set()

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until `stop`, then give running invocations GRACE seconds. `ready` is called once it listens."""
        server, feeds = self._server(), self._feeds()
        serving = asyncio.create_task(server.serve([socket.socket(fileno=self._job.listen_fd)]))
        stopping = asyncio.create_task(self.stop.wait())
        opening = asyncio.create_task(self.door.wait())
        while not server.started:
            await asyncio.sleep(0.01)
        ready()
        await asyncio.wait({opening, stopping}, return_when=asyncio.FIRST_COMPLETED)
        listening = [asyncio.create_task(feed(self.stop)) for feed in feeds]
        for task in listening:
            task.add_done_callback(_report_crash)
        await stopping
        server.should_exit = True
        _, late = await asyncio.wait({serving, *listening}, timeout=GRACE)
        if late or self._invoker.running:
            log.warning("%d invocations did not end within %.0f s and are cut off", self._invoker.running, GRACE)
            os._exit(0)  # cancelling them would only fill the log

    def _feeds(self) -> list[Callable[[asyncio.Event], Any]]:
        folder = make_folder(Path(self._job.state_dir) / "timers")
        lease = queue_lease(os.environ)
        timers = [
            Timer(one, folder=folder, invoker=self._invoker, run_id=self._job.run_id).run
            for one in self._functions
            if one.trigger_type == TIMER
        ]
        queues = [
            QueueListener(one, queues=self._queues, settings=self._host.queues, invoker=self._invoker, lease=lease).run
            for one in self._functions
            if one.trigger_type == QUEUE
        ]
        return [*timers, *queues]

    def _server(self) -> Server:
        app = HttpApp(
            self._functions,
            prefix=self._host.route_prefix,
            invoker=self._invoker,
            door=self.door,
            secret=self._job.secret,
            key=os.environ.get("DEVHOST_FUNCTION_KEY"),
            body_limit=body_limit(os.environ),
        )
        return Server(
            uvicorn.Config(
                app,
                loop="asyncio",
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=130,  # Kestrel's
                h11_max_incomplete_event_size=PARSER_LIMIT,
            )
        )


def _threads() -> int:
    """PYTHON_THREADPOOL_THREAD_COUNT, or the worker's default."""
    told = os.environ.get("PYTHON_THREADPOOL_THREAD_COUNT", "")
    return int(told) if told.isdigit() and int(told) else min(32, (os.cpu_count() or 1) + 4)


def _report_crash(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a listener of the devhost broke; this is a fault of the devhost", exc_info=error)


def _declared(app_dir: Path) -> list[Function]:
    """What function_app.py declares; raises IndexingError with the traceback of what broke in it."""
    try:
        return index(load(app_dir), os.environ)
    except IndexingError:
        raise
    except SystemExit as error:
        raise IndexingError(f"function_app.py itself ended the process: sys.exit({error.code!r})") from error
    except Exception as error:
        raise IndexingError("function_app.py could not be imported:\n" + traceback.format_exc()) from error


def _index(job: Job) -> tuple[list[Function], HostSettings]:
    """The app's functions; every queue binding's connection is known to be set."""
    host = read_host_settings(Path(job.app_dir))
    functions = _declared(Path(job.app_dir))
    for function in functions:
        for binding in (function.trigger, *function.outputs.values()):
            if "connection" in binding and not is_connected(binding["connection"], os.environ):
                raise IndexingError(f"function {function.name}: its connection {binding['connection']} is not set")
    return functions, host


def _watch(channel: BinaryIO, opened: Callable[[], None]) -> None:
    """Wait for the supervisor's word; end the process at once when the supervisor is gone."""
    for line in channel:
        if line.strip() == b"open":
            opened()
    os._exit(1)


class Answer:
    """What the supervisor is told of the start. It reads one answer; what goes wrong later is for the log."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._given = False

    def ready(self, functions: list[dict[str, str]]) -> None:
        """The worker listens."""
        self._tell(ready=True, functions=functions)

    def failed(self, why: str) -> None:
        """The worker ends."""
        if self._given:
            log.error("worker: %s", why)
        else:
            self._tell(ready=False, why=why)

    def _tell(self, **words: object) -> None:
        self._given = True
        self._channel.sendall(json.dumps(words).encode() + b"\n")


async def _serve(job: Job, answer: Answer, words: BinaryIO, output: lines.Lines) -> None:
    functions, host = _index(job)
    worker = Worker(job, functions, host, output)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, worker.stop.set)
    opened = lambda: loop.call_soon_threadsafe(worker.door.set)  # noqa: E731 - handed to a thread
    threading.Thread(target=_watch, args=(words, opened), daemon=True).start()
    await worker.run(lambda: answer.ready(summary(functions, host.route_prefix)))


def main() -> None:
    """Run the job on standard input until SIGTERM. Exit code 0 then, 3 with the reason told if it cannot go on."""
    channel = socket.socket(fileno=sys.stdin.fileno())
    words = channel.makefile("rb")
    job = Job(**json.loads(words.readline()))
    output = lines.Lines(as_json=job.as_json, verbose=job.verbose, state_dir=Path(job.state_dir))
    lines.capture_logs(output)
    answer = Answer(channel)
    code = 3
    try:
        asyncio.run(_serve(job, answer, words, output))
        code = 0
    except (IndexingError, CannotStart) as error:
        answer.failed(str(error))
    except Exception:
        answer.failed("it broke, which is a fault of the devhost:\n" + traceback.format_exc())
    # Threads that are still in a function must not keep the process.
    os._exit(code)


if __name__ == "__main__":
    main()
