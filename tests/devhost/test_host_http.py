"""The HTTP trigger, over the wire."""

import asyncio
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

from devhost.errors import CannotStart
from devhost.http import RUN_HEADER, HttpApp
from devhost.invocation import Outcome
from devhost.options import body_limit
from tests.devhost.conftest import BODY_LIMIT, KEY
from tests.devhost.stack import PATIENCE, Running


def raw(stack: Running, request: bytes) -> bytes:
    """The answer to bytes that no HTTP library would send."""
    with socket.create_connection(("127.0.0.1", stack.app_port), PATIENCE) as sock:
        sock.sendall(request)
        answer = b""
        while chunk := sock.recv(65536):
            answer += chunk
        return answer


def test_a_request_arrives_as_the_host_hands_it_over(stack: Running) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = stack.call(
        "POST",
        "/API/Echo/a%2Fb%20c?x=1&y=&X=2&z=%zz",
        data="hello",
        headers={"X-Mixed-Case": "Y", "traceparent": trace},
    )
    said = answer.json()
    assert (answer.status_code, answer.headers["x-one"]) == (200, "1")
    assert answer.headers["content-type"] == "application/json"
    assert (said["method"], said["function"], said["trace"]) == ("POST", "echo", trace)
    assert said["route"] == {"name": "a%2Fb c"}
    assert said["query"] == {"x": "1,2", "z": "%zz"}
    assert said["headers"]["x-mixed-case"] == "Y"
    assert said["body"] == "hello"
    assert urlsplit(said["url"]).path == "/API/Echo/a%2Fb%20c"
    assert said["invocation"] == said["thread"]


def test_each_invocation_is_one_line_and_its_log_records_carry_its_id(stack: Running) -> None:
    invocation = stack.call("GET", "/api/echo").json()["invocation"]
    [line] = stack.wait_for("invocation", invocation=invocation)
    assert (line["function"], line["trigger"], line["outcome"], line["status"]) == ("echo", "http", "Succeeded", 200)
    assert line["duration_ms"] > 0
    records = {record["message"]: record for record in stack.events("log", invocation=invocation)}
    assert records["echoed"]["extra"] == {"tenant": "t1"}
    assert records["printed"]["logger"] == "print"
    assert stack.noise == []


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/api/echo"), ("HEAD", "/api/echo"), ("GET", "/echo"), ("GET", "/")]
)
def test_a_wrong_method_and_a_wrong_path_are_both_404(stack: Running, method: str, path: str) -> None:
    answer = stack.call(method, path)
    assert (answer.status_code, answer.content) == (404, b"")


@pytest.mark.parametrize(
    ("what", "status", "body"),
    [
        ("text", 200, b"just text"),
        ("nothing", 204, b""),
        ("number", 500, b""),
        ("exit", 500, b""),
        ("header", 500, b""),
        ("304", 304, b""),
        ("404", 404, b""),
        ("999", 500, b""),
    ],
)
def test_return_values_become_answers(stack: Running, what: str, status: int, body: bytes) -> None:
    answer = stack.call("GET", f"/api/shapes/{what}")
    assert (answer.status_code, answer.content) == (status, body)


def test_every_cookie_is_sent(stack: Running) -> None:
    assert dict(stack.call("GET", "/api/shapes/cookies").cookies) == {"a": "1", "b": "2"}


def test_an_exception_is_an_empty_500_with_a_traceback_in_the_log(stack: Running) -> None:
    answer = stack.call("DELETE", "/api/broken")
    assert (answer.status_code, answer.content) == (500, b"")
    [line] = stack.wait_for("invocation", function="broken")
    assert (line["outcome"], line["status"]) == ("Failed", 500)
    [record] = stack.wait_for("log", invocation=line["invocation"])
    assert "ValueError: on purpose" in record["message"]
    assert "function_app.py" in record["message"]
    assert "devhost" not in record["message"]


def test_a_function_with_a_key_opens_for_the_key_only(stack: Running) -> None:
    assert stack.call("GET", "/api/locked").status_code == 401
    assert stack.call("GET", "/api/locked?code=wrong").status_code == 401
    assert stack.call("GET", f"/api/locked?code={KEY}").text == "opened"
    assert stack.call("GET", "/api/locked", headers={"x-functions-key": KEY}).text == "opened"


def test_a_chunked_body_arrives_empty(stack: Running) -> None:
    assert stack.call("POST", "/api/echo", data=iter([b"hel", b"lo"])).json()["body"] == ""


def test_a_body_over_the_limit_is_refused_unread(stack: Running) -> None:
    head = b"POST /api/echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    assert raw(stack, head % (BODY_LIMIT + 1)).startswith(b"HTTP/1.1 413")
    assert raw(stack, head % BODY_LIMIT + b"x" * BODY_LIMIT).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("value", ["", None])
def test_without_a_limit_of_its_own_it_is_the_hosts(value: str | None) -> None:
    assert body_limit({} if value is None else {"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": value}) == 104_857_600


@pytest.mark.parametrize("value", ["0", "-1", "1 MB"])
def test_a_limit_that_is_none_is_told_before_the_workers_start(value: str) -> None:
    with pytest.raises(CannotStart, match="FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"):
        body_limit({"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": value})


@pytest.mark.parametrize(
    "request_line", [b"GET /api/echo/%ff%zz%00?%ff=%zz", b"GET /api/echo/\xff?a=\xff&b", b"GET //api/echo", b"GET *"]
)
def test_odd_requests_are_no_server_errors(stack: Running, request_line: bytes) -> None:
    answer = raw(stack, request_line + b" HTTP/1.1\r\nHost: x\r\nX-Odd: \xff\xfe\r\nConnection: close\r\n\r\n")
    assert answer.split(b" ")[1] in (b"200", b"400", b"404")


def test_huge_headers_are_the_clients_error(stack: Running) -> None:
    assert stack.call("GET", "/api/echo", headers={"X-Huge": "x" * 200_000}).status_code == 431
    assert stack.call("GET", "/api/echo?x=" + "x" * 200_000).status_code == 414


class Nobody:
    """Runs nothing: these requests reach no function."""

    async def invoke(self, function: object, arguments: object, trace: object = None) -> Outcome:
        raise AssertionError(function)


def test_until_the_door_opens_only_the_run_itself_comes_in() -> None:
    async def statuses() -> list[int]:
        door = asyncio.Event()
        app = HttpApp([], prefix="", invoker=Nobody(), door=door, secret="s3cret", key=None, body_limit=1)
        found = [await status(app, b"other"), await status(app, b"s3cret")]
        door.set()
        return [*found, await status(app, b"")]

    async def status(app: HttpApp, shown: bytes) -> int:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            raise AssertionError("nothing to read")

        scope = {
            "type": "http",
            "method": "GET",
            "path": "/x",
            "raw_path": b"/x",
            "query_string": b"",
            "headers": [(RUN_HEADER.encode(), shown)],
        }
        await app(scope, receive, send)
        if sent[0]["status"] == 503:
            assert sent[1]["body"] == b'{"code": "Starting"}'
            assert (b"retry-after", b"1") in sent[0]["headers"]
        return int(sent[0]["status"])

    assert asyncio.run(statuses()) == [503, 404, 404]
