"""What the app says, and what its libraries do not say through it."""

from __future__ import annotations

import logging

import pytest

from shared.kernel import log


@pytest.mark.parametrize("library", ["azure.core.pipeline.policies.http_logging_policy", "msal.token", "urllib3.x"])
def test_a_library_is_heard_from_warnings_on(library: str) -> None:
    assert log.info is not None
    assert not logging.getLogger(library).isEnabledFor(logging.INFO)
    assert logging.getLogger(library).isEnabledFor(logging.WARNING)


def test_our_own_lines_are_heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log.info("settings changed", tenant="t-1", nothing=None)
    assert caplog.messages == ["settings changed tenant=t-1"]
