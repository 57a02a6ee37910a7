"""Ports of this machine that nobody has, for stacks that run side by side."""

import random
import socket
from contextlib import ExitStack
from typing import Final

# Below the range the kernel hands out for outgoing connections.
_LOWEST: Final = 20_000
_HIGHEST: Final = 32_000


def free_ports(count: int) -> int:
    """The first of `count` consecutive ports of loopback, all free a moment ago."""
    for _ in range(200):
        first = random.randrange(_LOWEST, _HIGHEST)  # noqa: S311 - two who look at once should not find the same
        with ExitStack() as held:
            try:
                for port in range(first, first + count):
                    held.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
        return first
    raise RuntimeError("there are no free ports")


def answers(port: int) -> bool:
    """Whether something accepts connections on the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
