"""One simulator for all tests of this room; every test finds it as it was at the start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulator.cloud_client import CloudClient, running


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudClient]:
    with running(tmp_path_factory.mktemp("simulator")) as client:
        yield client


@pytest.fixture
def cloud(started: CloudClient) -> CloudClient:
    started.control("POST", "reset")
    started.http.cookies.clear()
    return started
