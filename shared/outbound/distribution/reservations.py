"""Who holds which offer: one row per agent in the table ``outbound``, all agents of a tenant in one partition.

An agent's row names one task and one offer of it. It is claimed before the task is offered, so nobody holds two
offers, however many services an agent works for and however many processes distribute. An offer that its task
knows of but the agent's row does not is none: it cannot be accepted, and it ends like one that nobody answers.
A row that names an offer its task does not know of was claimed by a process that died then; it counts as free from
the moment the offer would have been over, wherever it is read, and stays until the agent is claimed again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.kernel.clock import from_wire, to_wire
from shared.kernel.errors import NotFound, Stale
from shared.outbound.tasks.entities import new_mark
from shared.outbound.tasks.store import OutboundStore
from shared.storage.entities import Row, Values
from shared.storage.keys import prefix_end
from shared.storage.tables import Exists, Table

_AGENT: Final = "agent:"


@dataclass(frozen=True, slots=True)
class Hold:
    """What an agent has: the task ``task_id`` by its offer number ``offer``, naturally over at ``until``.

    Free when ``task_id`` is empty, and then ``idle_since`` says since when.
    """

    user_id: str
    task_id: str
    offer: int
    until: datetime | None
    idle_since: str
    row: Row

    @property
    def is_free(self) -> bool:
        return not self.task_id

    def is_of(self, task_id: str, offer: int) -> bool:
        return (self.task_id, self.offer) == (task_id, offer)


class Agents:
    """Reads and writes the rows above; every write is conditional on what was read. ``store`` knows the tasks."""

    def __init__(self, table: Table, store: OutboundStore) -> None:
        self._table = table
        self._store = store

    def all(self, tenant_id: str) -> dict[str, Hold]:
        """By user id; who never had an offer has no row. 1,000 agents a storage call."""
        rows = self._table.span(_partition(tenant_id), _AGENT, prefix_end(_AGENT))
        return {hold.user_id: hold for hold in map(_hold, rows)}

    def holders(self, tenant_id: str, now: datetime) -> set[str]:
        """Ids of the users who have an offer or a task."""
        return self.holders_among(tenant_id, self.all(tenant_id).values(), now)

    def holders_among(self, tenant_id: str, holds: Iterable[Hold], now: datetime) -> set[str]:
        """The same of holds that were read before."""
        return {hold.user_id for hold in holds if self._holds(tenant_id, hold, now)}

    def of(self, tenant_id: str, user_id: str) -> Hold | None:
        row = self._table.get(_partition(tenant_id), _AGENT + user_id)
        return _hold(row) if row else None

    def claim(
        self, tenant_id: str, user_id: str, before: Hold | None, *, task_id: str, offer: int, until: datetime
    ) -> bool:
        """Returns False when the agent has changed since ``before`` was read.

        The mark keeps two processes apart that claim one agent for one offer in the same millisecond: without it both
        would take the row for their own, and the one whose task comes too late would free the other's agent.
        """
        idle_since = before.idle_since if before else ""
        offered: Values = {"task_id": task_id, "offer": offer, "until": to_wire(until), "idle_since": idle_since}
        values: Values = {**offered, "mark": new_mark()}
        return self._write(Row(_partition(tenant_id), _AGENT + user_id, values), before)

    def confirm(self, hold: Hold, until: datetime) -> bool:
        """The agent accepts: from here on nobody who read the row before can take the agent for free."""
        values = {**hold.row.values, "until": to_wire(until)}
        return self._write(Row(hold.row.partition, hold.row.row, values), hold)

    def free(self, tenant_id: str, user_id: str, task_id: str, offer: int, *, idle_since: str) -> None:
        """End this hold, if it is still the agent's; others stay. Doing it twice is no harm."""
        while (hold := self.of(tenant_id, user_id)) is not None and hold.is_of(task_id, offer):
            if self._rest(hold, idle_since):
                return  # else whoever accepts too late wrote the row: look again

    def came_on_duty(self, tenant_id: str, user_id: str, now: datetime) -> None:
        """Whoever comes on duty goes to the end of the line."""
        hold = self.of(tenant_id, user_id)
        if hold is not None and not self._holds(tenant_id, hold, now):
            self._rest(hold, to_wire(now))
        elif hold is None:
            values: Values = {"task_id": "", "offer": 0, "until": "", "idle_since": to_wire(now)}
            try:
                self._table.insert(Row(_partition(tenant_id), _AGENT + user_id, values))
            except Exists:
                return  # offered something this very moment

    def _holds(self, tenant_id: str, hold: Hold, now: datetime) -> bool:
        """A hold that should be over by now is looked at: its process may have died."""
        if hold.is_free:
            return False
        if hold.until is None or hold.until > now:
            return True
        kept = self._store.find(tenant_id, hold.task_id)
        return kept is not None and kept.task.is_with(hold.user_id) and kept.task.offers == hold.offer

    def _rest(self, hold: Hold, idle_since: str) -> bool:
        values: Values = {"task_id": "", "offer": 0, "until": "", "idle_since": idle_since}
        return self._write(Row(hold.row.partition, hold.row.row, values), hold)

    def _write(self, row: Row, before: Hold | None) -> bool:
        """Whether the row is now as asked for: False when somebody else wrote since ``before`` was read.

        The SDK sends a write again whose answer got lost; the second time it finds its own work and is refused.
        """
        try:
            if before:
                self._table.replace(row, etag=before.row.etag)
            else:
                self._table.insert(row)
        except (Exists, Stale, NotFound):
            found = self._table.get(row.partition, row.row)
            return found is not None and found.values == row.values
        return True


def _partition(tenant_id: str) -> str:
    return f"{tenant_id}|agents"


def _hold(row: Row) -> Hold:
    until = row.text("until")
    return Hold(
        row.row.removeprefix(_AGENT),
        row.text("task_id"),
        row.number("offer"),
        from_wire(until) if until else None,
        row.text("idle_since"),
        row,
    )
