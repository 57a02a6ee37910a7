"""Which tests share a process when the run is spread over several (`make test` uses three).

A room's tests stay together, so that its storage or stack is started once; tests that start stacks of their own wait
more than they work and go beside them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

STACKS_OF_THEIR_OWN = ("test_kill.py", "test_readme.py", "test_system.py")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    root = Path(__file__).parent
    for item in items:
        room = item.path.relative_to(root).parts[0]
        alone = room == "app" and item.path.name in STACKS_OF_THEIR_OWN
        item.add_marker(pytest.mark.xdist_group("stacks" if alone else room))
