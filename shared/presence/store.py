"""Presence in Tables: one partition per tenant.

    head:accounts           how the two accounts fare
    head:roster             which list of users the blocks were cut from
    part:<ppp>:block:<bb>   the readings of up to 650 users, in the order of their ids, and when they were read
    part:<ppp>:state        the lease of the running poll of this part, and the figures of the last one

One block is one Graph call and one row, so a poll of n users reads and writes n/650 rows however many changed. A part
is what one queue message polls. See docs/decisions/0008.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from shared.kernel.clock import from_wire, to_wire
from shared.presence.account_health import Accounts, Source, from_json, to_json
from shared.storage.entities import Delete, Insert, Merge, Operation, Replace, Row, with_doc
from shared.storage.keys import prefix_end
from shared.storage.tables import Table

# 10,400 users: the rows of a part come in one answer of Azure (4 MiB) and go in one transaction.
BLOCKS_PER_PART: Final = 16
_HEAD: Final = "head:"
_ACCOUNTS: Final = "head:accounts"
_ROSTER: Final = "head:roster"
_PART: Final = "part:"
_BLOCK: Final = ":block:"
_STATE: Final = ":state"


@dataclass(frozen=True, slots=True)
class Reading:
    """What Graph last said of one user. ``read_at`` and ``source`` are set when they differ from the block's."""

    availability: str
    activity: str
    sequence: str = ""
    read_at: str | None = None
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """Readings by user id, read at ``read_at`` (wire form, '' for not yet) through ``source``."""

    number: int
    read_at: str
    source: Source
    readings: Mapping[str, Reading]
    row: Row | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """What the last poll of a part did. ``polled_at`` is the last one that read anything (wire form).

    ``oldest`` is when the block was read that nobody has read for the longest time, '' if one never was.
    """

    polled_at: str = ""
    source: str = ""
    users: int = 0
    changes: int = 0
    graph_calls: int = 0
    throttles: int = 0
    milliseconds: int = 0
    oldest: str = ""


@dataclass(frozen=True, slots=True)
class PartState:
    """What pollers of one part must agree on. ``tick`` is the newest timer tick worked on.

    ``left`` are the blocks that are still to be read for it, when its poll gave the lease back to wait.
    """

    lease_until: datetime | None = None
    tick: str = ""
    left: tuple[int, ...] = ()
    figures: Figures = field(default_factory=Figures)
    row: Row | None = None


@dataclass(frozen=True, slots=True)
class KeptAccounts:
    """The accounts as they lie in their row, None before the first note."""

    accounts: Accounts = field(default_factory=Accounts)
    row: Row | None = None


@dataclass(frozen=True, slots=True)
class Roster:
    """The list of users the blocks hold: its generation in the directory, and in how many parts it was cut."""

    generation: str = ""
    parts: int = 0
    row: Row | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """All a poll of one part starts from."""

    number: int
    accounts: Accounts
    roster: Roster
    state: PartState
    blocks: Mapping[int, Block]

    def to_read(self, *, rest: bool) -> dict[int, Block]:
        """The blocks a poll is about: all, or the ``rest`` that an earlier one has left."""
        return {number: block for number, block in self.blocks.items() if not rest or number in self.state.left}


@dataclass(frozen=True, slots=True)
class Edge:
    """Which users a block holds: ids from ``first`` to ``last``."""

    number: int
    first: str
    last: str


class PresenceStore:
    """Reads and writes the rows above. Every write is conditional on what was read."""

    def __init__(self, table: Table) -> None:
        self._table = table

    # what polls work on

    def part(self, tenant_id: str, number: int) -> Part:
        """One query for the first part, two for each other one."""
        name = _part(number)
        if number == 0:
            rows = list(self._table.span(tenant_id, _HEAD, prefix_end(name)))
        else:
            rows = [*self._table.span(tenant_id, _HEAD, prefix_end(_HEAD))]
            rows += self._table.span(tenant_id, name, prefix_end(name))
        by_key = {row.row: row for row in rows}
        blocks = (_block(row) for key, row in by_key.items() if _BLOCK in key)
        return Part(
            number,
            _accounts(by_key.get(_ACCOUNTS)).accounts,
            _roster(by_key.get(_ROSTER)),
            _state(by_key.get(name + _STATE)),
            {block.number: block for block in blocks},
        )

    def lease(self, tenant_id: str, number: int, state: PartState) -> PartState:
        """Raises Exists or Stale when another poller was faster, NotFound when the tenant has left."""
        (etag,) = self._table.transact([_write_state(tenant_id, number, state)])
        return replace(state, row=Row(tenant_id, _part(number) + _STATE, {}, etag))

    def save(self, tenant_id: str, number: int, state: PartState, blocks: Sequence[Block]) -> None:
        """Write the state and these blocks of the part, each over the row it carries.

        In one transaction, so who has lost the lease writes no block, nor does anybody for a tenant that has left.
        Raises Stale and NotFound for these.
        """
        self._table.transact([_write_state(tenant_id, number, state), *(_write(tenant_id, block) for block in blocks)])

    def blocks(self, tenant_id: str) -> list[Block]:
        """All of them: for cutting them anew."""
        rows = self._table.span(tenant_id, _PART, prefix_end(_PART))
        return [_block(row) for row in rows if _BLOCK in row.row]

    def reform(self, tenant_id: str, roster: Roster, blocks: Sequence[Block], gone: Iterable[Block]) -> None:
        """Write these blocks, drop those no longer needed, and then say which list they were cut from.

        A crash on the way leaves the old generation, so it is done again. Raises Stale, Exists and NotFound when
        somebody wrote meanwhile.
        """
        operations = [_write(tenant_id, block) for block in blocks]
        operations += [Delete(block.row, block.row.etag) for block in gone if block.row is not None]
        row = Row(tenant_id, _ROSTER, {"generation": roster.generation, "parts": roster.parts})
        operations.append(Replace(row, roster.row.etag) if roster.row else Insert(row))
        self._table.transact_all(operations)

    # what others ask

    def accounts(self, tenant_id: str) -> KeptAccounts:
        return _accounts(self._table.get(tenant_id, _ACCOUNTS))

    def save_accounts(self, tenant_id: str, accounts: Accounts, before: KeptAccounts) -> None:
        """Raises Exists, Stale or NotFound."""
        row = Row(tenant_id, _ACCOUNTS, with_doc(to_json(accounts)))
        self._table.transact([Replace(row, before.row.etag) if before.row else Insert(row)])

    def states(self, tenant_id: str) -> list[PartState]:
        """The states of all parts, the first one first; one point read each."""
        first = _state(self._table.get(tenant_id, _part(0) + _STATE))
        roster = _roster(self._table.get(tenant_id, _ROSTER))
        others = (self._table.get(tenant_id, _part(number) + _STATE) for number in range(1, roster.parts))
        return [first, *(_state(row) for row in others)]

    def edges(self, tenant_id: str) -> list[Edge]:
        """Which block holds which ids, in the order of the ids; one query."""
        select = ["PartitionKey", "RowKey", "first_user", "last_user"]
        rows = self._table.span(tenant_id, _PART, prefix_end(_PART), select=select)
        return [
            Edge(_number(row.row), row.text("first_user"), row.text("last_user")) for row in rows if _BLOCK in row.row
        ]

    def block(self, tenant_id: str, number: int) -> Block | None:
        row = self._table.get(tenant_id, _block_key(number))
        return _block(row) if row else None

    def block_of(self, tenant_id: str, user_id: str) -> Block | None:
        """The block a user is in, in one query; the storage compares the ids."""
        rows = self._table.span(
            tenant_id,
            _PART,
            prefix_end(_PART),
            only="first_user le @user and last_user ge @user",
            parameters={"user": user_id},
        )
        return next((_block(row) for row in rows), None)


def _part(number: int) -> str:
    return f"{_PART}{number:03}"


def _block_key(number: int) -> str:
    return f"{_part(number // BLOCKS_PER_PART)}{_BLOCK}{number % BLOCKS_PER_PART:02}"


def _number(key: str) -> int:
    part, _, block = key.removeprefix(_PART).partition(_BLOCK)
    return int(part) * BLOCKS_PER_PART + int(block)


def _accounts(row: Row | None) -> KeptAccounts:
    return KeptAccounts(from_json(row.doc), row) if row else KeptAccounts()


def _roster(row: Row | None) -> Roster:
    return Roster(row.text("generation"), row.number("parts"), row) if row else Roster()


def _state(row: Row | None) -> PartState:
    if row is None:
        return PartState()
    lease = row.text("lease_until")
    left = tuple(int(number) for number in row.text("left").split())
    return PartState(from_wire(lease) if lease else None, row.text("tick"), left, Figures(**row.doc), row)


def _write_state(tenant_id: str, number: int, state: PartState) -> Operation:
    lease = to_wire(state.lease_until) if state.lease_until else ""
    left = " ".join(map(str, state.left))
    values = with_doc(asdict(state.figures), tick=state.tick, lease_until=lease, left=left)
    row = Row(tenant_id, _part(number) + _STATE, values)
    return Replace(row, state.row.etag) if state.row else Insert(row)


def _write(tenant_id: str, block: Block) -> Operation:
    key = _block_key(block.number)
    if block.row is None:
        return Insert(Row(tenant_id, key, _values(block)))
    if _block(block.row).readings == block.readings:
        touched = {"read_at": block.read_at, "source": block.source}
        return Merge(Row(tenant_id, key, touched), block.row.etag)
    return Replace(Row(tenant_id, key, _values(block)), block.row.etag)


def _values(block: Block) -> dict[str, Any]:
    doc = {user: [r.availability, r.activity, r.sequence, r.read_at, r.source] for user, r in block.readings.items()}
    ids = sorted(block.readings)
    return with_doc(doc, read_at=block.read_at, source=block.source, first_user=ids[0], last_user=ids[-1])


def _block(row: Row) -> Block:
    source: Any = row.text("source")
    readings = {user: Reading(*values) for user, values in row.doc.items()}
    return Block(_number(row.row), row.text("read_at"), source, readings, row)
