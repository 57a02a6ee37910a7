"""How many presence calls Graph takes from one app in one tenant before it says 429."""

from __future__ import annotations

from math import ceil
from typing import Final

#: Graph's published limit for its presence calls, per app and tenant.
PRESENCE_CALLS: Final = 1500
WINDOW_SECONDS: Final = 30


class CallLimit:
    """At most `calls` (None: any number) in a window of 30 seconds, which begins with a caller's first call.

    Graph does not say how its windows lie; this way a caller can reckon when the next one begins.
    """

    def __init__(self, calls: int | None = PRESENCE_CALLS) -> None:
        self.calls = calls
        # When the window of an app in a tenant began, and the calls it has taken.
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}

    def count(self, client_id: str, tenant_id: str, now: float) -> int:
        """Take one call at `now` (Unix seconds): 0, or the whole seconds to wait if it is one too many."""
        began, taken = self._windows.get((client_id, tenant_id), (now, 0))
        # A clock that was set back begins a new window too, or the old one would not end for as long.
        if not 0 <= now - began < WINDOW_SECONDS:
            began, taken = now, 0
        if self.calls is not None and taken >= self.calls:
            return ceil(began + WINDOW_SECONDS - now)
        self._windows[client_id, tenant_id] = began, taken + 1
        return 0
