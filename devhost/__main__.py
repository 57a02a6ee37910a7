"""`python -m devhost`: see the package's docstring; `--help` lists flags and variables."""

import os
import sys

from devhost.errors import CannotStart
from devhost.options import read_options
from devhost.supervisor import run


def main() -> int:
    """0 after Ctrl-C, 2 with one sentence on stderr if the stack cannot start."""
    try:
        run(read_options(sys.argv[1:], os.environ))
    except CannotStart as reason:
        print(f"devhost: {reason}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
