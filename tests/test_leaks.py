"""The search for secrets in what a test run stored, logged and answered finds each kind of them, and fails the run."""

from __future__ import annotations

import base64
import hashlib
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from shared.storage.secrets import SecretBox
from tests.leaks import Listener, Watch, app_secrets

ROOT = Path(__file__).parents[1]
KEY = base64.b64encode(bytes(range(64))).decode()
WIDGET_KEY = "6f1d0b9e-3c52-4a7e-9b1a-2f5d8c7e4a10"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (f"endpoint=https://contoso.communication.azure.com/;accesskey={KEY}", "an access key"),
        ("Bearer eyJhbGciOiJSUzI1NiJ9.eyJ0aWQiOiIxIn0.x", "a token"),
        ("https://hooks.logic.azure.com/x?sp=1&sig=abc", "a signature"),
        (f"key={WIDGET_KEY.upper()}", "a widget key"),
        (SecretBox([("k1", bytes(32))]).seal("x", tenant="t", field="f"), "a sealed secret"),
        *((f"'{secret}'", "an app setting") for secret in sorted(app_secrets())),
    ],
)
def test_the_watch_sees_each_kind_of_secret(text: str, what: str) -> None:
    watch = Watch()
    watch.key_is(hashlib.sha256(WIDGET_KEY.encode()).hexdigest())
    watch.look("a place", text)
    assert watch.found() == [f"{what} in a place"]


def test_the_watch_hears_exceptions_and_dimensions_too() -> None:
    watch = Watch()
    try:
        raise ValueError(KEY)
    except ValueError as exc:
        record = logging.LogRecord("nimbus", logging.ERROR, "", 0, "it failed", None, (ValueError, exc, None))
    Listener(watch).emit(record)
    assert watch.found() == ["an access key in log lines of the tests"]


def test_calls_that_hand_a_key_out_may_and_others_may_not() -> None:
    watch = Watch()
    text = f'{{"widgetKey":"{WIDGET_KEY}"}}'
    watch.answer("/api/tenants/t/interact/widget-key", text)
    assert watch.found() == []
    watch.answer("/api/tenants/t/settings", text)
    assert watch.found() == ["a widget key in answers"]


@pytest.mark.stack
@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_run_that_logs_a_secret_fails_although_its_tests_pass(tmp_path: Path, processes: str) -> None:
    planted = f'import logging\ndef test_it() -> None:\n    logging.getLogger("nimbus").info("{KEY}")\n'
    (tmp_path / "test_planted.py").write_text(planted)
    command = [sys.executable, "-m", "pytest", "-p", "tests.leak_report", "-n", processes, "--rootdir", str(tmp_path)]
    ended = subprocess.run([*command, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED, ended.stdout + ended.stderr
    assert "LEAKED an access key in log lines of the tests" in ended.stdout
    assert "1 passed" in ended.stdout
