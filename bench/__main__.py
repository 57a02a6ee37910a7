"""`python -m bench`: all measurements, ratios first. Exit code 1 if an admission, a call or a session start gave up.

`--quick` takes fewer and shorter rounds, enough to see that everything works; its figures prove nothing.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Iterator

from bench import admission, calls, cold_start, contacts, presence, sessions
from bench.rounds import Spread, say
from bench.stack import stack
from devhost.errors import CannotStart


def main() -> int:
    """0 when every admission and call got its answer, 2 with one sentence on stderr if the stack cannot start."""
    parser = argparse.ArgumentParser(
        prog="bench",
        description="Measures cold start, admission, HTTP calls, sessions, presence polls and contact search.",
    )
    parser.add_argument("--quick", action="store_true", help="under 30 s; to see that it works, not for figures")
    parser.add_argument("--only", choices=("presence",), help="just that part")
    arguments = parser.parse_args()
    quick = arguments.quick
    began = time.monotonic()
    try:
        if arguments.only:
            return _presence_alone(quick)
        with stack() as around:
            if quick:
                starts = cold_start.measure(around, rounds=1, warm_ups=0, runs=1)
                comparisons = admission.measure(around, admission.A_FEW, rounds=1, length=0.3)
                called = calls.measure(around, rounds=1, length=0.3, counting=0.3)
                started = sessions.measure(around, rounds=1, length=0.3)
                polled = presence.measure(around, presence.A_FEW, rounds=1)
                searched = contacts.measure(around.connection, contacts.SIZES[:1], searches=6, colds=1)
            else:
                starts = cold_start.measure(around, rounds=5, warm_ups=1, runs=3)
                comparisons = admission.measure(around, admission.SCENARIOS, rounds=5, length=1.0)
                called = calls.measure(around, rounds=5, length=1.0, counting=6.0)
                started = sessions.measure(around, rounds=5, length=1.0)
                polled = presence.measure(around, rounds=3)
                searched = contacts.measure(around.connection, contacts.SIZES, searches=200, colds=10)
    except CannotStart as reason:
        say(f"bench: {reason}")
        return 2
    say(f"done after {time.monotonic() - began:.0f} s")
    parts = [
        _machine(),
        _cold(starts),
        _admissions(comparisons),
        _calls(called),
        _sessions(started),
        presence.report(polled),
        contacts.lines(searched),
    ]
    print("\n\n".join("\n".join(part) for part in parts))
    gave_up = called.give_ups or any(one.ours.give_ups for one in started)
    return 1 if gave_up or any(one.give_ups for one in comparisons) else 0


def _presence_alone(quick: bool) -> int:
    with stack() as around:
        polled = presence.measure(around, presence.A_FEW, rounds=1) if quick else presence.measure(around, rounds=3)
    print("\n".join([*_machine(), "", *presence.report(polled)]))
    return 0


def _machine() -> Iterator[str]:
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    yield f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load:.1f} at the end"
    yield "Medians of the rounds, with (least..most)."


def _cold(starts: cold_start.ColdStart) -> Iterator[str]:
    yield "COLD START, ms (bare: an app with one function; a ratio above 1 is slower)"
    yield f"  {'':34}{'ours / bare':<22}{'ours':<20}bare"
    for line in starts.lines:
        yield f"  {line.title:<34}{line.ratio.text(2):<22}{line.ours.text():<20}{line.bare.text()}"
    for module, costs in starts.heavy.items():
        yield f"  heaviest of {module}, with what each pulls in first (importtime, itself slow):"
        for cost in costs:
            yield f"    {cost.milliseconds:4.0f} ms {cost.share:4.0%}  {cost.module}"


def _admissions(comparisons: list[admission.Comparison]) -> Iterator[str]:
    yield "ADMISSION, in cycles of admit and release (bare: the same requests without our code;"
    yield "  ours / it: per second above 1 is faster, CPU below 1 is cheaper; latency is that of the admission alone)"
    heads = ("per s, ours / it", "CPU, ours / it", "per s", "p50 ms", "p99 ms", "CPU ms", "requests", "gave up")
    for one in comparisons:
        yield ""
        yield f"  {one.scenario.title:<40}" + "".join(f"{head:<{_width(head)}}" for head in heads)
        for name, side in one.sides.items():
            cells = (
                one.throughput[name].text(2) if name in one.throughput else "",
                one.cpu[name].text(2) if name in one.cpu else "",
                f"{side.per_second.median:.0f}",
                f"{side.p50:.1f}",
                f"{side.p99:.0f}",
                f"{side.cpu.median:.1f}",
                f"{side.trips.median:.2f}",
                f"{side.give_ups} of {side.samples + side.give_ups}",
            )
            yield f"    {name:<38}" + "".join(
                f"{cell:<{_width(head)}}" for head, cell in zip(heads, cells, strict=True)
            )


def _width(head: str) -> int:
    """Of a column."""
    return 22 if "/" in head else 10


def _calls(called: calls.Calls) -> Iterator[str]:
    yield "CALLS over HTTP (constant: a function that answers a constant, on a devhost of the same kind)"
    yield f"  {'':38}{'per s, ours / constant':<26}{'per s':<14}{'p50 ms':<14}{'p99 ms':<14}{'samples':<14}gave up"
    for one in called.timed:
        ours, bare = one.ours, one.constant
        cells = (
            _pair(ours.per_second, bare.per_second, 0),
            f"{ours.p50:.1f}, {bare.p50:.1f}",
            f"{ours.p99:.0f}, {bare.p99:.0f}",
            f"{ours.samples}, {bare.samples}",
        )
        yield (
            f"  {calls.titles(one):<38}{one.per_second.text(3):<26}"
            + "".join(f"{cell:<14}" for cell in cells)
            + (f"{ours.give_ups}, {bare.give_ups}")
        )
    yield "  storage operations, by table:"
    yield from calls.operations(called.counted)


def _sessions(started: list[sessions.Started]) -> Iterator[str]:
    yield "SESSION STARTS over HTTP (outside: the two calls each makes to ACS and Graph, alone, one after the other)"
    heads = ("p50, ours / outside", "p99, ours / outside", "per s", "p50 ms", "p99 ms", "samples")
    yield f"  {'each: ours, outside':<24}" + "".join(f"{head:<21}" for head in heads) + "gave up"
    for one in started:
        ours, outside = one.ours, one.outside
        cells = (
            f"{one.latency:.2f}",
            f"{one.p99:.2f}",
            _pair(ours.per_second, outside.per_second, 0),
            f"{ours.p50:.1f}, {outside.p50:.1f}",
            f"{ours.p99:.0f}, {outside.p99:.0f}",
            f"{ours.samples}, {outside.samples}",
        )
        title = f"{one.connections} connection{'s' if one.connections > 1 else ''}"
        yield f"  {title:<24}" + "".join(f"{cell:<21}" for cell in cells) + f"{ours.give_ups}, {outside.give_ups}"


def _pair(ours: Spread, bare: Spread, digits: int) -> str:
    return f"{ours.median:.{digits}f}, {bare.median:.{digits}f}"


if __name__ == "__main__":
    sys.exit(main())
