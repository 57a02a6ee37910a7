"""The queues that work waits in. Each has a trigger of its own, and one that keeps its poison."""

from __future__ import annotations

from typing import Final

QUEUES: Final = (
    "outbound-requests",
    "outbound-visits",
    "webhook-deliveries",
    "presence-polls",
    "watch-groups",
    "tenant-offboarding",
)
