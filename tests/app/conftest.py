"""One stack with two worker processes for all tests of this room that do not break it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.app.stack import AppStack, running


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppStack]:
    state = tmp_path_factory.mktemp("stack")
    with running(state, "--in-memory", APP_PROCESSES="2", PRESENCE_SCHEDULE="*/2 * * * * *") as stack:
        yield stack
