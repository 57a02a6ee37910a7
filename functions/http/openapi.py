"""The OpenAPI 3.1 document, made from the endpoints and the models their handlers use."""

from __future__ import annotations

import re
from functools import cache
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from functions.http.answers import written
from functions.http.endpoints import ENDPOINTS, Endpoint
from functions.http.query import MAX_TOP
from functions.http.web import FORMATS
from shared.kernel.errors import MOST_FINDINGS
from shared.tenants.models import Page

_REF: Final = "#/components/schemas/{model}"
_VARIABLE: Final = re.compile(r"{\*?(\w+)[^}]*}")  # of a path, as the host reads it
_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "description": "RFC 9457 problem details.",
    "required": ["type", "title", "status", "detail", "code", "traceId", "error"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "traceId": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {name: {"type": "string"} for name in ("path", "message", "code")},
            },
        },
        "error": {"type": "object", "properties": {name: {"type": "string"} for name in ("code", "message")}},
    },
}

# Parameters of a query that are more than a text.
_QUERIES: Final[dict[str, dict[str, Any]]] = {
    "top": {"type": "integer", "minimum": 1, "maximum": MAX_TOP},
    "format": {"type": "string", "enum": list(FORMATS)},
    "externalIds": {"type": "array", "items": {"type": "string"}},
}
_REFUSALS: Final = {
    400: "The body is not JSON.",
    401: "Who calls is not proven.",
    403: "Who calls may not do this.",
    404: "There is no such thing.",
    409: "The state of things forbids it.",
    412: "If-Match names a version that is not there.",
    413: "The body has more than {limit} KiB.",
    415: "The body is not said to be JSON.",
    422: f"The content breaks rules; errors names the first {MOST_FINDINGS} fields at fault.",
    429: "Too many calls; Retry-After says for how many seconds to wait.",
    428: "If-Match is missing, or names no version.",
}


@cache
def document() -> dict[str, Any]:
    """Made once per process; the endpoints do not change while it runs."""
    models = sorted({model for endpoint in ENDPOINTS.values() for model in _models(endpoint)}, key=lambda m: m.__name__)
    _, definitions = models_json_schema([(model, "validation") for model in models], ref_template=_REF)
    schemas = definitions.get("$defs", {}) | {"Problem": _PROBLEM}
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in sorted(ENDPOINTS.values(), key=lambda e: (e.path, e.method)):
        paths.setdefault(_path(endpoint), {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Nimbus Extensions", "version": "1", "description": "Settings, outbound tasks and presence."},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"entra": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


@cache
def text() -> bytes:
    """The document as JSON: 200 KB that everybody may ask for."""
    return written(document())


def _models(endpoint: Endpoint) -> list[type[BaseModel]]:
    named = [endpoint.body, *get_args(endpoint.body), endpoint.answer, *get_args(endpoint.answer)]
    return [model for model in named if isinstance(model, type) and issubclass(model, BaseModel)]


def _path(endpoint: Endpoint) -> str:
    """As OpenAPI writes it: a variable by its name alone, which the host lets follow a * or have a constraint."""
    return "/" + _VARIABLE.sub(r"{\1}", endpoint.path)


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "parameters": _parameters(endpoint),
        "responses": _responses(endpoint),
        "x-roles": list(endpoint.roles),
    }
    if endpoint.roles:
        operation["security"] = [{"entra": []}]
    if endpoint.body is not None:
        content = {"application/json": {"schema": _schema(endpoint.body)}}
        operation["requestBody"] = {"required": not endpoint.body_optional, "content": content}
        operation["x-body-limit"] = endpoint.body_limit  # bytes
    return operation


def _responses(endpoint: Endpoint) -> dict[str, Any]:
    """What a caller meets: success first, then the refusals by the order in which they are judged."""
    answer: dict[str, Any] = {"description": "Done."}
    content = {"application/json": {"schema": _schema(endpoint.answer)}} if endpoint.answer is not None else {}
    if content := content | {media_type: {"schema": {"type": "string"}} for media_type in endpoint.texts}:
        answer["content"] = content
    if endpoint.etag:
        answer["headers"] = {"ETag": {"description": "The version, for If-Match.", "schema": {"type": "string"}}}
    responses = {str(endpoint.status): answer}
    responses |= {
        str(status): answer | {"description": "Not done; the answer says why."} for status in endpoint.also_status
    }
    if endpoint.method == "PUT" and endpoint.versioned and not endpoint.always_there:
        responses["201"] = answer | {"description": "Created."}
    refusals = [
        *((401, 403) if endpoint.roles or endpoint.from_pages else ()),
        *((404,) if "{" in endpoint.path else ()),
        *((415, 413, 400) if endpoint.body is not None else ()),
        *((428, 412, 409) if endpoint.versioned else ()),
        *((429,) if endpoint.paced else ()),
        *((422,) if endpoint.body is not None or endpoint.query else ()),
    ]
    limit = endpoint.body_limit // 1024
    described = {str(status): _refusal(_REFUSALS[status].format(limit=limit)) for status in refusals}
    if endpoint.paced:
        described["429"]["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    return responses | described | {"default": _refusal("Any other problem.")}


def _refusal(description: str) -> dict[str, Any]:
    schema = {"$ref": _REF.format(model="Problem")}
    return {"description": description, "content": {"application/problem+json": {"schema": schema}}}


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    text = {"type": "string"}
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": text} for name in _VARIABLE.findall(endpoint.path)
    ]
    for name in endpoint.query:
        required = name in endpoint.required
        parameters.append({"name": name, "in": "query", "required": required, "schema": _QUERIES.get(name, text)})
    if endpoint.versioned:
        parameters.append({"name": "If-Match", "in": "header", "required": endpoint.always_there, "schema": text})
    if endpoint.from_pages:
        # Of a session's events those of the agent come without both, from a back end with a token.
        shown = ("X-Widget-Key", "X-Session-Secret") if "{sessionId}" in endpoint.path else ("X-Widget-Key",)
        parameters += [{"name": name, "in": "header", "required": False, "schema": text} for name in shown]
    return parameters


def _schema(shape: Any) -> dict[str, Any]:
    if get_origin(shape) is list:
        return {"type": "array", "items": _schema(get_args(shape)[0])}
    if get_origin(shape) is Page:
        items = {"type": "array", "items": _schema(get_args(shape)[0])}
        continuation = {"type": ["string", "null"]}
        return {"type": "object", "properties": {"items": items, "continuation": continuation}}
    if get_origin(shape) in (Union, UnionType):
        return {"anyOf": [_schema(one) for one in get_args(shape)]}
    if shape is dict:
        return {"type": "object"}
    if shape is str:
        return {"type": "string"}
    return {"$ref": _REF.format(model=shape.__name__)}
