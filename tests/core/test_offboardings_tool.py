"""`python -m tools.offboardings` as an operator runs it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

from shared.tenants.offboarding import Offboarding
from tests.core.world import World

ROOT = Path(__file__).parents[2]


def settings(folder: Path, storage: str) -> Path:
    local = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
    ring = f"k1:{base64.b64encode(bytes(32)).decode()}"
    file = folder / "local.settings.json"
    file.write_text(json.dumps({"Values": local | {"AzureWebJobsStorage": storage, "SECRET_KEYS": ring}}))
    return file


def test_each_offboarding_is_a_line(world: World, connection: str, tmp_path: Path) -> None:
    world.tenants.start_offboarding(world.tenant_id, world.by)
    Offboarding(world.tenants, [], world.account.table("system"), world.clock).run(world.tenant_id)
    call = [sys.executable, "-m", "tools.offboardings", "--settings", str(settings(tmp_path, connection))]
    ended = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
    assert ended.returncode == 0, ended.stderr
    line = f"2026-03-01T12:00:00.000Z tenant {world.tenant_id} by {world.by.oid} products ContactCenter,AdvancedRouting"
    assert line in ended.stdout.splitlines()
