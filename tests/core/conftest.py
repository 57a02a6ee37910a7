"""The core on storage in memory or on Azurite, with a clock that stands still until a test moves it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from shared.kernel.callers import Caller
from shared.storage.account import StorageAccount
from tests.azurite import azurite
from tests.core.hook_world import HookWorld
from tests.core.poll_world import people
from tests.core.world import ADMIN, FakeClock, World
from tests.simulator.cloud_client import CloudClient, running
from tests.support.memory_storage import MemoryAccount


@pytest.fixture(scope="session")
def connection() -> Iterator[str]:
    with azurite() as connection_string:
        yield connection_string


@pytest.fixture(scope="session")
def azurite_account(connection: str) -> StorageAccount:
    account = StorageAccount(connection, None, "")
    account.prepare()
    return account


@pytest.fixture(scope="session")
def memory_account() -> StorageAccount:
    return MemoryAccount()


@pytest.fixture
def account(request: pytest.FixtureRequest) -> StorageAccount:
    """In memory; on Azurite with ``--azurite``, and for tests that look at the storage behind our tables and queues."""
    is_real = request.config.getoption("azurite") or "connection" in request.fixturenames
    account: StorageAccount = request.getfixturevalue("azurite_account" if is_real else "memory_account")
    return account


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudClient]:
    """Microsoft's cloud, for what must be seen by somebody who does not share our mistakes."""
    with running(tmp_path_factory.mktemp("simulator")) as client:
        yield client


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def world(account: StorageAccount, clock: FakeClock) -> World:
    """A tenant of its own for each test, with one service that may call out."""
    return World(account, clock, tenant_id=str(uuid.uuid4()))


@pytest.fixture
def tracked(world: World) -> None:
    people(world)


@pytest.fixture
def hooks(world: World) -> HookWorld:
    return HookWorld(world)


@pytest.fixture
def admin(world: World) -> Caller:
    return Caller(world.tenant_id, ADMIN, "Admin", frozenset({"TenantAdmin"}))
