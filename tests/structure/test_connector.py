"""The connector operations against the published connector: paths, codes, field names, bounds. Offline."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest
from pydantic import BaseModel

import function_app
from functions import openapi
from functions.web import ENDPOINTS, Endpoint
from tests.published import OPERATIONS, TYPES

assert function_app.app, "importing the app is what fills ENDPOINTS"


def endpoint(operation: dict[str, Any]) -> Endpoint:
    """Ours, by method and path; what a path parameter is called does not travel."""
    wanted = (operation["method"], _shape(operation["path"].removeprefix("/")))
    found = [one for one in ENDPOINTS.values() if (one.method, _shape(one.path)) == wanted]
    assert len(found) == 1, f"{wanted} is served {len(found)} times"
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


def test_the_description_names_every_operation_of_the_connector() -> None:
    paths = openapi.document()["paths"]
    assert {_shape(operation["path"]) for operation in OPERATIONS} <= {_shape(path) for path in paths}
