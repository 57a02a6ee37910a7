"""Child processes that cannot outlive the supervisor, and how to wait for and end them."""

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from devhost.errors import CannotStart

_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final[Any] = ctypes.CDLL(None) if sys.platform == "linux" else None
_SHOWN: Final = 5  # lines of a child's log in an error message


def _die_with_parent(with_signal: int) -> Callable[[], None]:
    """Linux: the kernel signals the child when the supervisor's main thread ends. Other systems rely on the pipe."""

    def prepare() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, with_signal)

    return prepare


async def start(
    command: Sequence[str],
    *,
    environ: Mapping[str, str],
    folder: Path,
    stdin: int,
    log: Path | None = None,
    keep_open: Sequence[int] = (),
    on_orphaned: int = signal.SIGTERM,
) -> asyncio.subprocess.Process:
    """Start a program in a session of its own, so that Ctrl-C reaches the supervisor only.

    With `log` its output goes into that file, else to the terminal. Raises CannotStart if the system does not let it.
    """
    with contextlib.ExitStack() as files:
        try:
            output = files.enter_context(log.open("wb")) if log else None
            return await asyncio.create_subprocess_exec(
                *command,
                env=dict(environ),
                cwd=folder,
                stdin=stdin,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                pass_fds=tuple(keep_open),
                start_new_session=True,
                preexec_fn=_die_with_parent(on_orphaned),
            )
        except OSError as error:
            raise CannotStart(f"{command[0]} cannot be started: {error}.") from error


async def until_ready(
    process: asyncio.subprocess.Process,
    answers: Callable[[], Awaitable[bool]],
    *,
    name: str,
    patience: float,
    log: Path,
) -> None:
    """Wait until `answers`; raises CannotStart if the process ends or `patience` (seconds) runs out before."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while not await answers():
        if process.returncode is not None:
            raise CannotStart(f"{name} ended with exit code {process.returncode} while starting.{tail(log)}")
        if loop.time() > deadline:
            raise CannotStart(f"{name} did not answer within {patience:.0f} s.{tail(log)}")
        await asyncio.sleep(0.02)


def tail(log: Path) -> str:
    """The last lines of a child's log, for an error message."""
    with contextlib.suppress(OSError):
        last = log.read_text("utf-8", "replace").strip().splitlines()[-_SHOWN:]
        return "".join(f"\n  {line}" for line in last) + f"\n  (from {log})"
    return ""


async def end(process: asyncio.subprocess.Process, *, patience: float) -> bool:
    """SIGTERM, then SIGKILL after `patience` seconds. True if the first was enough."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
    try:
        await asyncio.wait_for(process.wait(), patience)
    except TimeoutError:
        kill(process)
        await process.wait()
        return False
    return True


def kill(process: asyncio.subprocess.Process) -> None:
    """SIGKILL to the process and all it started."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


async def connects(port: int) -> bool:
    """Whether something accepts connections on the port."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def answers_ok(port: int, path: str) -> bool:
    """Whether GET answers with 200."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
        status = await asyncio.wait_for(reader.readline(), 5)
    except (OSError, TimeoutError):
        return False
    finally:
        writer.close()
    return status.split(b" ")[1:2] == [b"200"]
