"""How all tests run: a marker for what each needs; hypothesis without a time limit, since a busy machine is no bug."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.scale import scaled

settings.register_profile(
    "patient",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    max_examples=scaled(50, 100),
)
settings.load_profile("patient")

TESTS: Final = Path(__file__).parent
KINDS: Final = ("pure", "storage", "simulator", "stack")
# Rooms whose tests start whole stacks and mostly wait for them.
STACKS: Final = ("app", "devhost")
SIMULATOR: Final = frozenset({"simulator", "simulated", "sim", "started"})
STORAGE: Final = frozenset({"account", "azurite_account", "memory_account", "connection"})


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--azurite", action="store_true", help="run the tests of storage on Azurite instead of in memory")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks each test with what it needs."""
    for item in items:
        item.add_marker(needs(item))


class _ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """One worker runs a whole file, and one of them runs all files that start whole stacks."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "stacks" if file.startswith(tuple(f"tests/{room}/" for room in STACKS)) else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return _ByFile(config, log)


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
