"""`make test` runs every room of tests once, and says which part failed."""

from __future__ import annotations

import sys

import pytest

from tools import run_tests


def test_no_room_is_left_out_or_run_twice() -> None:
    assert [f"--ignore={room}" for room in run_tests.STACKS] == list(run_tests.JOBS["core"][3:])
    assert list(run_tests.STACKS) == list(run_tests.JOBS["stacks"][3:])
    assert all((run_tests.ROOT / room).is_dir() for room in run_tests.STACKS)


def test_a_part_that_fails_is_named_and_the_others_still_end(capsys: pytest.CaptureFixture[str]) -> None:
    commands = {"one": "print('fine')", "two": "raise SystemExit(3)", "three": "print('fine too')"}
    running = {name: run_tests.start((sys.executable, "-c", text)) for name, text in commands.items()}
    assert run_tests.watch(running) == ["two"]
    assert sorted(capsys.readouterr().out.splitlines()) == ["one    | fine", "three  | fine too"]
