"""`python -m bench`: cold start, admission and HTTP calls, ratios first. Exit code 1 if one of them gave up.

`--quick` takes fewer and shorter rounds, enough to see that everything works; its figures prove nothing.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Iterator

from bench import admission, calls, cold_start, sessions
from bench.rounds import Spread, say
from bench.stack import stack
from devhost.errors import CannotStart


def main() -> int:
    """0 when every admission and call got its answer, 2 with one sentence on stderr if the stack cannot start."""
    parser = argparse.ArgumentParser(prog="bench", description="Measures cold start, admission and HTTP calls.")
    parser.add_argument("--quick", action="store_true", help="under 30 s; to see that it works, not for figures")
    quick = parser.parse_args().quick
    began = time.monotonic()
    try:
        with stack() as around:
            if quick:
                starts = cold_start.measure(around, rounds=1, warm_ups=0, runs=1)
                comparisons = admission.measure(around.connection, admission.A_FEW, rounds=1, length=0.3)
                called = calls.measure(around, rounds=1, length=0.3, counting=0.3)
                started = sessions.measure(around, rounds=1, length=0.3)
            else:
                starts = cold_start.measure(around, rounds=5, warm_ups=1, runs=3)
                comparisons = admission.measure(around.connection, admission.SCENARIOS, rounds=5, length=1.0)
                called = calls.measure(around, rounds=5, length=1.0, counting=6.0)
                started = sessions.measure(around, rounds=5, length=1.0)
    except CannotStart as reason:
        say(f"bench: {reason}")
        return 2
    say(f"done after {time.monotonic() - began:.0f} s")
    print(
        "\n".join(
            [
                *_machine(),
                "",
                *_cold(starts),
                "",
                *_admissions(comparisons),
                "",
                *_calls(called),
                "",
                *_sessions(started),
            ]
        )
    )
    gave_up = called.give_ups or any(one.ours.give_ups for one in started)
    return 1 if gave_up or any(one.ours.give_ups + one.bare.give_ups for one in comparisons) else 0


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
    yield "  per second below 1 is slower, CPU above 1 is dearer; latency is that of the admission alone)"
    yield f"  {'':46}{'per s, ours / bare':<22}CPU, ours / bare"
    for one in comparisons:
        yield f"  {one.scenario.title:<46}{one.throughput.text(2):<22}{one.cpu.text(2)}"
        if one.to_reads:
            yield f"  {'  to the reads alone':<46}{one.to_reads.text(2)}"
    yield ""
    heads = ("per s", "p50 ms", "p99 ms", "samples", "CPU ms", "requests")
    yield f"  {'each: ours, bare':<46}" + "".join(f"{head:<14}" for head in heads) + "gave up"
    for one in comparisons:
        ours, bare = one.ours, one.bare
        cells = [
            _pair(ours.per_second, bare.per_second, 0),
            f"{ours.p50:.1f}, {bare.p50:.1f}",
            f"{ours.p99:.0f}, {bare.p99:.0f}",
            f"{ours.samples}, {bare.samples}",
            _pair(ours.cpu, bare.cpu, 1),
            _pair(ours.trips, bare.trips, 2),
        ]
        give_ups = f"{ours.give_ups}, {bare.give_ups}"
        yield f"  {one.scenario.title:<46}" + "".join(f"{cell:<14}" for cell in cells) + give_ups


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
