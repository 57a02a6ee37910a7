"""Removes what is kept no longer: notes of the journal, and records of offboarded tenants."""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby

from shared.kernel import log
from shared.kernel.clock import Clock
from shared.messaging.dead_letters import KEPT as LONGEST
from shared.outbound.tasks.refusals import KEPT as REFUSALS
from shared.storage.tables import Table
from shared.tenants.offboarding_records import remove_old


class Tidy:
    """Works by when the storage last saw a row written, so it may run at any time and any number of times."""

    def __init__(self, journal: Table, records: Table, clock: Clock) -> None:
        self._journal = journal
        self._records = records
        self._clock = clock

    def run(self) -> int:
        """Returns how many rows of the journal went: refusals and consent states after a day, all else after thirty."""
        remove_old(self._records, self._clock())
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
