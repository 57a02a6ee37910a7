"""What a process keeps in memory between calls has a bound, and this is the list of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.structure.source import ROOT, Module, dotted, modules

# What grows: containers that start empty, and our own stores of values.
GROWING = {"dict", "list", "set", "OrderedDict", "defaultdict", "Counter", "deque", "Entries", "Kept", "Turns"}
# Attribute of a class -> what bounds it. Those of objects that live as long as one call or run say so.
BOUNDS = {
    "Agenda._made": "10,000 entries, each until its moment; told of offboarding",
    "Assistant._kept": "1,000 tokens, each until 5 min before its end; told of offboarding",
    "Buckets._levels": "10,000 buckets of numbers per kind",
    "Entries._values": "the number it is made with",
    "Lanes._running": "tenants with a search under way",
    "Lanes._waiting": "tenants with a search under way",
    "Latecomers._abandoned": "lanes with a thread whose caller has gone, 200 at most",
    "Latecomers._running": "lanes with a thread, 200 at most",
    "OnBehalfOf._kept": "1,000 tokens, each until 5 min before its end; told of offboarding",
    "OperatorAudit._noted": "10,000 operators by tenant, each until its hour ends; told of offboarding",
    "Poller._strange_words": "1,000 words, which are Graph's and no tenant's",
    "SearchCopies._copies": "256 MB, each until an hour after its last search; told of offboarding",
    "SearchCopies._turns": "tenants with a search under way",
    "SignIns._tokens": "10,000 tokens, each until 5 min before its end; told of offboarding",
    "SignIns._turns": "sign-ins under way",
    "Turns._turns": "keys that a thread holds or waits for",
    "WidgetKeys._believed": "10,000 hashes, each for 5 s; the offboarded tenant's is removed",
    "Health._found": "the answer of the last second",
    "Kept._entries": "the number it is made with",
    "Kept._turns": "values that are being made",
    "Rotation._unreadable": "one run of a command",
    "SideBySide._running": "one sweep",
    "SideBySide._load": "one sweep",
    "SideBySide._waiting": "one sweep",
    "_Tenant._known": "one run of a command",
    "_People._candidates": "one search",
    "_People._belongs": "one search",
    "_People._people": "one search",
    "_Reader._items": "one filter",
    "_Reader.problems": "one reading of the app settings",
    "functions.http.endpoints.ENDPOINTS": "the endpoints of the code",
}
# Functions that remember answers by what they are asked: what may be asked is a fixed, short list.
CACHED = {"shared.attendant.fields.places", "functions.widget_pages_http._content"}

CODE = modules(ROOT, "shared", "functions")


def growing(module: Module) -> Iterator[str]:
    """``Class.attribute`` of all that is made empty in an ``__init__``, and names of empty containers of the module."""
    for node in module.tree.body:
        if isinstance(node, ast.ClassDef):
            for init in node.body:
                if isinstance(init, ast.FunctionDef) and init.name == "__init__":
                    yield from (f"{node.name}.{name.removeprefix('self.')}" for name in _made_empty(init))
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            yield from (f"{module.name}.{name}" for name in _made_empty(node))


def _made_empty(within: ast.AST) -> Iterator[str]:
    for node in ast.walk(within):
        match node:
            case ast.Assign(targets=[target], value=value) | ast.AnnAssign(target=target, value=ast.expr() as value):
                if _grows(value):
                    yield dotted(target)


def _grows(value: ast.expr) -> bool:
    match value:
        case ast.Dict(keys=[]) | ast.List(elts=[]):
            return True
        case ast.Call(func=ast.Name("dict" | "list" | "set"), args=[_, *_]):
            return False  # what it is given, all at once
        case ast.Call(func=ast.Subscript(value=func)) | ast.Call(func=func):
            return dotted(func) in GROWING
    return False


def test_all_that_grows_in_a_process_is_listed_with_its_bound() -> None:
    assert {name for module in CODE for name in growing(module)} == set(BOUNDS)


def test_every_store_of_values_by_tenant_is_told_of_a_tenant_that_leaves() -> None:
    stores = {
        node.name
        for module in CODE
        if module.name not in ("shared.concurrency.expiring_cache", "shared.tenants.offboarding")
        for node in module.tree.body
        if isinstance(node, ast.ClassDef) and any(getattr(part, "name", "") == "forget_tenant" for part in node.body)
    }
    assert stores == {name.split(".")[0] for name, bound in BOUNDS.items() if "told of offboarding" in bound}
    (core,) = (module for module in CODE if module.name == "shared.bootstrap.core")
    (told,) = (
        node.value
        for node in ast.walk(core.tree)
        if isinstance(node, ast.AnnAssign) and dotted(node.target) == "caches" and isinstance(node.value, ast.List)
    )
    assert len(told.elts) == len(stores), "name it among the caches of build()"


@pytest.mark.parametrize("module", CODE, ids=lambda module: module.name)
def test_functions_that_remember_are_asked_nothing_a_caller_chooses(module: Module) -> None:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef) and node.args.args:
            kinds = {dotted(one.func if isinstance(one, ast.Call) else one) for one in node.decorator_list}
            if kinds & {"cache", "lru_cache", "functools.cache", "functools.lru_cache"}:
                assert f"{module.name}.{node.name}" in CACHED
