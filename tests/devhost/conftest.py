"""One running stack with two worker processes for the tests that do not harm it."""

from collections.abc import Iterator

import pytest

from tests.devhost.stack import Running, running, write_app

APP = """
import logging
import os
import threading
from pathlib import Path

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
WORK = {"queue_name": "work", "connection": "AzureWebJobsStorage"}


@app.route("echo/{name?}", methods=["GET", "POST"])
def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    logging.info("echoed", extra={"tenant": "t1"})
    print("printed")
    said = {
        "url": req.url, "method": req.method, "route": dict(req.route_params), "query": dict(req.params),
        "headers": dict(req.headers), "body": req.get_body().decode("latin-1"),
        "function": context.function_name, "trace": context.trace_context.trace_parent,
        "invocation": context.invocation_id, "thread": context.thread_local_storage.invocation_id, "pid": os.getpid(),
    }
    return func.HttpResponse(__import__("json").dumps(said), mimetype="application/json", headers={"X-One": "1"})


@app.route("shapes/{what}", methods=["GET"])
async def shapes(req: func.HttpRequest):
    match req.route_params["what"]:
        case "text":
            return "just text"
        case "nothing":
            return None
        case "number":
            return 42
        case "exit":
            raise SystemExit(3)
        case "header":
            return func.HttpResponse("x", headers={"X-Bad": "a\\r\\nSet-Cookie: evil"})
        case "cookies":
            answer = func.HttpResponse("x")
            answer.headers.add("Set-Cookie", "a=1; Path=/")
            answer.headers.add("Set-Cookie", "b=2; HttpOnly")
            return answer
        case status:
            return func.HttpResponse("", status_code=int(status))


@app.route("broken")
def broken(req: func.HttpRequest) -> str:
    raise ValueError("on purpose")


@app.route("locked", auth_level=func.AuthLevel.FUNCTION, methods=["GET"])
def locked(req: func.HttpRequest) -> str:
    return "opened"


@app.route("send/{queue}", methods=["POST"])
@app.queue_output(arg_name="out", **WORK)
@app.queue_output(arg_name="more", queue_name="letters", connection="Storage")
def send(req: func.HttpRequest, out: func.Out[str], more: func.Out[list[str]]) -> str:
    body = req.get_body().decode()
    if req.route_params["queue"] == "work":
        out.set(body)
    else:
        more.set(body.split(","))
    return "sent"


@app.queue_trigger(arg_name="message", **WORK)
@app.queue_output(arg_name="$return", queue_name="answers", connection="AzureWebJobsStorage")
def work(message: func.QueueMessage, context: func.Context) -> str:
    text = message.get_body().decode()
    logging.info(f"work {text}", extra={
        "count": message.dequeue_count, "id": message.id, "receipt": bool(message.pop_receipt),
        "inserted": message.insertion_time, "expires": message.expiration_time, "next": message.time_next_visible,
    })
    if text.startswith("bad"):
        raise ValueError(text)
    if text.startswith("slow "):
        while not Path(text[5:]).exists():
            threading.Event().wait(0.05)
    return "done " + text


@app.queue_trigger(arg_name="message", queue_name="work-poison", connection="AzureWebJobsStorage")
def poisoned(message: func.QueueMessage) -> None:
    logging.info(f"poisoned {message.get_body()!r}")


@app.timer_trigger(arg_name="timer", schedule="%TICKS%")
def every_second(timer: func.TimerRequest) -> None:
    logging.info("tick", extra={"last": timer.schedule_status["Last"], "late": timer.past_due, "pid": os.getpid()})


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *", run_on_startup=True)
async def at_start(timer: func.TimerRequest) -> None:
    logging.info("started", extra={"late": timer.past_due})


@app.timer_trigger(arg_name="timer", schedule="*/1 * * * * *")
def failing(timer: func.TimerRequest) -> None:
    raise RuntimeError("every time")
"""
KEY = "the-key"
LEASE = 2  # seconds
BODY_LIMIT = 100_000  # bytes
HOST = {"extensions": {"queues": {"maxPollingInterval": "00:00:00.200", "batchSize": 4}}}


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    app = write_app(tmp_path_factory.mktemp("app"), APP, HOST)
    with running(
        app,
        APP_PROCESSES="2",
        CONTAINER_NAME="pod",
        DEVHOST_FUNCTION_KEY=KEY,
        DEVHOST_QUEUE_LEASE_SECONDS=str(LEASE),
        FUNCTIONS_REQUEST_BODY_SIZE_LIMIT=str(BODY_LIMIT),
        TICKS="*/1 * * * * *",
    ) as one:
        yield one
