"""Route templates and the order in which functions are tried."""

import re
from urllib.parse import quote

import azure.functions as func
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from devhost.errors import IndexingError
from devhost.indexing import index
from devhost.routing import Route, decode_path, find, in_host_order, parse_template

GUID = "0a1b2c3d-0000-4000-8000-00000000000a"


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("items", "items", {}),
        ("items", "ITEMS", {}),
        ("items", "items/1", None),
        ("items/{id}", "items/7", {"id": "7"}),
        ("items/{id}", "items", None),
        ("items/{id}", "items//", None),
        ("items/{id?}", "items", {}),
        ("items/{id?}", "items/7", {"id": "7"}),
        ("items/{id:int}", "items/-7", {"id": "-7"}),
        ("items/{id:int}", "items/x7", None),
        ("items/{id:int}", "items/\N{ARABIC-INDIC DIGIT SEVEN}", None),
        ("items/{id:int}", "items/2147483648", None),
        ("items/{id:long}", "items/2147483648", {"id": "2147483648"}),
        ("items/{id:INT?}", "items", {}),
        ("t/{id:guid}/s", f"t/{GUID}/s", {"id": GUID}),
        ("t/{id:guid}/s", "t/recent/s", None),
        ("files/{*rest}", "files/a/b/c", {"rest": "a/b/c"}),
        ("files/{*rest}", "files", {}),
        ("{*rest}", "", {}),
        ("files/{name}.{kind}", "files/a.txt", {"name": "a", "kind": "txt"}),
        ("a.b", "axb", None),
        ("{x:bool}/{y:alpha}", "True/Abc", {"x": "True", "y": "Abc"}),
        ("{x:alpha}", "\N{KELVIN SIGN}", None),
    ],
)
def test_a_template_matches_what_the_host_matches(template: str, path: str, expected: dict[str, str] | None) -> None:
    assert parse_template(template).match(path) == expected


@pytest.mark.parametrize("template", ["{a}/{a}", "{*rest}/x", "{a?}/x", "{a:even}", "{a", "a}", "{a:int:min(1)}", "{}"])
def test_a_template_the_host_would_not_take_is_refused(template: str) -> None:
    with pytest.raises(IndexingError):
        parse_template(template)


def routes(**templates: str) -> list[Route]:
    return in_host_order(Route(name, parse_template(text), frozenset({"GET"})) for name, text in templates.items())


def test_the_first_function_in_the_alphabet_answers_not_the_most_specific_one() -> None:
    found = find(routes(z_recent="items/recent", A_item="items/{id}"), "GET", b"/items/recent")
    assert found is not None
    assert found[0].function == "A_item"


def test_a_wrong_method_is_no_match_and_leaves_the_request_to_others() -> None:
    table = in_host_order(
        [
            Route("a", parse_template("x"), frozenset({"GET"})),
            Route("b", parse_template("x"), frozenset({"PUT"})),
            Route("c", parse_template("y"), None),
        ]
    )
    requests = [("POST", b"/x"), ("HEAD", b"/x"), ("put", b"/x/"), ("PROPFIND", b"/y")]
    found = [find(table, method, path) for method, path in requests]
    assert [one and one[0].function for one in found] == [None, None, "b", "c"]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"/a%20b", "/a b"),
        (b"/a%2Fb%2fc", "/a%2Fb%2fc"),
        (b"/%C3%A9%2F%C3%A9", "/é%2Fé"),
        (b"/%ff", "/%ff"),
        (b"/%", "/%"),
        (b"/%zz%4", "/%zz%4"),
        (b"/a%00b", "/a%00b"),
        (b"/a/./b/../c", "/a/c"),
        (b"/a/%2e%2e/..", "/"),
        (b"/.well-known/x", "/.well-known/x"),
    ],
)
def test_paths_are_decoded_as_kestrel_decodes_them(raw: bytes, expected: str) -> None:
    assert decode_path(raw) == expected


@given(st.binary(max_size=60))
@example(b"/%e9%20")
def test_no_path_is_too_odd_for_routing(raw: bytes) -> None:
    find(routes(a="{x}/{y?}", b="{*rest}"), "GET", b"/" + raw)


@given(st.text(min_size=1).filter(lambda text: not re.search(r"[/\0\ud800-\udfff]", text) and text not in (".", "..")))
def test_a_parameter_arrives_as_it_was_before_it_was_escaped(value: str) -> None:
    found = find(routes(a="things/{value}"), "GET", f"/things/{quote(value, safe='')}".encode())
    assert found is not None
    assert found[1] == {"value": value}


def test_two_functions_whose_names_differ_in_case_only_are_refused() -> None:
    app = func.FunctionApp()
    for number, name in enumerate(("item", "Item")):
        app.function_name(name)(app.route(f"items{number}")(lambda req: "x"))
    with pytest.raises(IndexingError, match="two functions are named"):
        index(app, {})
