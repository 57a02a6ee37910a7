"""What must be true before anything is started. Each failure is one sentence (CannotStart)."""

import fcntl
import os
import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from devhost.errors import CannotStart
from devhost.options import Options

ROOT: Final = Path(__file__).resolve().parent.parent
AZURITE: Final = ROOT / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
_LISTEN_QUEUE: Final = 2048
_OLDEST_NODE: Final = 20


def check_python(version: tuple[int, ...] = sys.version_info[:2]) -> None:
    """Python 3.11 or newer."""
    if version < (3, 11):
        raise CannotStart(f"This is Python {version[0]}.{version[1]}; install Python 3.11 or newer.")


def find_node(path: str | None) -> str:
    """Where node is; Azurite runs on it."""
    node = shutil.which("node", path=path)
    if node is None:
        raise CannotStart("node was not found: install Node.js 20 (https://nodejs.org), Azurite runs on it.")
    return node


def check_node(node: str) -> None:
    """That node is new enough for Azurite; asked only when Azurite did not start, since it costs a start of node."""
    wanted = f"Azurite needs Node.js {_OLDEST_NODE} or newer (https://nodejs.org)"
    try:
        told = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=10).stdout.strip()
        major = int(told.removeprefix("v").split(".")[0])
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise CannotStart(f"{node} does not tell its version; {wanted}.") from error
    if major < _OLDEST_NODE:
        raise CannotStart(f"{node} is Node.js {told}; {wanted}.")


def find_azurite(entry: Path = AZURITE) -> Path:
    """Azurite's entry file, installed by npm."""
    if not entry.is_file():
        raise CannotStart("Azurite is not in node_modules: run `make setup`.")
    return entry


def bind_app_port(options: Options) -> socket.socket:
    """The app's port, bound but not yet listening, after every port of the run was found free."""
    with ExitStack() as held:
        bound = [held.enter_context(_bind(*wanted)) for wanted in options.ports]
        return bound[0].dup()


def _bind(port: int, who: str, variable: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(("127.0.0.1", port))
    except OSError as error:
        sock.close()
        raise CannotStart(
            f"Port {port}, which {who} wants, is not free ({error.strerror}): "
            f"stop what uses it or set {variable} to another port."
        ) from error
    return sock


def listen(sock: socket.socket) -> None:
    """Let connections queue up; workers accept them."""
    sock.listen(_LISTEN_QUEUE)


def lock_state(state_dir: Path) -> int:
    """Take the state folder for this run; returns the open file that holds the lock until it is closed."""
    make_folder(state_dir)
    try:
        file = os.open(state_dir / "run.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotStart(f"STATE_DIR {state_dir} cannot be used: {error.strerror}.") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(file)
        raise CannotStart(f"Another devhost runs with {state_dir}: stop it or set STATE_DIR.") from error
    return file


def make_folder(path: Path) -> Path:
    """The state folder or one in it, made if it is missing."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        # Where a file is in the way, the system says only that it exists.
        why = "it is not a folder" if path.exists() else error.strerror
        raise CannotStart(
            f"{path}, a folder for this run's state, cannot be used: {why}. "
            "Move it away or set STATE_DIR to another folder."
        ) from error
    return path


def check_storage(port: int) -> None:
    """With --no-storage: something listens where Azurite's three services would."""
    for one in range(port, port + 3):
        with socket.socket() as probe:
            probe.settimeout(2)
            if probe.connect_ex(("127.0.0.1", one)) != 0:
                raise CannotStart(f"No storage answers on port {one}: start it, or leave out --no-storage.")
