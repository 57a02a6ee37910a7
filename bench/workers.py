"""The devhost's worker process of a function app, with its door closed to timers and queues: only our calls run."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from devhost.http import RUN_HEADER
from devhost.job import Job


@dataclass(frozen=True, slots=True)
class Door:
    """Where a worker answers. Connections wait until it listens; ``secret`` lets a call in."""

    port: int
    secret: str

    def request(self, path: str, headers: Mapping[str, str], method: str = "GET", body: str = "") -> bytes:
        """The bytes of one HTTP/1.1 request."""
        told = {"Host": f"127.0.0.1:{self.port}", RUN_HEADER: self.secret, **headers}
        if body:
            told |= {"Content-Type": "application/json", "Content-Length": str(len(body.encode()))}
        head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        return f"{method} {path} HTTP/1.1\r\n{head}\r\n{body}".encode()


@contextmanager
def worker(app: Path, folder: Path, environ: Mapping[str, str]) -> Iterator[Door]:
    """A worker that is being started; it is gone afterwards. ``folder`` takes its log and state."""
    secret = secrets.token_hex(8)
    ours, theirs = socket.socketpair()
    with (
        socket.create_server(("127.0.0.1", 0)) as door,
        ours,
        theirs,
        (folder / "worker.log").open("ab") as log,
    ):
        job = Job(0, str(app), str(folder), door.fileno(), verbose=False, as_json=True, run_id=secret, secret=secret)
        process = subprocess.Popen(
            [sys.executable, "-m", "devhost.worker"],
            cwd=job.app_dir,
            env=dict(environ),
            stdin=theirs.fileno(),
            stdout=log,
            stderr=log,
            pass_fds=[job.listen_fd],
        )
        try:
            ours.sendall(json.dumps(asdict(job)).encode() + b"\n")
            yield Door(door.getsockname()[1], secret)
        finally:
            process.kill()
            process.wait()
