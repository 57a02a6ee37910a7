"""The tour of the README, run as it is printed, with each answer compared."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.app.stack import ROOT, running
from tests.app.tour import pattern, run_tour, steps

README = ROOT / "README.md"


def test_the_tour_of_the_readme_gives_the_answers_it_prints(tmp_path: Path) -> None:
    with running(tmp_path, "--in-memory", PRESENCE_SCHEDULE="*/2 * * * * *") as stack:
        tour = steps(README.read_text())
        assert len(tour) > 15
        answers = run_tour(stack, [command for command, _ in tour])
        for (command, printed), answer in zip(tour, answers, strict=True):
            assert re.fullmatch(pattern(printed), answer.strip(), re.DOTALL), f"{command}\n{answer}"


@pytest.mark.parametrize(("printed", "answer"), [("a…c", "abc"), ("…\nb", "x\ny\nb"), ("(a)", "(a)")])
def test_an_ellipsis_stands_for_anything(printed: str, answer: str) -> None:
    assert re.fullmatch(pattern(printed), answer, re.DOTALL)
