"""Runs another module as `python -m MODULE` would, but ends with the supervisor.

Standard input is a pipe whose other end only the supervisor holds. When the
supervisor dies, however suddenly, the pipe ends, and so does this process.
"""

import os
import runpy
import signal
import sys
import threading


def _follow() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """`python -m devhost.leash MODULE [ARGUMENTS]`."""
    threading.Thread(target=_follow, daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
