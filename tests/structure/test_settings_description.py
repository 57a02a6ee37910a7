"""What the API's description lets a client send as settings is what the app accepts."""

from __future__ import annotations

from typing import Any

import pytest

import function_app
from functions.http import openapi
from functions.http.endpoints import ENDPOINTS
from shared.kernel.errors import Invalid
from shared.tenants.setting_catalogue import Secret, Settings
from shared.tenants.settings.merge import merged, replaced, shown

assert function_app.app, "importing the app is what fills ENDPOINTS"
KINDS = {"string": str, "object": dict, "array": list, "integer": int, "boolean": bool, "null": type(None)}
KEPT = Secret(sealed="x", endpoint="https://a.example", fingerprint="f")
READ = shown(Settings(), {}) | {"effective": {"outbound": {"effective": True, "because": []}}, "warnings": []}
EMPTY = {name: dict.fromkeys(READ[name]) for name in Settings().as_json()}


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """As much of JSON Schema as the description of settings uses."""
    if "$ref" in schema:
        schema = openapi.document()["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    if "anyOf" in schema:
        return any(fits(value, one) for one in schema["anyOf"])
    kinds = schema.get("type", [*KINDS])
    if type(value) not in [KINDS[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds)]:
        return False
    if isinstance(value, dict):
        known = schema.get("properties", {})
        if schema.get("additionalProperties") is False and not value.keys() <= known.keys():
            return False
        return all(name not in value or fits(value[name], known[name]) for name in known)
    if isinstance(value, list):
        return all(fits(item, schema.get("items", {})) for item in value)
    if isinstance(value, int):
        return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
    return value in schema.get("enum", [value])


def is_described(method: str, body: Any) -> bool:
    operation = openapi.document()["paths"][f"/{ENDPOINTS['put_settings'].path}"][method]
    return fits(body, operation["requestBody"]["content"]["application/json"]["schema"])


def is_accepted(method: str, body: Any) -> bool:
    change = replaced if method == "put" else merged
    try:
        change(Settings(), body, lambda *_: KEPT)
    except Invalid:
        return False
    return True


@pytest.mark.parametrize(
    ("method", "body", "good"),
    [
        ("put", READ, True),
        ("patch", READ, True),
        ("put", {}, True),
        ("patch", EMPTY, True),
        ("patch", dict.fromkeys(EMPTY), True),
        ("put", EMPTY, False),
        ("put", {"outbound": None}, False),
        *(
            (method, {"interact": {"acsConnectionString": secret}}, good)
            for method in ("put", "patch")
            for secret, good in (
                ("endpoint=x", True),
                (None, True),
                (READ["interact"]["acsConnectionString"], True),
                (7, False),
            )
        ),
        ("put", {"outbound": {"maxScheduledTasksPerService": 51}}, False),
        ("patch", {"outbound": {"maxScheduledTasksPerService": 51}}, False),
        ("patch", {"interact": {"authorization": "Some"}}, False),
        ("patch", {"outbound": {"most": 1}}, False),
        ("put", {"strange": {}}, False),
    ],
)
def test_settings_are_described_as_they_are_accepted(method: str, body: Any, good: bool) -> None:
    assert (is_described(method, body), is_accepted(method, body)) == (good, good)


def test_of_a_patch_nothing_is_said_to_be_sent_when_it_is_left_out() -> None:
    schemas = openapi.document()["components"]["schemas"]
    parts = [schema for name, schema in schemas.items() if name.endswith("Patch")]
    assert len(parts) == 6
    assert [field for part in parts for field in part["properties"].values() if "default" in field] == []
