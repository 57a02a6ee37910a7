"""A pytest plugin that fails a run in which something stored, logged or answered holds a secret.

Each process of a run looks at what its own tests left behind; with pytest-xdist the workers hand their findings to the
process that started them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.leaks import WATCH, Listener

_KEY: Final = "leaks"  # of what a worker hands over
_FOUND: Final = pytest.StashKey[set[str]]()


def pytest_configure(config: pytest.Config) -> None:
    found: set[str] = set()
    config.stash[_FOUND] = found
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(_Workers(config), "leaks-of-workers")


def pytest_sessionstart() -> None:
    logging.getLogger().addHandler(Listener(WATCH))
    logging.getLogger("nimbus").setLevel(logging.INFO)  # as an app in Azure logs


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    yield
    found = session.config.stash[_FOUND]
    found.update(WATCH.found())
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[_KEY] = sorted(found)
    elif found and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    found = config.stash[_FOUND]
    for leak in sorted(found):
        terminalreporter.write_line(f"LEAKED {leak}", red=True)


class _Workers:
    def __init__(self, config: pytest.Config) -> None:
        self._found = config.stash[_FOUND]

    def pytest_testnodedown(self, node: Any) -> None:
        self._found.update(getattr(node, "workeroutput", {}).get(_KEY, []))
