"""The only way out to the terminal: whole lines, for a person or for a machine.

Several processes write to the same stdout. A line is written while a lock file
of the stack is held, because a pipe keeps only up to 4 KiB (PIPE_BUF) together.
"""

import fcntl
import json
import logging
import os
import sys
import threading
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

STDOUT: Final = 1
LOCK_NAME: Final = "lines.lock"

# What every LogRecord has; the rest came in through `extra`.
_PLAIN: Final = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}

invocation: Final[ContextVar[str | None]] = ContextVar("invocation", default=None)
"""Id of the invocation that runs in this context; None outside of one."""

thread_invocation: Final = threading.local()
"""`context.thread_local_storage` of functions: threads a function starts itself put their invocation id here."""


def current_invocation() -> str | None:
    """The invocation a log record belongs to, if any."""
    return invocation.get() or getattr(thread_invocation, "invocation_id", None)


class Lines:
    """Prints events: a sentence for a person, one JSON object for a machine.

    A person is spared events that are a ``detail``, unless ``verbose``; a machine gets all of them.
    """

    def __init__(self, *, as_json: bool, verbose: bool, state_dir: Path) -> None:
        self._json = as_json
        self._verbose = verbose
        self._lock = threading.Lock()
        state_dir.mkdir(parents=True, exist_ok=True)
        self._file = os.open(state_dir / LOCK_NAME, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)

    def event(self, name: str, text: str, *, detail: bool = False, **fields: object) -> None:
        """One event. `text` is what a person reads, `fields` what a machine reads as well."""
        now = datetime.now(UTC)
        if self._json:
            record = {"event": name, "time": now.isoformat(), "text": text, **fields}
            self._write(json.dumps(record, default=str) + "\n")
        elif self._verbose or not detail:
            stamp = now.astimezone().strftime("%H:%M:%S.%f")[:-3]
            self._write("".join(f"{stamp} {line}\n" for line in text.split("\n")))

    def plain(self, text: str) -> None:
        """Several lines for a person (tables, addresses); a machine gets them as events instead."""
        if not self._json:
            self._write(text + "\n")

    def _write(self, text: str) -> None:
        data = text.encode("utf-8", "backslashreplace")
        with self._lock:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                while data:
                    data = data[os.write(STDOUT, data) :]
            except BrokenPipeError:
                return  # nobody reads any more; the run goes on
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)


class LineHandler(logging.Handler):
    """Prints the app's own log records with their invocation; a machine gets the `extra` fields as well."""

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Never raises: a record that cannot be formatted is reported by logging itself."""
        try:
            message = record.getMessage()
            if record.exc_info and record.exc_info[1] is not None:
                message += "\n" + "".join(traceback.format_exception(record.exc_info[1])).rstrip()
            extra = {key: value for key, value in vars(record).items() if key not in _PLAIN}
            run = current_invocation()
            tag = f" [{run[:8]}]" if run else ""
            self._lines.event(
                "log",
                f"{record.levelname:<7}{tag} {record.name}: {message}",
                detail=record.levelno < logging.WARNING,
                level=record.levelname,
                logger=record.name,
                message=message,
                invocation=run,
                extra=extra,
            )
        except Exception:  # logging's own convention: a log line must not break the program
            self.handleError(record)


class PrintedLines:
    """Stands in for sys.stdout in a worker: what a function prints becomes log records."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._rest = threading.local()

    def write(self, text: str) -> int:
        """Keeps an unfinished line until its end arrives."""
        *whole, rest = (getattr(self._rest, "text", "") + text).split("\n")
        self._rest.text = rest
        for line in whole:
            self._logger.info("%s", line)
        return len(text)

    def flush(self) -> None:
        """Lines leave when they end; there is nothing to flush."""

    def isatty(self) -> bool:
        """Never a terminal, so nobody sends colours."""
        return False


def capture_logs(lines: Lines) -> None:
    """Send the process's log records and prints through `lines`."""
    root = logging.getLogger()
    root.handlers[:] = [LineHandler(lines)]
    root.setLevel(logging.INFO)
    for chatty in ("azure", "uvicorn"):  # one line per storage poll or request otherwise
        logging.getLogger(chatty).setLevel(logging.WARNING)
    sys.stdout = PrintedLines(logging.getLogger("print"))
