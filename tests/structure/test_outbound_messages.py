"""What the queue trigger of outbound requests hands on of a message."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest

from functions import outbound_queue, wiring

SENT: Any = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Intake:
    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []

    def take(self, raw: bytes, **facts: Any) -> None:
        self.taken.append({"raw": raw, **facts})


class Message(func.QueueMessage):
    """As the host hands it over; the library drops the zone of some forms of the time."""

    def __init__(self, inserted: datetime | None) -> None:
        super().__init__(id="m-1", body=b"{}")
        self.inserted = inserted

    @property
    def dequeue_count(self) -> int:
        return 3

    @property
    def insertion_time(self) -> datetime | None:
        return self.inserted


@pytest.fixture
def intake() -> Iterator[Intake]:
    intake = Intake()
    core: Any = SimpleNamespace(outbound=SimpleNamespace(intake=intake))
    wiring.use(core)
    yield intake
    wiring.use(None)


@pytest.mark.parametrize(("inserted", "told"), [(SENT, SENT), (SENT.replace(tzinfo=None), SENT), (None, None)])
def test_a_message_comes_with_its_id_its_attempts_and_the_moment_it_was_sent(
    intake: Intake, inserted: datetime | None, told: datetime | None
) -> None:
    trigger: Any = outbound_queue.admit_outbound_request
    trigger.build().get_user_function()(Message(inserted))
    assert intake.taken == [{"raw": b"{}", "message_id": "m-1", "attempts": 3, "sent_at": told}]
