"""The only place that asks what time it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""A function without arguments that gives the present moment, aware and in UTC."""


def now() -> datetime:
    return datetime.now(UTC)


def to_wire(moment: datetime) -> str:
    """ISO 8601 in UTC with a trailing Z and milliseconds, the form every answer and row uses.

    Of fixed width, so that text order is time order.
    """
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_wire(text: str) -> datetime:
    """The reverse of ``to_wire``; accepts any offset. Raises ValueError for a time without one."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("the time has no offset from UTC")
    return moment.astimezone(UTC)
