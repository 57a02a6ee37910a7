"""How long a new instance takes, ours against an empty function app (``bench/empty_app``).

Two views: the import in a fresh interpreter, which is what the host's indexing waits for, and the time from
the start of the devhost's worker process to the end of the first answer. The worker's door stays closed to
timers and queues, so nothing but the request runs.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Final

from bench.imports import Cost, heaviest
from bench.rounds import Spread, ratio, say, take_turns
from bench.stack import Stack, clean_environment
from bench.workers import Door, worker
from devhost.checks import ROOT
from shared.bootstrap.trunk import open_trunk
from shared.kernel import clock
from shared.kernel.callers import Caller
from shared.outbound.tasks.gate import Gate
from shared.storage.account import StorageAccount
from shared.tenants.models import TenantWrite

EMPTY: Final = Path(__file__).with_name("empty_app")
LIVE: Final = "/api/health/live"
_INDEX: Final = "import function_app; function_app.app.get_functions()"
_TIMED: Final = "from time import perf_counter as t; s = t(); {}; print((t() - s) * 1000)"
_PATIENCE: Final = 60  # seconds for one process


@dataclass(frozen=True)
class Line:
    """One comparison, in milliseconds."""

    title: str
    ratio: Spread
    ours: Spread
    bare: Spread


@dataclass(frozen=True)
class ColdStart:
    """``heavy`` maps a module to the imports it makes that cost most."""

    lines: list[Line]
    heavy: dict[str, list[Cost]]


def measure(stack: Stack, *, rounds: int, warm_ups: int, runs: int) -> ColdStart:
    """Imports first, then processes, then ``runs`` looks at what is heavy. About 5 s a round on two cores."""
    imports = take_turns(
        {
            "bare": partial(_import, EMPTY, _INDEX),
            "index": partial(_import, ROOT, _INDEX),
            "core": partial(_import, ROOT, _INDEX + "; import shared.bootstrap.core"),
        },
        rounds=rounds,
        warm_ups=warm_ups,
        title="cold start, imports",
    )
    tenant_id = _tenant(stack)
    bearer = {"Authorization": f"Bearer {stack.token(tenant_id, 'TenantAdmin')}"}
    first = take_turns(
        {
            "bare": partial(_first_answer, stack, EMPTY, LIVE, {}),
            "live": partial(_first_answer, stack, ROOT, LIVE, {}),
            "useful": partial(_first_answer, stack, ROOT, f"/api/tenants/{tenant_id}/settings", bearer),
        },
        rounds=rounds,
        warm_ups=warm_ups,
        title="cold start, first answers",
    )
    return ColdStart(
        [
            _line("import and index function_app", imports, "index"),
            _line("the same and shared.bootstrap", imports, "core"),
            _line("first answer, GET health/live", first, "live"),
            _line("first useful answer, GET settings", first, "useful"),
        ],
        {module: _heavy(module, runs) for module in ("function_app", "shared.bootstrap")},
    )


def _line(title: str, taken: Mapping[str, list[float]], name: str) -> Line:
    ours, bare = taken[name], taken["bare"]
    return Line(title, ratio(ours, bare), Spread.of(ours), Spread.of(bare))


def _heavy(module: str, runs: int) -> list[Cost]:
    say(f"cold start: what makes {module} slow")
    return heaviest(module, folder=ROOT, environ=clean_environment(), runs=runs)


def _import(app: Path, statement: str) -> float:
    """Milliseconds of the statement in a fresh interpreter, without the interpreter's own start."""
    command = [sys.executable, "-c", _TIMED.format(statement)]
    done = subprocess.run(
        command, cwd=app, env=clean_environment(), capture_output=True, text=True, check=True, timeout=_PATIENCE
    )
    return float(done.stdout.split()[-1])


def _tenant(stack: Stack) -> str:
    """A tenant in storage, made as an operator would."""
    account = StorageAccount(stack.connection, None, "")
    account.prepare()
    tenant_id = str(uuid.uuid4())
    tenant = TenantWrite(display_name="Contoso", products=["ContactCenter"])
    by = Caller(tenant_id, str(uuid.uuid4()), "bench", frozenset({"Operator"}))
    trunk = open_trunk(account, [("bench", bytes(32))], clock.now, Gate(account.table("outbound")))
    trunk.tenants.put(tenant_id, lambda: tenant, versions=None, by=by)
    return tenant_id


def _first_answer(stack: Stack, app: Path, path: str, headers: Mapping[str, str]) -> float:
    """Milliseconds from the start of a worker process to the end of its first answer, which must be a 200."""
    began = perf_counter()
    with worker(app, stack.folder, stack.environ) as door:
        return (_get(door, path, headers) - began) * 1000


def _get(door: Door, path: str, headers: Mapping[str, str]) -> float:
    """The moment the whole answer was there. The connection waits in the door's queue until a worker takes it."""
    with socket.create_connection(("127.0.0.1", door.port), timeout=_PATIENCE) as connection:
        connection.sendall(door.request(path, {"Connection": "close", **headers}))
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
        ended = perf_counter()
    if not answer.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"GET {path} was answered with {answer[:600]!r}")
    return ended
