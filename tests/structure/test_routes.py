"""Every HTTP function: who may call it, where it is found, and that the API's description knows it."""

from __future__ import annotations

import ast
import json
import re
import statistics
from typing import Any

import pytest

import function_app
from functions.http import openapi
from functions.http.endpoints import ENDPOINTS, Endpoint
from shared.kernel.callers import ROLES
from shared.kernel.errors import MOST_FINDINGS
from tests.structure.indexed import AS_DEVHOST, environment, run
from tests.structure.routes import Route, hidden
from tests.structure.source import ROOT, dotted, modules

assert function_app.app, "importing the app is what fills ENDPOINTS"
# Open to everybody. Whoever adds one writes it down here too.
OPEN = {"get_live", "get_ready", "get_openapi", "get_docs", "get_widget", "get_consent_callback"}
OPEN |= {"allow_pages_to_call", "start_session", "get_session", "post_session_event", "renew_session_token"}
OPEN |= {"fetch_widget_demo", "fetch_widget_file"}
# No endpoint: what the host calls when no other route matches.
UNKNOWN = "zz_unknown_route"
SHORT = 12  # lines; the median of a handler's body stays under it


@pytest.fixture(scope="module")
def indexed() -> dict[str, dict[str, Any]]:
    """The HTTP triggers by function name, as the host is told of them."""
    functions = run(AS_DEVHOST, ROOT, environment(storage_port=10000))
    triggers = {one["name"]: one["bindings"] for one in functions if one["trigger"] == "httpTrigger"}
    return {name: next(b for b in bindings if b["type"] == "httpTrigger") for name, bindings in triggers.items()}


def endpoints(*conditions: Any) -> list[Endpoint]:
    return [endpoint for endpoint in ENDPOINTS.values() if all(condition(endpoint) for condition in conditions)]


def test_every_http_function_is_an_endpoint_of_ours(indexed: dict[str, dict[str, Any]]) -> None:
    assert indexed.keys() == {*ENDPOINTS, UNKNOWN}


def test_what_answers_unknown_paths_comes_last_and_takes_every_method(indexed: dict[str, dict[str, Any]]) -> None:
    assert max(indexed, key=str.lower) == UNKNOWN
    assert indexed[UNKNOWN]["route"] == "{*path}"
    assert {*indexed[UNKNOWN]["methods"]} == {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}


def test_the_host_serves_each_endpoint_where_it_says(indexed: dict[str, dict[str, Any]]) -> None:
    served = {name: (trigger["route"], trigger["methods"]) for name, trigger in indexed.items() if name != UNKNOWN}
    assert served == {name: (endpoint.path, [endpoint.method]) for name, endpoint in ENDPOINTS.items()}


def test_keys_of_the_host_are_not_asked_for(indexed: dict[str, dict[str, Any]]) -> None:
    assert {str(trigger["authLevel"]).upper() for trigger in indexed.values()} == {"ANONYMOUS"}


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=lambda endpoint: endpoint.name)
def test_an_endpoint_says_who_may_call_or_why_everybody_may(endpoint: Endpoint) -> None:
    assert bool(endpoint.roles) != bool(endpoint.open_because)
    assert set(endpoint.roles) <= set(ROLES)
    assert (endpoint.name in OPEN) == bool(endpoint.open_because)


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=lambda endpoint: endpoint.name)
def test_a_path_that_names_a_tenant_needs_a_role(endpoint: Endpoint) -> None:
    assert endpoint.roles or "tenant" not in endpoint.path.lower()


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=lambda endpoint: endpoint.name)
def test_an_endpoint_describes_itself(endpoint: Endpoint) -> None:
    assert endpoint.summary.endswith(".")
    assert endpoint.body is None or endpoint.method in ("POST", "PUT", "PATCH")
    assert endpoint.body is not None or endpoint.method not in ("PUT", "PATCH")


def test_no_route_hides_another() -> None:
    assert hidden([Route(one.name, one.method, one.path) for one in ENDPOINTS.values()]) == []


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ("items/{id}", "items/recent", True),
        ("items/recent", "items/{id}", False),
        ("items/{id}", "ITEMS/{other}", True),
        ("items/{id}/x", "items/{id}/y", False),
        ("{a}/x", "b/{c}", True),
        ("items", "items/{id}", False),
        ("portal/{*path}", "portal/app.js", True),
        ("portal/app.js", "portal/{*path}", False),
        ("portal/{*path}", "portal", True),
        ("portal/{*path}", "other/app.js", False),
        ("portal/{*path}", "portal/a/b/c", True),
        ("items/{id}", "items/{*rest}", False),
    ],
)
def test_a_planted_overlap_is_found(first: str, second: str, found: bool) -> None:
    routes = [Route("b_second", "GET", second), Route("a_first", "GET", first)]
    assert hidden(routes) == ([("a_first", "b_second")] if found else [])
    assert hidden([Route("a", "GET", first), Route("b", "PUT", second)]) == []


# the description


def described() -> list[tuple[str, str, dict[str, Any]]]:
    """Path, method and operation."""
    paths = openapi.document()["paths"]
    return [(path, method, operation) for path, methods in paths.items() for method, operation in methods.items()]


def operation_of(endpoint: Endpoint) -> dict[str, Any]:
    return next(operation for _, _, operation in described() if operation["operationId"] == endpoint.name)


def test_the_description_lists_exactly_the_http_functions() -> None:
    listed = {one["operationId"]: (path.lstrip("/"), method.upper()) for path, method, one in described()}
    served = {name: (endpoint.path.replace("{*", "{"), endpoint.method) for name, endpoint in ENDPOINTS.items()}
    assert listed == served


def test_the_description_is_written_once_for_all_who_ask() -> None:
    assert openapi.text() is openapi.text()
    assert json.loads(openapi.text()) == openapi.document()


def test_the_description_says_how_many_findings_a_422_names_at_most() -> None:
    told = operation_of(ENDPOINTS["put_settings"])["responses"]["422"]["description"]
    assert f"the first {MOST_FINDINGS} fields" in told
    assert "every" not in told


def test_a_path_of_the_description_has_plain_variables_each_with_its_parameter() -> None:
    for path, _, operation in described():
        parameters = [one["name"] for one in operation["parameters"] if one["in"] == "path"]
        assert sorted(re.findall("{(.*?)}", path)) == sorted(parameters), path
        assert not {"*", ":"} & {*path}, path


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        here = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return here.union(*(references(item) for item in value.values()))
    if isinstance(value, list):
        return set().union(*(references(item) for item in value))
    return set()


def test_every_reference_in_the_description_leads_somewhere() -> None:
    document = openapi.document()
    found = references(document)
    assert found
    lost = [
        name for name in found if name.removeprefix("#/components/schemas/") not in document["components"]["schemas"]
    ]
    assert lost == []


def test_every_schema_of_the_description_is_used() -> None:
    document = openapi.document()
    named = {name.removeprefix("#/components/schemas/") for name in references(document)}
    assert document["components"]["schemas"].keys() == named


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=lambda endpoint: endpoint.name)
def test_the_description_says_what_an_operation_needs(endpoint: Endpoint) -> None:
    operation = operation_of(endpoint)
    assert operation["x-roles"] == list(endpoint.roles)
    assert ("security" in operation) == bool(endpoint.roles)
    assert ("requestBody" in operation) == (endpoint.body is not None)
    named = [parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"]
    in_path = [part.replace("*", "") for part in endpoint.path.split("/") if part.startswith("{")]
    assert [f"{{{name}}}" for name in named] == in_path


def reads(endpoint: Endpoint) -> set[str]:
    """What its handler, and the functions beside it that it calls, read of the call: ``versions``, ``json``, ..."""
    for module in modules(ROOT, "functions"):
        beside = {node.name: node for node in module.tree.body if isinstance(node, ast.FunctionDef)}
        if endpoint.name in beside:
            called = {node.id for node in ast.walk(beside[endpoint.name]) if isinstance(node, ast.Name)}
            nodes = [node for name in {endpoint.name, *called & {*beside}} for node in ast.walk(beside[name])]
            attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
            return {one.attr for one in attributes if isinstance(one.value, ast.Name) and one.value.id == "call"}
    raise AssertionError(endpoint.name)


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=lambda endpoint: endpoint.name)
def test_an_answer_in_json_has_a_schema(endpoint: Endpoint) -> None:
    content = operation_of(endpoint)["responses"][str(endpoint.status)].get("content", {})
    assert bool(content.get("application/json", {}).get("schema")) == bool(
        {"ok", "ok_text", "stored"} & reads(endpoint)
    )


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=lambda endpoint: endpoint.name)
def test_an_answer_that_is_no_json_has_its_media_type(endpoint: Endpoint) -> None:
    content = operation_of(endpoint)["responses"][str(endpoint.status)].get("content", {})
    written = {"html": "text/html", "csv": "text/csv"}
    read = {written[name] for name in written.keys() & reads(endpoint)}
    if endpoint.name in ("fetch_widget_demo", "fetch_widget_file"):  # they answer files
        read = {"text/html"} | ({"text/javascript", "text/css"} if endpoint.name == "fetch_widget_file" else set())
    assert content.keys() - {"application/json"} == read


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=lambda endpoint: endpoint.name)
def test_an_etag_is_described_where_the_answer_has_one(endpoint: Endpoint) -> None:
    responses = operation_of(endpoint)["responses"]
    done = [responses[status] for status in responses if status.startswith("2")]
    has = "stored" in reads(endpoint) or endpoint.name in (
        {"get_settings", "put_settings", "patch_settings", "delete_settings", "get_settings_section"}
    )
    assert {"ETag" in response.get("headers", {}) for response in done} == {has}


def test_who_may_have_to_wait_is_told_for_how_long() -> None:
    """All who are known by a token or a widget key, and the one page that has accounts signed in."""
    paced = {endpoint.name for endpoint in ENDPOINTS.values() if endpoint.roles}
    paced |= {"get_widget", "start_session", "get_session", "post_session_event", "renew_session_token"}
    paced |= {"get_consent_callback"}
    found = {one["operationId"] for _, _, one in described() if "429" in one["responses"]}
    assert found == paced
    for name in paced:
        assert "Retry-After" in operation_of(ENDPOINTS[name])["responses"]["429"]["headers"]


def test_a_widget_without_its_key_is_refused_as_described() -> None:
    pages = endpoints(lambda endpoint: endpoint.from_pages)
    assert pages
    for endpoint in pages:
        assert {"401", "403"} <= operation_of(endpoint)["responses"].keys()


def test_the_formats_of_the_history_are_listed() -> None:
    parameters = operation_of(ENDPOINTS["get_settings_history"])["parameters"]
    assert [one["schema"].get("enum") for one in parameters if one["name"] == "format"] == [["json", "csv"]]


def test_an_instance_that_is_not_ready_says_so_in_the_form_of_one_that_is() -> None:
    responses = operation_of(ENDPOINTS["get_ready"])["responses"]
    assert responses["200"]["content"] == responses["503"]["content"]


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=lambda endpoint: endpoint.name)
def test_if_match_is_described_where_the_handler_reads_it_and_nowhere_else(endpoint: Endpoint) -> None:
    assert endpoint.versioned == ("versions" in reads(endpoint))


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=lambda endpoint: endpoint.name)
def test_a_body_is_described_where_the_handler_reads_one_and_as_optional_where_it_does_without(
    endpoint: Endpoint,
) -> None:
    assert (endpoint.body is not None) == bool({"json", "body", "json_if_any"} & reads(endpoint))
    assert endpoint.body_optional == ("json_if_any" in reads(endpoint))
    described = operation_of(endpoint).get("requestBody")
    assert described is None or described["required"] != endpoint.body_optional


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=lambda endpoint: endpoint.name)
def test_the_description_says_how_an_operation_can_end(endpoint: Endpoint) -> None:
    operation = operation_of(endpoint)
    responses = dict(operation["responses"])
    assert next(iter(responses)) == str(endpoint.status)
    for status in {str(endpoint.status), "201", *map(str, endpoint.also_status)} & responses.keys():
        responses.pop(status)
    problems = {"$ref": "#/components/schemas/Problem"}
    assert {r["content"]["application/problem+json"]["schema"]["$ref"] for r in responses.values()} == {
        *problems.values()
    }
    named = [parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "header"]
    assert (named == ["If-Match"]) == ({"428", "412", "409"} <= responses.keys())
    assert (named == ["If-Match"]) == endpoint.versioned


@pytest.mark.parametrize("name", ["put_service", "put_user", "put_tenant"])
def test_a_put_that_may_create_says_both_ends_and_one_that_cannot_says_one(name: str) -> None:
    put = openapi.document()["paths"][f"/{ENDPOINTS[name].path}"]["put"]
    assert {"200", "201"} <= put["responses"].keys()
    settings = openapi.document()["paths"][f"/{ENDPOINTS['put_settings'].path}"]["put"]
    assert "201" not in settings["responses"]
    assert [p["required"] for p in settings["parameters"] if p["name"] == "If-Match"] == [True]


def test_a_query_parameter_that_cannot_be_left_out_is_marked() -> None:
    listing = openapi.document()["paths"]["/v1/scheduler-entries"]["get"]
    assert [(p["name"], p["required"]) for p in listing["parameters"]] == [("serviceUpn", True)]
    for endpoint in ENDPOINTS.values():
        assert {*endpoint.required} <= {*endpoint.query}


# the handlers


def handlers() -> dict[str, int]:
    """Lines of each handler's body, without its docstring."""
    found = {}
    for module in modules(ROOT, "functions"):
        for node in module.tree.body:
            if not isinstance(node, ast.FunctionDef) or not node.decorator_list:
                continue
            calls = [decorator.func for decorator in node.decorator_list if isinstance(decorator, ast.Call)]
            if any(dotted(call) in ("web.route", "bp.queue_trigger", "bp.timer_trigger") for call in calls):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                found[node.name] = sum((line.end_lineno or 0) - line.lineno + 1 for line in body)
    return found


def test_a_handler_translates_and_decides_nothing() -> None:
    lengths = handlers()
    assert lengths.keys() >= ENDPOINTS.keys()
    assert statistics.median(lengths.values()) < SHORT


def test_the_description_says_what_a_widget_has_to_show() -> None:
    paths = openapi.document()["paths"]

    def headers(path: str, method: str) -> list[str]:
        parameters = paths[f"/api/interact/{path}"][method]["parameters"]
        return [parameter["name"] for parameter in parameters if parameter["in"] == "header"]

    assert headers("widget", "get") == headers("sessions", "post") == ["X-Widget-Key"]
    assert headers("sessions/{sessionId}/events", "post") == ["X-Widget-Key", "X-Session-Secret"]
