"""Presence in Tables: one partition per tenant.

    state              the lease of the running poll, how the accounts fare, the last poll
    block:<number>     the readings of up to 650 users, in the order of their ids, and when they were read

One block is one Graph call and one row, so a poll of n users writes n/650 rows however many changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from shared.clock import from_wire, to_wire
from shared.presence.accounts import Accounts, Source, from_json, to_json
from shared.storage.keys import prefix_end
from shared.storage.tables import Delete, Insert, Merge, Operation, Replace, Row, Table, with_doc

_STATE: Final = "state"
_BLOCK: Final = "block:"


@dataclass(frozen=True, slots=True)
class Reading:
    """What Graph last said of one user. ``read_at`` is set when it is older than its block's."""

    availability: str
    activity: str
    sequence: str = ""
    read_at: str | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """Readings by user id, read at ``read_at`` (wire form) through ``source``."""

    number: int
    read_at: str
    source: Source
    readings: Mapping[str, Reading]
    row: Row | None = None


@dataclass(frozen=True, slots=True)
class PollState:
    """What pollers of one tenant must agree on. ``tick`` is the newest timer tick worked on."""

    lease_until: datetime | None = None
    tick: str = ""
    polled_at: str = ""
    accounts: Accounts = field(default_factory=Accounts)
    row: Row | None = None


class PresenceStore:
    """Reads and writes the rows above. Every write is conditional on what was read."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def state(self, tenant_id: str) -> PollState:
        row = self._table.get(tenant_id, _STATE)
        if row is None:
            return PollState()
        lease = row.text("lease_until")
        return PollState(
            from_wire(lease) if lease else None,
            row.text("tick"),
            row.text("polled_at"),
            from_json(row.doc),
            row,
        )

    def save_state(self, tenant_id: str, state: PollState) -> PollState:
        """Raises Exists or Stale when another poller was faster, NotFound when the tenant has left."""
        (etag,) = self._table.transact([_write_state(tenant_id, state)])
        return replace(state, row=Row(tenant_id, _STATE, {}, etag))

    def blocks(self, tenant_id: str) -> dict[int, Block]:
        found = (_block(row) for row in self._table.span(tenant_id, _BLOCK, prefix_end(_BLOCK)))
        return {block.number: block for block in found}

    def forget_readings(self, tenant_id: str) -> None:
        """Remove all blocks: nobody is left whose presence they could tell."""
        rows = self._table.span(tenant_id, _BLOCK, prefix_end(_BLOCK), select=["PartitionKey", "RowKey"])
        self._table.remove_blindly(list(rows))

    def block_of(self, tenant_id: str, user_id: str) -> Block | None:
        """The block a user is in, in one query; the storage compares the ids."""
        rows = self._table.span(
            tenant_id,
            _BLOCK,
            prefix_end(_BLOCK),
            only="first_user le @user and last_user ge @user",
            parameters={"user": user_id},
        )
        return next((_block(row) for row in rows), None)

    def save_poll(self, tenant_id: str, state: PollState, blocks: Sequence[Block], before: Mapping[int, Block]) -> None:
        """Write the state, new and changed blocks, touch unchanged ones, remove those no longer needed.

        The state goes into the first transaction, so who has lost the lease writes no block, nor does anybody for
        a tenant that has left. Raises Stale and NotFound for these; blocks are independent of each other.
        """
        operations = [_write_state(tenant_id, state)]
        operations += [_write(tenant_id, block, before.get(block.number)) for block in blocks]
        numbers = {block.number for block in blocks}
        for number, old in before.items():
            if number not in numbers and old.row is not None:
                operations.append(Delete(old.row, old.row.etag))
        self._table.transact_all(operations)


def _write_state(tenant_id: str, state: PollState) -> Operation:
    values = with_doc(
        to_json(state.accounts),
        tick=state.tick,
        polled_at=state.polled_at,
        lease_until=to_wire(state.lease_until) if state.lease_until else "",
    )
    row = Row(tenant_id, _STATE, values)
    return Replace(row, state.row.etag) if state.row else Insert(row)


def _write(tenant_id: str, block: Block, before: Block | None) -> Operation:
    key = f"{_BLOCK}{block.number:05}"
    if before is None or before.row is None:
        return Insert(Row(tenant_id, key, _values(block)))
    if before.readings == block.readings:
        touched = {"read_at": block.read_at, "source": block.source}
        return Merge(Row(tenant_id, key, touched), before.row.etag)
    return Replace(Row(tenant_id, key, _values(block)), before.row.etag)


def _values(block: Block) -> dict[str, Any]:
    doc = {user: [r.availability, r.activity, r.sequence, r.read_at] for user, r in block.readings.items()}
    ids = sorted(block.readings)
    return with_doc(doc, read_at=block.read_at, source=block.source, first_user=ids[0], last_user=ids[-1])


def _block(row: Row) -> Block:
    source: Any = row.text("source")
    readings = {user: Reading(*values) for user, values in row.doc.items()}
    return Block(int(row.row.removeprefix(_BLOCK)), row.text("read_at"), source, readings, row)
