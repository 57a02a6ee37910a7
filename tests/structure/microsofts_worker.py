"""Runs in a process of its own: Microsoft's worker library indexes an app and invokes its functions.

    python -m tests.structure.microsofts_worker APP_FOLDER

Reads invocations as JSON from standard input, ``[{"function", "inputs": {name: [type, value]}, "metadata": {}}]``,
and prints one JSON object: the ``functions`` it found or the ``failure``, and an ``outcomes`` entry per invocation.
The library expects the messages of the host as protobuf classes; plain objects with the same names serve as well.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from azure_functions_runtime import handle_event, native_invocation
from azure_functions_runtime.bindings.datumdef import Datum
from azure_functions_runtime.utils import threadpool


class _Message(SimpleNamespace):
    """Any protobuf message: what it is made with."""


class _BindingInfo(_Message):
    """The numbers of the enumerations Direction and DataType."""

    out, inout, undefined = 1, 2, 0


class _StatusResult(_Message):
    Failure, Success = 0, 1


class _Protos:
    BindingInfo = _BindingInfo
    StatusResult = _StatusResult

    def __getattr__(self, name: str) -> type[_Message]:
        return _Message


async def index(folder: str) -> dict[str, Any]:
    """The functions as the host is told of them, or why the app cannot be loaded."""
    asked = SimpleNamespace(
        request=SimpleNamespace(worker_init_request=SimpleNamespace(capabilities={}, function_app_directory=folder)),
        properties={"host": "127.0.0.1", "protos": _Protos()},
    )
    answer = await handle_event.worker_init_request(asked)
    if answer.result.status != _StatusResult.Success:
        return {"failure": str(vars(answer.result.exception))}
    found = (await handle_event.functions_metadata_request(None)).function_metadata_results or []
    return {"functions": [_described(function) for function in found]}


def _described(function: Any) -> dict[str, Any]:
    bindings = [json.loads(raw) for raw in function.raw_bindings]
    triggers = [binding["type"] for binding in bindings if binding["type"].endswith("Trigger")]
    return {"name": function.name, "id": function.function_id, "trigger": triggers[0], "bindings": bindings}


async def invoke(functions: list[dict[str, Any]], wish: Mapping[str, Any]) -> dict[str, Any]:
    """Run one function once, as the host would ask for it."""
    (function_id,) = [one["id"] for one in functions if one["name"] == wish["function"]]
    inputs = [(name, _datum(kind, value)) for name, (kind, value) in wish["inputs"].items()]
    metadata = {name: Datum(json.dumps(value), "json") for name, value in wish.get("metadata", {}).items()}
    ok, returned, _, problem, trace = await native_invocation.invocation_request_native(
        "0", function_id, inputs, metadata
    )
    outcome: dict[str, Any] = {"function": wish["function"], "ok": ok, "problem": problem, "trace": trace}
    if ok and returned is not None and returned.type == "http":
        outcome["status"] = int(returned.value["status_code"].value)
        outcome["body"] = returned.value["body"].value.decode()
        outcome["headers"] = {name.lower(): value.value for name, value in returned.value["headers"].items()}
    return outcome


def _datum(kind: str, value: Any) -> Datum:
    if kind != "http":
        return Datum(value, kind)
    texts = {name: Datum(value[name], "string") for name in ("method", "url")}
    maps = {
        name: {key: Datum(text, "string") for key, text in value[name].items()}
        for name in ("headers", "params", "query")
    }
    return Datum({**texts, **maps, "body": Datum(value["body"].encode(), "bytes")}, "http")


async def main() -> None:
    folder = sys.argv[1]
    sys.path.insert(0, folder)
    found = await index(folder)
    threadpool.start_threadpool_executor()
    outcomes = [await invoke(found["functions"], wish) for wish in json.load(sys.stdin)] if "functions" in found else []
    print(json.dumps({**found, "outcomes": outcomes}))  # noqa: T201 - this is the answer
    threadpool.stop_threadpool_executor()


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(main())
