"""The tour of the README, run as it is printed, with each answer compared."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.app.stack import ROOT, AppStack, running

README = ROOT / "README.md"
END = "---end of answer---"


def steps(text: str) -> list[tuple[str, str]]:
    """Each command of the console blocks with the answer printed under it."""
    found: list[tuple[str, str]] = []
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, answer = _split(part)
            found.append((command, answer))
    return found


def _split(part: str) -> tuple[str, str]:
    """A command goes on while a quote or a backslash keeps it open."""
    lines = part.splitlines()
    count = 1
    while subprocess.run(["bash", "-n", "-c", "\n".join(lines[:count])], capture_output=True).returncode or lines[
        count - 1
    ].endswith("\\"):
        count += 1
    return "\n".join(lines[:count]), "\n".join(lines[count:])


def pattern(answer: str) -> str:
    """The printed answer as a pattern: an ellipsis stands for anything."""
    return ".*".join(re.escape(part) for part in answer.strip().split("…"))


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


def run_tour(stack: AppStack, commands: list[str]) -> list[str]:
    """All commands in one shell, since later ones use the variables of earlier ones."""
    script = "\n".join(f"{command}\necho\necho {END}" for command in commands)
    for old, new in (("7071", stack.app_port), ("7080", stack.simulator_port)):
        script = script.replace(old, str(new))
    script = f"export STORAGE_PORT={stack.storage_port}\n{script}"
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=90)
    assert not done.stderr, done.stderr
    return [part.replace("\r", "") for part in done.stdout.split(END)[: len(commands)]]
