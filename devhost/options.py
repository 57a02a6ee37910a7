"""What the person at the terminal asked for: flags and the environment, checked."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from devhost.errors import CannotStart

MOST_PROCESSES: Final = 10  # FUNCTIONS_WORKER_PROCESS_COUNT's upper bound
_BODY_LIMIT: Final = 104_857_600  # bytes; the host's default
_LONGEST_LEASE: Final = 7 * 24 * 3600  # seconds; storage hides a message no longer


@dataclass(frozen=True)
class Options:
    """One stack. Azurite takes storage_port (blob), +1 (queue) and +2 (table)."""

    app: Path
    app_port: int
    simulator_port: int
    storage_port: int
    state_dir: Path
    processes: int
    as_json: bool
    simulator: bool
    storage: bool
    seed: bool
    in_memory: bool
    functions: bool
    verbose: bool

    @property
    def ports(self) -> list[tuple[int, str, str]]:
        """Port, who wants it, which variable moves it - for what this run starts itself."""
        wanted = [(self.app_port, "the app", "APP_PORT")]
        if self.simulator:
            wanted.append((self.simulator_port, "the simulator", "SIMULATOR_PORT"))
        if self.storage:
            wanted += [
                (self.storage_port + offset, f"Azurite ({kind})", "STORAGE_PORT")
                for offset, kind in enumerate(("blob", "queue", "table"))
            ]
        return wanted


def read_options(arguments: Sequence[str], environ: Mapping[str, str]) -> Options:
    """Flags first, then environment; raises CannotStart naming the variable that makes no sense."""
    flags = _parser().parse_args(arguments)
    app = Path(flags.app).resolve()
    if not (app / "function_app.py").is_file():
        raise CannotStart(f"{app} holds no function_app.py; name the folder of the app with --app.")
    options = Options(
        app=app,
        app_port=_number(environ, "APP_PORT", 7071, 1, 65535),
        simulator_port=simulator_port(environ),
        storage_port=storage_port(environ),
        state_dir=Path(environ.get("STATE_DIR") or ".local").resolve(),
        processes=_number(environ, "APP_PROCESSES", 1, 1, MOST_PROCESSES),
        as_json=flags.json,
        simulator=not flags.no_simulator,
        storage=not flags.no_storage,
        seed=not flags.no_seed,
        in_memory=flags.in_memory,
        functions=flags.functions,
        verbose=flags.verbose,
    )
    # The workers read these; a wrong one is told before they start.
    queue_lease(environ)
    body_limit(environ)
    _refuse_shared_ports(options)
    return options


def simulator_port(environ: Mapping[str, str]) -> int:
    """SIMULATOR_PORT, checked."""
    return _number(environ, "SIMULATOR_PORT", 7080, 1, 65535)


def storage_port(environ: Mapping[str, str]) -> int:
    """STORAGE_PORT, checked; there must be room for two more above it."""
    return _number(environ, "STORAGE_PORT", 10000, 1, 65533)


def queue_lease(environ: Mapping[str, str]) -> int:
    """DEVHOST_QUEUE_LEASE_SECONDS, checked. The host's 600 seconds are renewed at half of it."""
    return _number(environ, "DEVHOST_QUEUE_LEASE_SECONDS", 600, 1, _LONGEST_LEASE)


def body_limit(environ: Mapping[str, str]) -> int:
    """FUNCTIONS_REQUEST_BODY_SIZE_LIMIT in bytes, checked."""
    return _number(environ, "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT", _BODY_LIMIT, 1, 2**63 - 1)


def _refuse_shared_ports(options: Options) -> None:
    taken: dict[int, tuple[str, str]] = {}
    for port, who, variable in options.ports:
        if port in taken:
            other, moved_by = taken[port]
            raise CannotStart(f"Port {port} is wanted by {other} and by {who}: change {moved_by} or {variable}.")
        taken[port] = (who, variable)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="devhost",
        description="Runs an Azure Functions Python app on this machine. A development tool.",
        epilog="Environment: APP_PORT 7071, SIMULATOR_PORT 7080, STORAGE_PORT 10000, STATE_DIR .local, "
        "APP_PROCESSES 1, DEVHOST_FUNCTION_KEY, DEVHOST_QUEUE_LEASE_SECONDS.",
    )
    parser.add_argument("--app", default=".", metavar="DIR", help="folder with function_app.py (default: this one)")
    parser.add_argument("--json", action="store_true", help="one JSON object per line instead of text")
    parser.add_argument("--functions", action="store_true", help="list the app's functions at the start")
    parser.add_argument("--verbose", action="store_true", help="every invocation, and all that the app logs")
    parser.add_argument("--no-simulator", action="store_true", help="do not start the simulator")
    parser.add_argument("--no-storage", action="store_true", help="use the storage that runs at STORAGE_PORT")
    parser.add_argument("--no-seed", action="store_true", help="leave out the demo data")
    parser.add_argument("--in-memory", action="store_true", help="keep Azurite's data in memory only")
    return parser


def _number(environ: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise CannotStart(f"{name} is {text!r}, but a whole number from {low} to {high} is meant.")
    return int(text)
