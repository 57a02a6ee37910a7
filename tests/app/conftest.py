"""Two running stacks for all tests of this room that do not break them, each started when first asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.app.stack import AppStack, running

SELDOM = "0 0 0 1 1 *"


@pytest.fixture(scope="session")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppStack]:
    """Two worker processes, no polls: at each beat they would read every tenant the tests have made so far."""
    with running(tmp_path_factory.mktemp("calm"), "--in-memory", APP_PROCESSES="2", PRESENCE_SCHEDULE=SELDOM) as stack:
        yield stack


@pytest.fixture(scope="module")
def polling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppStack]:
    """Two worker processes, a poll every second."""
    with running(
        tmp_path_factory.mktemp("polling"), "--in-memory", APP_PROCESSES="2", PRESENCE_SCHEDULE="*/1 * * * * *"
    ) as stack:
        yield stack


@pytest.fixture(scope="module")
def stack(request: pytest.FixtureRequest) -> AppStack:
    """The polling one for files about presence, else the calm one."""
    found: AppStack = request.getfixturevalue("polling" if "presence" in request.module.__name__ else "calm")
    return found
