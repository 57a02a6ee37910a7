"""Which imports of our modules cost what, as ``python -X importtime`` sees it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LINE: Final = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \| ( *)(\S+)")
_OURS: Final = ("function_app", "functions", "shared")
SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Cost:
    """A package, with all it pulls in that was not there before. ``share`` (0 to 1) is of the whole import."""

    module: str
    milliseconds: float
    share: float


@dataclass(frozen=True, slots=True)
class _Import:
    """One line of importtime; a module's line comes after those of the modules it imports, one level deeper."""

    name: str
    level: int
    own: float
    whole: float


def heaviest(module: str, *, folder: Path, environ: Mapping[str, str], runs: int) -> list[Cost]:
    """What importing ``module`` spends most on: our own code and foreign packages. The median run counts."""
    taken = sorted((_costs(module, folder, environ) for _ in range(runs)), key=lambda costs: sum(costs.values()))
    costs = taken[runs // 2]
    most = sorted(costs, key=costs.__getitem__, reverse=True)[:SHOWN]
    return [Cost(name, costs[name], costs[name] / sum(costs.values())) for name in most]


def _costs(module: str, folder: Path, environ: Mapping[str, str]) -> dict[str, float]:
    """Milliseconds by what our modules import, counted once, where it is imported first."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", f"import {module}"],
        cwd=folder,
        env=dict(environ),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    costs: dict[str, float] = defaultdict(float)
    for taken, importer in _with_importer(list(_parse(done.stderr))):
        if _is_ours(taken.name):
            costs["(our own modules)"] += taken.own
        elif importer is not None and _is_ours(importer.name):
            costs[_distribution(taken.name)] += taken.whole
    return costs


def _with_importer(imports: list[_Import]) -> Iterator[tuple[_Import, _Import | None]]:
    above: list[_Import] = []
    for taken in reversed(imports):
        del above[taken.level :]
        yield taken, above[-1] if above else None
        above.append(taken)


def _parse(text: str) -> Iterator[_Import]:
    for own, whole, indent, name in _LINE.findall(text):
        yield _Import(name, len(indent) // 2, int(own) / 1000, int(whole) / 1000)


def _is_ours(name: str) -> bool:
    return name.split(".", maxsplit=1)[0] in _OURS


def _distribution(name: str) -> str:
    """azure.functions and azure.data.tables are two things, pydantic and pydantic.fields one."""
    parts = name.split(".")
    if parts[0] != "azure":
        return parts[0]
    return ".".join(parts[: 3 if parts[1:2] in (["data"], ["storage"]) else 2])
