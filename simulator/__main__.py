"""`python -m simulator`: SIMULATOR_PORT (7080), STATE_DIR (.local), SIMULATOR_PARENT_FD (an inherited pipe)."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from simulator.keys import KeysLost
from simulator.run import HOST, listen, make_server, serve


def main() -> int:
    """Run until told to end; 0 then, 1 if it could not start."""
    port_text = os.environ.get("SIMULATOR_PORT", "7080")
    if not port_text.isdecimal() or int(port_text) > 65535:
        sys.stderr.write(f"simulator: SIMULATOR_PORT must be a port, not '{port_text}'\n")
        return 1
    try:
        sock = listen(int(port_text))
    except OSError as exc:
        sys.stderr.write(f"simulator: port {port_text} cannot be used ({exc.strerror}); set SIMULATOR_PORT\n")
        return 1
    try:
        server, _ = make_server(Path(os.environ.get("STATE_DIR", ".local")))
    except (KeysLost, OSError) as exc:
        sys.stderr.write(f"simulator: {exc}\n")
        return 1
    sys.stdout.write(f"simulator: the Microsoft cloud is at http://{HOST}:{sock.getsockname()[1]}\n")
    sys.stdout.flush()
    parent = os.environ.get("SIMULATOR_PARENT_FD")
    asyncio.run(serve(server, sock, int(parent) if parent else None))
    return 0


if __name__ == "__main__":
    sys.exit(main())
