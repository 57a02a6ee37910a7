"""`python -m devhost`: see the package's docstring; `--help` lists flags and variables."""

import os
import signal
import sys

if __name__ == "__main__":
    # Until the stack has handlers of its own there is nothing to end; Python's handler would print a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from devhost.errors import CannotStart
from devhost.options import read_options
from devhost.supervisor import KILLED, run


def main() -> int:
    """0 after Ctrl-C, 2 with one sentence on stderr if the stack cannot start."""
    try:
        run(read_options(sys.argv[1:], os.environ))
    except CannotStart as reason:
        print(f"devhost: {reason}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # once more, when all is stopped
        return KILLED
    return 0


if __name__ == "__main__":
    sys.exit(main())
