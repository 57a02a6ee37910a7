"""The agent's own duty switch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from shared.kernel.callers import Caller
from shared.kernel.clock import Clock
from shared.kernel.errors import NeedsVersion, NotFound, Stale
from shared.kernel.wire import Wire
from shared.outbound.distribution.reservations import Agents
from shared.tenants.directory import Directory
from shared.tenants.models import User, UserWrite


class DutySwitch(Wire):
    active: bool


class Duty:
    """One per process; keeps nothing between calls."""

    def __init__(self, directory: Directory, agents: Agents, clock: Clock) -> None:
        self._directory = directory
        self._agents = agents
        self._clock = clock

    def set(self, tenant_id: str, wanted: Callable[[], DutySwitch], by: Caller) -> User:
        """Raises NotFound for a caller who is no user of the directory; what is wanted is judged after that."""
        while True:
            try:
                stored = self._directory.user(tenant_id, by.oid)
            except NotFound:
                raise NotFound("you are not in your tenant's user directory", code="UserNotFound") from None
            active = wanted().active
            if stored.value.active == active:
                return stored.value
            if active:
                self._agents.came_on_duty(tenant_id, by.oid, self._clock())
            try:
                return self._directory.put_user(
                    tenant_id,
                    by.oid,
                    partial(_switched, stored.value, active),
                    versions=frozenset({stored.revision}),
                    by=by,
                    keep_group=True,
                ).value
            except (Stale, NeedsVersion):
                continue  # an admin wrote the user at the same moment


def _switched(user: User, active: bool) -> UserWrite:
    return UserWrite(**{name: getattr(user, name) for name in UserWrite.model_fields} | {"active": active})
