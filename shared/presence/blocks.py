"""Cutting a tenant's users into blocks, and adding to a block what was read. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from shared.presence.account_health import Source
from shared.presence.store import BLOCKS_PER_PART, Block, Reading

IDS_PER_BLOCK: Final = 650  # Graph's cap on getPresencesByUserId


class GraphPresence(Protocol):
    """One user's row of Graph's answer."""

    @property
    def user_id(self) -> str: ...
    @property
    def availability(self) -> str: ...
    @property
    def activity(self) -> str: ...
    @property
    def sequence_number(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What one source said of the users of a block, by user id."""

    source: Source
    rows: Mapping[str, GraphPresence]


def cut(user_ids: Sequence[str], before: Iterable[Block]) -> tuple[list[Block], list[Block]]:
    """The blocks these users make, with the readings kept of them, and the blocks that are no longer needed.

    A reading that moves takes its age and its source along. Users of whom nothing is known yet have empty words.
    """
    kept = {block.number: block for block in before}
    known = {user: aged(block, reading) for block in kept.values() for user, reading in block.readings.items()}
    blocks = []
    for number, at in enumerate(range(0, len(user_ids), IDS_PER_BLOCK)):
        readings = {user: known.get(user, Reading("", "", "", "")) for user in user_ids[at : at + IDS_PER_BLOCK]}
        old = kept.pop(number, None)
        blocks.append(Block(number, "", "application", readings, old.row if old else None))
    return blocks, list(kept.values())


def parts_of(blocks: int) -> int:
    """How many parts so many blocks make; the first part is there even without users, since it looks for them."""
    return max(1, -(-blocks // BLOCKS_PER_PART))


def aged(block: Block, reading: Reading) -> Reading:
    """The reading with the age and source it has, whatever happens to its block."""
    if reading.read_at is not None:
        return reading
    return replace(reading, read_at=block.read_at, source=block.source)


def read_again(block: Block, answer: Answer, read_at: str, *, stale_before: str) -> tuple[Block, int]:
    """The block after an answer, and how many of its users changed their words; times in wire form."""
    readings = {
        user: _newer(aged(block, reading), answer.rows.get(user), stale_before)
        for user, reading in block.readings.items()
    }
    changed = sum(_words(readings[user]) != _words(reading) for user, reading in block.readings.items())
    return replace(block, read_at=read_at, source=answer.source, readings=readings), changed


def _newer(kept: Reading, new: GraphPresence | None, stale_before: str) -> Reading:
    """The newer of what was kept and what came. Without an answer the old one stays, and so does its age.

    An older sequence number is a late answer, but one that goes on for so long that the old reading has become stale
    is a sequence that has started over.
    """
    if new is None:
        return kept
    if new.sequence_number and new.sequence_number < kept.sequence and (kept.read_at or "") >= stale_before:
        return kept
    return Reading(new.availability, new.activity, new.sequence_number)


def _words(reading: Reading) -> tuple[str, str]:
    return reading.availability, reading.activity
