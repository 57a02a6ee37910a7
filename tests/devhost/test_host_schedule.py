"""NCRONTAB against a reference that tries every day and second."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devhost.errors import IndexingError
from devhost.schedule import parse_schedule, under_a_minute

BOUNDS = ((0, 59), (0, 59), (0, 23), (1, 28), (1, 12), (0, 6))
Field = tuple[str, frozenset[int]]


@st.composite
def fields(draw: st.DrawFn, low: int, high: int) -> Field:
    """A field of an expression with the values it means."""
    items: list[str] = []
    meant: set[int] = set()
    for _ in range(draw(st.integers(1, 2))):
        kind = draw(st.sampled_from(["every", "one", "range", "step", "range step", "from"]))
        first = draw(st.integers(low, high))
        last = draw(st.integers(first, high))
        step = draw(st.integers(1, high - low))
        # "from" runs to the end of the field, which for days is 31, beyond the bound used here.
        end = 31 if (low, high) == BOUNDS[3] else high
        text, values = {
            "every": ("*", range(low, end + 1)),
            "one": (f"{first}", range(first, first + 1)),
            "range": (f"{first}-{last}", range(first, last + 1)),
            "step": (f"*/{step}", range(low, end + 1, step)),
            "range step": (f"{first}-{last}/{step}", range(first, last + 1, step)),
            "from": (f"{first}/{step}", range(first, end + 1, step)),
        }[kind]
        items.append(text)
        meant |= set(values)
    return ",".join(items), frozenset(meant)


def expressions() -> st.SearchStrategy[tuple[Field, ...]]:
    return st.tuples(*(fields(low, high) for low, high in BOUNDS))


def first_after(moment: datetime, meant: tuple[frozenset[int], ...]) -> datetime:
    """Try day by day, then the day's hours, minutes and seconds."""
    seconds, minutes, hours, days, months, weekdays = (sorted(values) for values in meant)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    while True:
        if day.month in months and day.day in days and day.isoweekday() % 7 in weekdays:
            hours_left = [hour for hour in hours if day.date() > moment.date() or hour >= moment.hour]
            for hour, minute in product(hours_left, minutes):
                minute_starts = day.replace(hour=hour, minute=minute)
                if minute_starts + timedelta(seconds=seconds[-1]) > moment:
                    times = (minute_starts + timedelta(seconds=second) for second in seconds)
                    return next(time for time in times if time > moment)
        day += timedelta(days=1)


@settings(max_examples=150, deadline=None)
@given(expressions(), st.datetimes(datetime(2024, 1, 1), datetime(2031, 12, 31), timezones=st.just(UTC)))
def test_an_expression_fires_when_the_reference_says_so(expression: tuple[Field, ...], moment: datetime) -> None:
    schedule = parse_schedule(" ".join(text for text, _ in expression))
    meant = tuple(values for _, values in expression)
    first = schedule.after(moment)
    assert first == first_after(moment, meant)
    assert schedule.after(first) == first_after(first, meant)


@pytest.mark.parametrize(
    ("text", "moment", "expected"),
    [
        ("*/30 * * * * *", "2025-01-01T00:00:00", "2025-01-01T00:00:30"),
        ("0 0 9 * * Mon-Fri", "2025-01-03T10:00:00", "2025-01-06T09:00:00"),
        ("0 0 9 * JAN,jul *", "2025-01-31T10:00:00", "2025-07-01T09:00:00"),
        ("0 0 0 13 * Fri", "2025-01-01T00:00:00", "2025-06-13T00:00:00"),  # both days must match
        ("*/5 * * * *", "2025-01-01T00:00:01", "2025-01-01T00:05:00"),
        ("0 0 0 29 2 *", "2025-01-01T00:00:00", "2028-02-29T00:00:00"),
        ("00:00:20", "2025-01-01T00:00:00", "2025-01-01T00:00:20"),
        ("1.00:00:00", "2025-01-01T00:00:00", "2025-01-02T00:00:00"),
    ],
)
def test_known_schedules_fire_at_known_times(text: str, moment: str, expected: str) -> None:
    found = parse_schedule(text).after(datetime.fromisoformat(moment).replace(tzinfo=UTC))
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        *("", "* * *", "0 0 0 * * 7", "0 0 0 * * 5-7", "60 * * * * *", "0 0 0 0 * *", "*/0 * * * * *"),
        *("0 0 0 L * *", "0 0 0 * * 5#2", "@hourly", "0 0 22-2 * * *", "0 0 0 30 2 *", "00:00:00", "24:00:00"),
    ],
)
def test_what_ncrontab_does_not_know_is_refused(text: str) -> None:
    with pytest.raises(IndexingError):
        parse_schedule(text)


def test_only_schedules_below_a_minute_go_without_memory() -> None:
    now = datetime(2025, 1, 1, tzinfo=UTC)
    assert under_a_minute(parse_schedule("*/30 * * * * *"), now)
    assert not under_a_minute(parse_schedule("0 * * * * *"), now)
