"""A secret that the key rotation does not know of is lost when the old key goes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SEALING = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "shared").rglob("*.py")
    if re.search(r"\.seal\(", path.read_text())
)
# What lies at the heads of tenants the rotation reads itself.
AT_HEADS = {"shared/tenants/tenant_settings.py", "shared/tenants/widget_keys.py", "shared/tenants/rotation.py"}
# Sealed for a caller to carry; nothing is stored.
CARRIED = {"shared/continuations.py", "shared/presence/consent.py"}


@pytest.mark.parametrize("module", [module for module in SEALING if module not in AT_HEADS | CARRIED])
def test_whoever_seals_secrets_says_where_they_lie_and_the_rotation_asks_it(module: str) -> None:
    name = Path(module).stem
    assert "def sealed_rows(" in (ROOT / module).read_text(), (
        "give it a sealed_rows, as shared/interact/leftovers.py has"
    )
    assert f"{name}.sealed_rows(" in (ROOT / "shared/bootstrap/commands.py").read_text(), "name it in build_rotation"


def test_the_modules_that_seal_are_found() -> None:
    assert set(SEALING) >= AT_HEADS
    assert len(SEALING) > len(AT_HEADS | CARRIED)
