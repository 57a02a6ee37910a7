"""A secret that the key rotation does not know of is lost when the old key goes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SEALING = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "shared").rglob("*.py")
    if re.search(r"\.seal\(|ecrets\.renewed\(", path.read_text()) and path.name != "secrets.py"
)
# What lies at the heads of tenants the rotation reads itself.
AT_HEADS = {"shared/tenants/settings/settings.py", "shared/tenants/widget_keys.py", "shared/tenants/key_rotation.py"}
# Sealed for a caller to carry; nothing is stored.
CARRIED = {"shared/storage/continuations.py", "shared/presence/guest_accounts/consent.py"}


@pytest.mark.parametrize("module", [module for module in SEALING if module not in AT_HEADS | CARRIED])
def test_whoever_seals_secrets_says_where_they_lie_and_the_rotation_asks_it(module: str) -> None:
    name = Path(module).stem
    assert "def sealed_rows(" in (ROOT / module).read_text(), (
        "give it a sealed_rows, as shared/interact/acs/leftover_users.py has"
    )
    assert f"{name}.sealed_rows(" in (ROOT / "shared/bootstrap/commands.py").read_text(), "name it in build_rotation"


def test_the_modules_that_seal_are_found() -> None:
    assert set(SEALING) >= AT_HEADS
    assert len(SEALING) > len(AT_HEADS | CARRIED)


def test_sessions_are_sealed_again_before_the_entries_that_copy_their_seals() -> None:
    """A copy is sealed with the newest key of its instance; the order covers instances that have an older one."""
    rotation = (ROOT / "shared/bootstrap/commands.py").read_text()
    assert rotation.index("session_store.sealed_rows(") < rotation.index("cleanup.sealed_rows(")


def test_no_sealed_text_is_taken_from_one_row_into_another_as_it_is() -> None:
    """A row's own text goes back into the row it came from, under its ETag; a copy passes through ``renewed``."""
    taken = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "shared").rglob("*.py")
        if re.search(r"""(\.ties\.sealed|\.text\("sealed"\))""", path.read_text())
    }
    assert taken == {
        "shared/interact/acs/leftover_users.py",  # opens it
        "shared/interact/sessions/cleanup.py",  # opens it, and renews what it copies
        "shared/interact/sessions/start.py",  # opens it, and keeps with the session what ``begin`` sealed just now
        "shared/outbound/webhooks/store.py",  # opens it, and writes it back to its row
        "shared/presence/guest_accounts/token_cache.py",  # opens it
        "shared/tenants/key_rotation.py",
        "shared/tenants/widget_keys.py",  # opens it
    }, "a module handles sealed texts: does it copy one? Then see SecretBox.renewed, and add it here"
