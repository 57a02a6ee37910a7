"""Threads that tenants share: nobody takes them all, everybody gets a turn."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from shared.concurrency.fair_pool import Lanes

PATIENCE = 10.0  # seconds; nothing here takes a tenth of one


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    gate = threading.Event()
    yield gate
    gate.set()


def lanes(threads: int, share: int) -> Lanes[int]:
    return Lanes("test", threads=threads, share=share)


def hang(gate: threading.Event) -> int:
    gate.wait(PATIENCE)
    return 0


def begin(begun: threading.Event) -> int:
    begun.set()
    return 0


def test_what_hangs_for_one_tenant_leaves_a_thread_for_another(gate: threading.Event) -> None:
    shared = lanes(3, 2)
    stuck = [shared.submit("a", lambda: hang(gate)) for _ in range(5)]
    assert shared.submit("b", lambda: 7).result(PATIENCE) == 7
    assert not any(one.done() for one in stuck)


def test_what_waits_for_its_turn_gets_it_and_no_tenant_passes_its_share() -> None:
    shared, lock = lanes(8, 2), threading.Lock()
    at_once: list[int] = []
    running = 0

    def act(number: int) -> int:
        nonlocal running
        with lock:
            running += 1
            at_once.append(running)
        with lock:
            running -= 1
        return number

    waiting = [shared.submit("a", lambda number=number: act(number)) for number in range(200)]  # type: ignore[misc]
    assert [one.result(PATIENCE) for one in waiting] == list(range(200))
    assert max(at_once) <= 2


def test_an_act_cancelled_while_it_waits_is_never_begun(gate: threading.Event) -> None:
    shared, begun = lanes(1, 1), threading.Event()
    stuck = shared.submit("a", lambda: hang(gate))
    cancelled = shared.submit("a", lambda: begin(begun))
    after = shared.submit("a", lambda: 7)
    assert cancelled.cancel()
    gate.set()
    assert (stuck.result(PATIENCE), after.result(PATIENCE)) == (0, 7)
    assert not begun.is_set()


def test_an_act_that_fails_tells_whoever_waits_for_it_and_the_next_one_runs() -> None:
    shared = lanes(1, 1)
    failed = shared.submit("a", lambda: 1 // 0)
    assert isinstance(failed.exception(PATIENCE), ZeroDivisionError)
    assert shared.submit("a", lambda: 7).result(PATIENCE) == 7
