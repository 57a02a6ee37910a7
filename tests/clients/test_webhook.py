"""Callbacks over real HTTP: once, nowhere else, and without a word of the URL's secret."""

from __future__ import annotations

import json
import logging
import socket
import threading
import traceback
from email.utils import format_datetime

import pytest
import requests

from shared.clients.webhook import CallbackSender
from shared.http.gateway import open_session
from shared.kernel.errors import Unreachable, Upstream
from tests.clients.fake_cloud import Answer, FakeCloud, TurnedClock

URL = "https://prod-1.logic.azure.com/workflows/p4th-s3cr3t/invoke?api-version=2016-10-01&sp=%2Ftriggers%2Fmanual%2Frun&sig=s3-cr_3t"
PATH = "/prod-1.logic.azure.com/workflows/p4th-s3cr3t/invoke"


@pytest.fixture
def sender(session: requests.Session, clock: TurnedClock) -> CallbackSender:
    return CallbackSender(session, clock)


def test_the_event_arrives_as_it_is_with_its_id_and_the_signature_untouched(
    cloud: FakeCloud, sender: CallbackSender
) -> None:
    cloud.on(PATH, Answer(202, b""))
    body = json.dumps({"event": "Queued", "customer": {"firstName": "Zoë"}}, ensure_ascii=False).encode()
    answered = sender.post(URL, body, "6f1c1f0e-3c5b-4c8e-9d57-0e3a1c9b7f11")
    assert (answered.status, answered.retry_after) == (202, None)
    (asked,) = cloud.asked
    assert (asked.method, asked.query, asked.body) == ("POST", URL.split("?")[1], body)
    assert asked.headers["x-nimbus-event-id"] == "6f1c1f0e-3c5b-4c8e-9d57-0e3a1c9b7f11"
    assert asked.headers["Content-Type"] == "application/json; charset=utf-8"
    assert "Authorization" not in asked.headers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(cloud: FakeCloud, sender: CallbackSender, status: int) -> None:
    cloud.on(PATH, Answer(status, b"", {"Location": "https://evil.example/"}))
    assert sender.post(URL, b"{}", "id").status == status
    assert len(cloud.asked) == 1


def test_a_pause_is_read_as_seconds_or_as_a_date(cloud: FakeCloud, sender: CallbackSender, clock: TurnedClock) -> None:
    date = format_datetime(clock().replace(hour=13), usegmt=True)
    for said, seconds in (("90", 90.0), (date, 3600.0), ("soon", None), ("-5", None), ("9" * 30, 86_400.0)):
        cloud.on(PATH, Answer(429, b"", {"Retry-After": said}))
        assert sender.post(URL, b"{}", "id").retry_after == seconds


def test_the_body_of_an_answer_is_not_waited_for(sender: CallbackSender, clock: TurnedClock) -> None:
    """A receiver that promises a gigabyte and sends a byte has answered."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = threading.Event()

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 1000000000\r\n\r\nx")
                done.wait(20)

        thread = threading.Thread(target=answer)
        thread.start()
        gateway = f"http://127.0.0.1:{server.getsockname()[1]}"
        with open_session(gateway, read_timeout=5.0) as session:
            assert CallbackSender(session, clock).post(URL, b"{}", "id").status == 202
        done.set()
        thread.join(20)


def test_neither_errors_nor_logs_name_the_signature(
    cloud: FakeCloud, sender: CallbackSender, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    cloud.on(PATH, Answer(drop=True))
    with pytest.raises(Unreachable) as failed:
        sender.post(URL, b"{}", "id")
    cloud.on(PATH, Answer(202, b""))
    sender.post(URL, b"{}", "id")
    said = "".join(traceback.format_exception(failed.value)) + caplog.text
    assert "s3-cr_3t" not in said
    assert "p4th-s3cr3t" not in said


@pytest.mark.parametrize("answer", [b"HTTP/1.1 202 Accepted\r\nno header\r\n\r\n", b"nonsense\r\n\r\n", b""])
def test_an_answer_of_no_sense_puts_the_url_into_no_log_line(
    answer: bytes, clock: TurnedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Of headers it cannot read, urllib3 would write a warning with the whole URL."""
    caplog.set_level(logging.DEBUG)
    said = ""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with open_session(f"http://127.0.0.1:{server.getsockname()[1]}", read_timeout=5.0) as session:
            try:
                CallbackSender(session, clock).post(URL, b"{}", "id")
            except Upstream as exc:
                said = "".join(traceback.format_exception(exc))
        thread.join(20)
    assert "s3-cr_3t" not in said + caplog.text
    assert "p4th-s3cr3t" not in said + caplog.text
