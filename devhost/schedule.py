"""When a timer fires: NCRONTAB expressions and TimeSpans, in UTC, as pure functions."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from croniter import CroniterBadDateError, croniter

from devhost.errors import IndexingError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIMESPAN: Final = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{1,2}):(\d{1,2})")
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# field name, lowest, highest, names in their order. Sunday is 0; NCRONTAB has no day 7.
_FIELDS: Final = (
    ("second", 0, 59, ()),
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 6, _DAYS),
)
_ITEM: Final = re.compile(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/(\d+))?")


class Schedule(Protocol):
    """A timer's occurrences."""

    def after(self, moment: datetime) -> datetime:
        """The first occurrence later than `moment` (aware, UTC)."""
        ...


@dataclass(frozen=True)
class Cron:
    """Six fields from second to day of week. Day of month AND day of week must both match."""

    expression: str

    def after(self, moment: datetime) -> datetime:
        """Raises CroniterBadDateError for a day that never comes (30 February)."""
        # croniter works on whole seconds; a fraction must not bring back the second it lies in.
        found: datetime = croniter(
            self.expression, moment.replace(microsecond=0), second_at_beginning=True, day_or=False
        ).get_next(datetime)
        return found


@dataclass(frozen=True)
class Every:
    """A fixed interval, on a grid from 1970 so that all processes agree (the real host counts from its start)."""

    interval: timedelta

    def after(self, moment: datetime) -> datetime:
        """The next point of the grid."""
        return _EPOCH + ((moment - _EPOCH) // self.interval + 1) * self.interval


def parse_schedule(text: str) -> Schedule:
    """Understand `*/30 * * * * *`, five fields (second 0) or `hh:mm:ss`; raises IndexingError with the reason."""
    if found := _TIMESPAN.fullmatch(text.strip()):
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        interval = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        if not interval or hours > 23 or minutes > 59 or seconds > 59:
            raise IndexingError(f"schedule {text!r} is not a time span from 00:00:01 to 23:59:59")
        return Every(interval)
    fields = text.split()
    if len(fields) == 5:
        fields.insert(0, "0")
    if len(fields) != 6:
        raise IndexingError(f"schedule {text!r} has {len(fields)} fields instead of the six of NCRONTAB")
    schedule = Cron(" ".join(_checked(field, number, text) for number, field in enumerate(fields)))
    try:
        schedule.after(datetime(2024, 1, 1, tzinfo=UTC))
    except CroniterBadDateError as never:
        raise IndexingError(f"schedule {text!r} never fires") from never
    return schedule


def _checked(field: str, number: int, text: str) -> str:
    """The field as a plain list of numbers; croniter's own extensions (L, #, @, wrap-around) are refused.

    A list, because croniter takes a range of one (`0-0`) for the whole field.
    """
    name, lowest, highest, names = _FIELDS[number]
    values: set[int] = set()
    for item in field.split(","):
        found = _ITEM.fullmatch(item)
        if found is None:
            raise IndexingError(f"schedule {text!r}: {item!r} is not a {name}")
        star, start, end, step = found.groups()
        first = lowest if star else _number(start, names, lowest)
        last = _number(end, names, lowest) if end else first
        if not (lowest <= first <= last <= highest) or (step is not None and int(step) < 1):
            raise IndexingError(f"schedule {text!r}: {item!r} is not a {name} from {lowest} to {highest}")
        if star or (step and not end):
            last = highest  # NCRONTAB reads 5/15 as "from 5, every 15"
        values.update(range(first, last + 1, int(step or 1)))
    whole = len(values) == highest - lowest + 1
    return "*" if whole else ",".join(str(value) for value in sorted(values))


def _number(word: str, names: tuple[str, ...], lowest: int) -> int:
    """A number or a name's number; -1 for neither, which every range refuses."""
    if word.isascii() and word.isdigit():
        return int(word)
    short = word.lower()[:3]
    return names.index(short) + lowest if short in names else -1


def under_a_minute(schedule: Schedule, now: datetime) -> bool:
    """Whether the timer fires more than once a minute. The host remembers no missed ticks for those."""
    first = schedule.after(now)
    return schedule.after(first) - first < timedelta(minutes=1)
