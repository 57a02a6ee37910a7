"""Rate limits for signed-in callers: per caller and per tenant, counted in the memory of each process.

The numbers leave room for what Microsoft's platform sends and for a routing back end that polls:

- A custom connector makes at most 500 requests a minute per connection (limits of Power Automate and Logic Apps); a
  flow may send them in one burst, and one account may own several connections.
- Dataverse, the comparable API of the Power Platform, allows each user 6,000 requests in 5 minutes on each web server
  (service protection API limits), 20 a second.
- Graph's identity service grants an app in a tenant of fewer than 50 users 3,500 resource units in 10 s, and listing
  users costs 2 (Graph's throttling limits). Presence polls use the same budget, so that calls which ask Microsoft are
  limited to less than a third of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from shared.concurrency.token_buckets import Buckets, Rate
from shared.kernel.callers import Caller

CALLS_PER_CALLER: Final = Rate(per_second=50, burst=1000)
CALLS_PER_TENANT: Final = Rate(per_second=200, burst=4000)
# Calls whose answer needs Microsoft: checks, searches in a directory, tokens.
UPSTREAM_PER_CALLER: Final = Rate(per_second=5, burst=60)
UPSTREAM_PER_TENANT: Final = Rate(per_second=50, burst=500)


class CallerRates:
    """A caller is known by tenant id and object id together.

    The tenant's bucket is that of the caller's own tenant. An Operator who opens another tenant uses up the bucket of
    the home tenant, and nothing of the tenant that is opened.
    """

    def __init__(self, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._calls = _PerCaller("calls", CALLS_PER_CALLER, CALLS_PER_TENANT, elapsed)
        self._upstream = _PerCaller("calls that ask Microsoft", UPSTREAM_PER_CALLER, UPSTREAM_PER_TENANT, elapsed)

    def call(self, caller: Caller) -> None:
        """Count a call once its token is verified. Raises RateLimited."""
        self._calls.take(caller)

    def upstream(self, caller: Caller) -> None:
        """Count a call that is about to ask Microsoft. Raises RateLimited."""
        self._upstream.take(caller)


class _PerCaller:
    def __init__(self, what: str, per_caller: Rate, per_tenant: Rate, elapsed: Callable[[], float]) -> None:
        self._callers = Buckets(f"{what} by this account", per_caller, elapsed)
        self._tenants = Buckets(f"{what} by accounts of this tenant", per_tenant, elapsed)

    def take(self, caller: Caller) -> None:
        """The caller first: a caller over its own limit takes nothing from the others of its tenant."""
        self._callers.take(f"{caller.tid}|{caller.oid}")
        self._tenants.take(caller.tid)
