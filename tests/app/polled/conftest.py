"""One running stack for all tests of this room, in which presence is polled every second."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.app.stack import AppStack, running

EACH_SECOND = "*/1 * * * * *"


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppStack]:
    """Two worker processes."""
    folder = tmp_path_factory.mktemp("polled")
    with running(folder, "--in-memory", APP_PROCESSES="2", PRESENCE_SCHEDULE=EACH_SECOND) as stack:
        yield stack
