"""All checks of `make test` side by side: types, the tests that run whole stacks, and the other tests in two shares.

They have nothing in common but the processor. Tests that run stacks mostly wait, so two cores are kept busy.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
# Rooms whose tests start stacks of their own and mostly wait for them.
STACKS: Final = ("tests/app", "tests/devhost")
PYTEST: Final = (sys.executable, "-m", "pytest")
LAST: Final = "tests/test_zz_leaks.py"  # looks at what the tests of its process left behind
OTHERS: Final = sorted(
    {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    - {path.relative_to(ROOT).as_posix() for room in STACKS for path in (ROOT / room).rglob("test_*.py")}
    - {LAST}
)
JOBS: Final = {
    "stacks": (*PYTEST, *STACKS),
    # Every second file, so that both have some of each room.
    "odd": (*PYTEST, *OTHERS[::2], LAST),
    "even": (*PYTEST, *OTHERS[1::2], LAST),
    "types": (sys.executable, "-m", "mypy"),
}


def start(command: tuple[str, ...]) -> subprocess.Popen[str]:
    environ = {name: value for name, value in os.environ.items() if name != "CONTAINER_NAME"}
    return subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def show(name: str, process: subprocess.Popen[str]) -> None:
    """Whole lines as they come, each with the name of its job."""
    assert process.stdout is not None
    for line in process.stdout:
        print(f"{name:<6} | {line}", end="", flush=True)


def watch(running: Mapping[str, subprocess.Popen[str]]) -> list[str]:
    """Show what the jobs say until all have ended; gives the names of those that failed."""
    readers = [threading.Thread(target=show, args=job) for job in running.items()]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return [name for name, process in running.items() if process.wait()]


def main() -> int:
    """0 if every job ended well, else 1."""
    running = {name: start(command) for name, command in JOBS.items()}

    def end(*_: object) -> None:
        for process in running.values():
            process.send_signal(signal.SIGINT)  # pytest then stops what its tests have started

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal tells the jobs itself
    signal.signal(signal.SIGTERM, end)
    failed = watch(running)
    print(f"failed: {', '.join(failed)}" if failed else "all is well")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
