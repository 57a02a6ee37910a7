"""Redis and PostgreSQL for the comparison, from what the machine has installed; nothing is downloaded or kept.

Both write to disk before they answer. They listen on loopback only, keep their data in the bench's temporary folder
and end with it.
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from bench.stack import clean_environment, helper
from devhost.ports import answers, free_ports

REDIS_MISSING: Final = "Redis is not installed and left out; on Debian: apt install redis-server"
POSTGRES_MISSING: Final = "PostgreSQL is not installed and left out; on Debian: apt install postgresql"
_ROOT_SERVES_AS: Final = "postgres"  # PostgreSQL does not run as root; Debian's package makes this user


@contextmanager
def redis_server(folder: Path, log: IO[bytes]) -> Iterator[int | None]:
    """Its port, or None if there is no Redis here."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    port = free_ports(1)
    durable = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")
    command = [program, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), *durable]
    with helper(command, log, lambda: answers(port)):
        yield port


@contextmanager
def postgres_server(folder: Path, log: IO[bytes]) -> Iterator[str | None]:
    """Its address for clients, or None if there is no PostgreSQL here."""
    programs = _postgres_programs()
    if programs is None:
        yield None
        return
    user = _ROOT_SERVES_AS if os.geteuid() == 0 else None
    data = folder / "postgres"
    data.mkdir(mode=0o700)
    if user:
        folder.chmod(0o711)
        shutil.chown(data, user)
    make = [str(programs / "initdb"), "--pgdata", str(data), "--username", "bench", "--auth", "trust"]
    subprocess.run(make, env=clean_environment(), user=user, cwd="/", stdout=log, stderr=log, check=True)
    port = free_ports(1)
    durable = ("-c", "fsync=on", "-c", "synchronous_commit=on")
    command = [str(programs / "postgres"), "-D", str(data), "-k", str(data), "-h", "127.0.0.1", "-p", str(port)]
    with helper([*command, *durable], log, lambda: answers(port), user=user):
        yield f"host=127.0.0.1 port={port} user=bench dbname=postgres"


def _postgres_programs() -> Path | None:
    """The folder of the newest installed version; Debian keeps it off the PATH."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    return Path(folders[-1]).parent if folders else None
