"""`make test` runs every room of tests once, and says which part failed."""

from __future__ import annotations

import sys

import pytest

from tools import run_tests


def test_no_room_is_left_out_or_run_twice() -> None:
    parts = [part for name in ("stacks", "odd", "even") for part in run_tests.JOBS[name][3:]]
    named = [run_tests.ROOT / part for part in parts if part != run_tests.LAST]
    files = [path for part in named for path in ([part] if part.is_file() else part.rglob("test_*.py"))]
    there = set((run_tests.ROOT / "tests").rglob("test_*.py")) - {run_tests.ROOT / run_tests.LAST}
    assert sorted(files) == sorted(there)
    assert run_tests.JOBS["odd"][-1] == run_tests.JOBS["even"][-1] == run_tests.LAST


def test_a_part_that_fails_is_named_and_the_others_still_end(capsys: pytest.CaptureFixture[str]) -> None:
    commands = {"one": "print('fine')", "two": "raise SystemExit(3)", "three": "print('fine too')"}
    running = {name: run_tests.start((sys.executable, "-c", text)) for name, text in commands.items()}
    assert run_tests.watch(running) == ["two"]
    assert sorted(capsys.readouterr().out.splitlines()) == ["one    | fine", "three  | fine too"]
