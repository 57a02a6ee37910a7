"""Commands and answers printed on a page, and the commands run as a reader would."""

from __future__ import annotations

import re
import subprocess

from tests.app.stack import ROOT, AppStack

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


def run_tour(stack: AppStack, commands: list[str]) -> list[str]:
    """All commands in one shell, since later ones use the variables of earlier ones."""
    script = "\n".join(f"{command}\necho\necho {END}" for command in commands)
    for old, new in (("7071", stack.app_port), ("7080", stack.simulator_port)):
        script = script.replace(old, str(new))
    script = f"export STORAGE_PORT={stack.storage_port}\n{script}"
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=90)
    assert not done.stderr, done.stderr
    return [part.replace("\r", "") for part in done.stdout.split(END)[: len(commands)]]
