"""The connector operations against the published connector: paths, codes, field names, bounds. Offline."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest
from pydantic import BaseModel

import function_app
from functions.http import openapi
from functions.http.endpoints import ENDPOINTS, Endpoint
from tests.published import OPERATIONS, TYPES

assert function_app.app, "importing the app is what fills ENDPOINTS"


def endpoint(operation: dict[str, Any]) -> Endpoint:
    """Ours, by method and path."""
    wanted = (operation["method"], _shape(operation["path"].removeprefix("/")))
    found = [one for one in ENDPOINTS.values() if (one.method, _shape(one.path)) == wanted]
    assert len(found) == 1, f"{wanted} is served {len(found)} times"
    assert f"/{found[0].path}" == operation["path"]
    return found[0]


def _shape(path: str) -> str:
    return re.sub(r"{[^}]*}", "{}", path)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation["id"])
def test_every_operation_is_served_under_its_path_with_its_success_code(operation: dict[str, Any]) -> None:
    ours = endpoint(operation)
    assert ours.status == operation["status"]
    assert set(operation["query"]) <= set(ours.query)
    assert set(ours.roles) == {"TenantAdmin", "ServiceOwner"}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation["id"])
def test_every_body_has_the_published_fields_with_their_bounds(operation: dict[str, Any]) -> None:
    if operation["body"] == ["string"]:
        assert endpoint(operation).body == list[str]
    if not isinstance(operation["body"], str):
        return
    fields = _fields(endpoint(operation).body)
    published = TYPES[operation["body"]]
    assert set(fields) == set(published["fields"])
    for name, facts in published["fields"].items():
        schema = fields[name]
        for bound in ("minimum", "maximum", "default"):
            assert schema.get(bound) == facts.get(bound) or bound not in facts, f"{name}: {bound}"


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation["id"])
def test_no_answer_has_a_field_the_published_connector_does_not_know(operation: dict[str, Any]) -> None:
    answer, ours = operation["answer"], endpoint(operation).answer
    if answer is None:
        return
    if isinstance(answer, str) and isinstance(TYPES[answer], list):
        answer = TYPES[answer]
    if isinstance(answer, list):
        (ours,), answer = get_args(ours), answer[0]
    if answer == "string":
        assert ours is str
        return
    assert set(_fields(ours)) <= set(TYPES[answer]["fields"])


def _fields(model: Any) -> dict[str, Any]:
    assert isinstance(model, type)
    assert issubclass(model, BaseModel)
    properties: dict[str, Any] = model.model_json_schema(by_alias=True)["properties"]
    return properties


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation["id"])
def test_the_description_asks_for_what_the_published_connector_sends_and_no_more(operation: dict[str, Any]) -> None:
    described = openapi.document()["paths"][operation["path"]][operation["method"].lower()]
    named = {place: [p for p in described["parameters"] if p["in"] == place] for place in ("path", "query", "header")}
    assert [f"{{{parameter['name']}}}" for parameter in named["path"]] == re.findall("{[^}]*}", operation["path"])
    asked = {p["name"]: {"required": p["required"], "type": p["schema"]["type"]} for p in named["query"]}
    assert asked == operation["query"]
    assert named["header"] == []
    assert described.get("requestBody", {}).get("required") == operation["bodyRequired"]
