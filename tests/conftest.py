"""How all tests run: hypothesis without a stop watch, since a busy machine is no bug; every log line searched."""

from __future__ import annotations

import logging

import pytest
from hypothesis import HealthCheck, settings

from tests.leaks import WATCH, Listener
from tests.scale import scaled

settings.register_profile(
    "patient",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    max_examples=scaled(50, 100),
)
settings.load_profile("patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--azurite", action="store_true", help="run the tests of storage on Azurite instead of in memory")


def pytest_sessionstart(session: pytest.Session) -> None:
    logging.getLogger().addHandler(Listener(WATCH))
    logging.getLogger("nimbus").setLevel(logging.INFO)  # as an app in Azure logs
