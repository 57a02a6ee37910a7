"""One running stack for all tests of this room, which do not break it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.app.stack import AppStack, running

SELDOM = "0 0 0 1 1 *"


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppStack]:
    """Two worker processes, no polls: at each beat they would read every tenant the tests have made so far."""
    with running(tmp_path_factory.mktemp("calm"), "--in-memory", APP_PROCESSES="2", PRESENCE_SCHEDULE=SELDOM) as stack:
        yield stack
