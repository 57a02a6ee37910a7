"""Removes what the journal no longer shows: nothing in it is kept for ever."""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby

from shared import log
from shared.clock import Clock
from shared.outbound.refusals import KEPT as REFUSALS
from shared.poison import KEPT as LONGEST
from shared.storage.tables import Table


class Tidy:
    """Works by when the storage last saw a row written, so it may run at any time and any number of times."""

    def __init__(self, journal: Table, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock

    def run(self) -> int:
        """Returns how many rows went: refusals and used consent states after a day, all else after thirty."""
        gone = self._remove(LONGEST, "")
        gone += self._remove(REFUSALS, "|refusals", "|consents")
        if gone:
            log.info("journal tidied", rows=gone)
        return gone

    def _remove(self, kept: timedelta, *kinds: str) -> int:
        gone = 0
        old = self._journal.untouched_since(self._clock() - kept)
        for partition, same in groupby(old, key=lambda row: row.partition):
            rows = list(same) if partition.endswith(kinds) else []
            self._journal.remove_blindly(rows)
            gone += len(rows)
        return gone
