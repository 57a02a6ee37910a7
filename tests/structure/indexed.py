"""The app as two hosts see it: each in a process of its own, since an app object can be indexed only once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from devhost.settings import worker_environment
from tests.structure.source import ROOT

AS_DEVHOST: Final = """
import json, os, sys
from pathlib import Path
from devhost.indexing import describe, index, load
print(json.dumps(describe(index(load(Path(sys.argv[1])), os.environ))))
"""


def environment(*, storage_port: int, simulator_port: int = 9) -> dict[str, str]:
    """That of a local run, whatever this machine has set: with the example's settings and nothing of Azure's."""
    bare = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    values = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
    told = worker_environment(values, bare, app_port=7071, simulator_port=simulator_port, storage_port=storage_port)
    return told | {"PYTHONPATH": str(ROOT)}


def run(script: str, app: Path, environ: Mapping[str, str], *arguments: str) -> Any:
    """What the script prints as JSON on its last line; an error with all it said if it fails."""
    done = subprocess.run(
        [sys.executable, "-c", script, str(app), *arguments],
        env=dict(environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
