"""How all tests run: a marker for what each needs; hypothesis without a time limit, since a busy machine is no bug."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

from tests.scale import scaled

settings.register_profile(
    "patient",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    max_examples=scaled(50, 100),
)
settings.load_profile("patient")

TESTS: Final = Path(__file__).parent
# Whole stacks share the processor badly: one worker runs them all, one after the other.
KINDS: Final = ("pure", "storage", "simulator", "stack")
STACKS: Final = ("app", "devhost")
SIMULATOR: Final = frozenset({"simulator", "started"})
STORAGE: Final = frozenset({"account", "azurite_account", "memory_account", "connection"})


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--azurite", action="store_true", help="run the tests of storage on Azurite instead of in memory")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks each test with what it needs, and with the group that one worker runs; the longest groups come first."""
    for item in items:
        item.add_marker(needs(item))
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    sizes = Counter(_group(item) for item in items)
    items.sort(key=lambda item: (_group(item) != "stacks", -sizes[_group(item)]))


def needs(item: pytest.Item) -> str:
    """``stack``, ``simulator``, ``storage`` or, for a test that needs no other process, ``pure``.

    A file or test that starts processes without a fixture says so with the marker itself.
    """
    if said := next((kind for kind in KINDS if item.get_closest_marker(kind)), None):
        return said
    fixtures = set(getattr(item, "fixturenames", ()))
    if _room(item) in STACKS:
        return "stack"
    if fixtures & SIMULATOR or _room(item) == "simulator":
        return "simulator"
    return "storage" if fixtures & STORAGE else "pure"


def _room(item: pytest.Item) -> str:
    return item.path.relative_to(TESTS).parts[0]


def _group(item: pytest.Item) -> str:
    return "stacks" if _room(item) in STACKS else item.path.as_posix()
