"""The queue trigger and queue outputs against Azurite."""

import base64
import contextlib
from datetime import datetime
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceExistsError

from devhost.errors import IndexingError
from devhost.send import main as send_message
from devhost.storage import Queues, decoded, encoded
from tests.devhost.stack import Running, eventually


def send(stack: Running, text: str, queue: str = "work") -> None:
    assert stack.call("POST", f"/api/send/{queue}", data=text).text == "sent"


def texts(stack: Running, queue: str) -> list[str]:
    """Take all messages of a queue nobody listens to."""
    received = stack.queue(queue).receive_messages(messages_per_page=32)
    return [base64.b64decode(message.content).decode() for message in received]


def test_a_message_is_handled_once_and_its_output_is_sent(stack: Running) -> None:
    send(stack, "good")
    [record] = stack.wait_for("log", message="work good")
    told = record["extra"]
    assert (told["count"], told["receipt"]) == (1, True)
    assert datetime.fromisoformat(told["inserted"]) <= datetime.fromisoformat(told["next"])
    assert datetime.fromisoformat(told["expires"]).year == 9999  # outputs never expire
    [line] = stack.wait_for("invocation", invocation=record["invocation"])
    assert (line["trigger"], line["outcome"]) == ("queue", "Succeeded")
    eventually(lambda: "done good" in texts(stack, "answers"), "the output's message")
    assert len(stack.logged("work good")) == 1


def test_a_message_that_fails_five_times_moves_to_the_poison_queue(stack: Running) -> None:
    send(stack, "bad one")
    stack.wait_for("log", message="poisoned " + repr(b"bad one"))
    assert [record["extra"]["count"] for record in stack.logged("work bad one")] == [1, 2, 3, 4, 5]


def test_a_message_that_is_not_base64_goes_to_the_poison_queue_at_once(stack: Running) -> None:
    send(stack, "first, so that the queue is there")
    stack.queue("work").send_message("not base64!")
    eventually(lambda: any("not base64" in one["message"] for one in stack.events("log", logger="host")), "a warning")


def test_bytes_that_are_not_text_arrive_as_bytes(stack: Running) -> None:
    with contextlib.suppress(ResourceExistsError):
        stack.queue("work-poison").create_queue()
    stack.queue("work-poison").send_message(base64.b64encode(b"\xff\x00").decode())
    stack.wait_for("log", message="poisoned " + repr(b"\xff\x00"))


def test_a_list_is_sent_as_several_messages(stack: Running) -> None:
    send(stack, "a,b,c", queue="letters")
    assert sorted(texts(stack, "letters")) == ["a", "b", "c"]


def test_a_lease_is_renewed_while_the_function_runs(stack: Running, tmp_path: Path) -> None:
    done = tmp_path / "done"
    send(stack, f"slow {done}")
    stack.wait_for("log", message=f"work slow {done}")
    ticks = len(stack.logged("tick"))
    stack.wait_for("log", message="tick", count=ticks + 5)  # five seconds: two and a half leases
    done.touch()
    invocation = stack.logged(f"work slow {done}")[0]["invocation"]
    stack.wait_for("invocation", invocation=invocation, outcome="Succeeded")
    assert len(stack.logged(f"work slow {done}")) == 1


@pytest.mark.parametrize("content", ["", "text", "é & <xml>", b"bytes", b"\xff"])
def test_what_is_encoded_is_decoded_again(content: str | bytes) -> None:
    back = decoded(encoded(content, as_base64=True), as_base64=True)
    assert (back if isinstance(back, bytes) else back.encode()) == (
        content if isinstance(content, bytes) else content.encode()
    )


@pytest.mark.parametrize("text", ["b2s=\n", " b2s=", "b2\r\ns=", "b\t2s="])
def test_blanks_in_base64_are_passed_over_as_dotnet_does(text: str) -> None:
    assert decoded(text, as_base64=True) == "ok"


@pytest.mark.parametrize("text", ["b2s", "b2\vs=", "b2s=\N{NO-BREAK SPACE}", "b2s=b2s="])
def test_what_dotnet_would_not_decode_is_not_decoded(text: str) -> None:
    with pytest.raises(ValueError, match=r"base64|ASCII"):
        decoded(text, as_base64=True)


def test_a_connection_string_that_is_none_is_named_without_its_value() -> None:
    with pytest.raises(IndexingError, match="connection AzureWebJobsStorage is of no use") as refused:
        Queues({"AzureWebJobsStorage": "hush"}, as_base64=True).client("AzureWebJobsStorage", "work")
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    ("port", "arguments", "said"),
    [
        ("abc", ["work", "text"], "STORAGE_PORT is 'abc'"),
        ("1", ["", "text"], "the name of the queue is empty"),
        ("1", ["work", "\udcff"], "must be UTF-8"),
        ("1", ["w\ud800", "text"], "must be UTF-8"),
        ("1", ["work"], "usage: "),
        ("1", ["work", "text"], "no message was sent to work at storage port 1"),
    ],
)
def test_a_message_that_cannot_be_sent_is_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], port: str, arguments: list[str], said: str
) -> None:
    monkeypatch.setenv("STORAGE_PORT", port)
    assert send_message(arguments) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_help_on_sending_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert send_message(["--help"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("usage: ")
    assert told.err == ""
