"""Notes about what happened: rows of a table, newest first, each message noted once."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from shared.kernel.clock import Clock, to_wire
from shared.storage.entities import Insert, Row, Values
from shared.storage.keys import key
from shared.storage.tables import Exists, Table

_FAR: Final = datetime.fromisoformat("9999-01-01T00:00:00+00:00")
# Behind all notes of a partition: which messages are noted already.
_SEEN: Final = "seen:"


class Journal:
    """``partition`` is a tenant and a kind of note, or a kind alone."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    def note(self, partition: str, values: Values, *, message_id: str = "", note_id: str = "") -> str:
        """Write a note and give its id; ``note_id`` is one that is given out already.

        A queue may bring a message twice: with its id, the second time gives the note of the first.
        """
        now = self._clock()
        note_id = note_id or f"{_from_far(now)}-{secrets.token_hex(4)}"
        note = Row(partition, note_id, {**values, "at": to_wire(now)})
        if not message_id:
            with suppress(Exists):  # our own: the answer got lost and the SDK sent it again
                self._table.insert(note)
            return note_id
        seen = Row(partition, _SEEN + key(message_id), {"note": note_id})
        try:
            self._table.transact([Insert(note), Insert(seen)])
        except Exists:
            first = self._table.get(partition, seen.row)
            return first.text("note") if first else note_id
        return note_id

    def page(
        self, partition: str, *, top: int, continuation: str | None, within: timedelta | None = None
    ) -> tuple[list[Row], str | None]:
        """Notes, newest first; those of the time ``within`` which they count, else all."""
        end = _from_far(self._clock() - within) if within else ":"
        return self._table.page(partition, "0", end, top=top, continuation=continuation)

    def since(self, partition: str, moment: datetime, value: str) -> Iterator[Row]:
        """All notes from that moment on, with one of their values."""
        return self._table.span(partition, "0", f"{_from_far(moment)}~", select=["PartitionKey", "RowKey", value])

    def of_message(self, partition: str, message_id: str) -> Row | None:
        """The note of a message, if it was noted."""
        seen = self._table.get(partition, _SEEN + key(message_id))
        return self._table.get(partition, seen.text("note")) if seen else None

    def find(self, partition: str, note_id: str) -> Row | None:
        return self._table.get(partition, note_id) if re.fullmatch(r"[0-9]{16}-[0-9a-f]{8}", note_id) else None

    def change(self, note: Row, **values: str) -> Row:
        """Raises Stale, NotFound."""
        changed = Row(note.partition, note.row, {**note.values, **values})
        return Row(note.partition, note.row, changed.values, self._table.replace(changed, etag=note.etag))

    def remove(self, partition: str, note_id: str) -> None:
        """Whatever version; one that is gone is no error. Its message stays known."""
        self._table.remove_blindly([Row(partition, note_id, {})])


def _from_far(moment: datetime) -> str:
    """Milliseconds until a far day, so that the order of keys is newest first."""
    return f"{int((_FAR - moment).total_seconds() * 1000):016}"
