"""Last of all files: nothing the whole run stored, logged or answered holds a secret. And the watch is not blind."""

from __future__ import annotations

import base64
import hashlib
import logging
import uuid

import pytest

from shared.storage.secrets import SecretBox
from tests.leaks import WATCH, Listener, Watch, app_secrets

KEY = base64.b64encode(bytes(range(64))).decode()
WIDGET_KEY = str(uuid.uuid4())


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


def test_nothing_the_whole_run_stored_logged_or_answered_holds_a_secret() -> None:
    assert WATCH.found() == []
