"""The types of what can be filtered, and the refusal of a literal of another type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from simulator.graph_access import GraphRefusal, names
from simulator.graph_filter import Both, Compare, Either, Function, Lambda, Node, Not, OneOf, Value

TEXT: Final = "Edm.String"
YES: Final = "Edm.Boolean"
MOMENT: Final = "Edm.DateTimeOffset"
ID: Final = "Edm.Guid"
NUMBER: Final = "Edm.Int64"
OPERATORS: Final = {
    "eq": "Equal",
    "ne": "NotEqual",
    "gt": "GreaterThan",
    "ge": "GreaterThanOrEqual",
    "lt": "LessThan",
    "le": "LessThanOrEqual",
    "in": "Equal",
}

Types = Mapping[str, str]

#: By path in lower case, items of a collection below its name. All that is not here is text, ids of objects too.
USER: Final[Types] = (
    dict.fromkeys(
        names("accountenabled onpremisessyncenabled islicensereconciliationneeded isresourceaccount showinaddresslist"),
        YES,
    )
    | dict.fromkeys(
        names("createddatetime onpremiseslastsyncdatetime employeehiredate assignedplans/assigneddatetime"), MOMENT
    )
    | dict.fromkeys(names("assignedlicenses/skuid assignedplans/serviceplanid"), ID)
)
CONTACT: Final[Types] = dict.fromkeys(names("birthday createddatetime lastmodifieddatetime"), MOMENT)
#: By list.
GRANT: Final[Mapping[str, Types]] = {
    "servicePrincipals": {
        "accountenabled": YES,
        "approles/id": ID,
        "approles/isenabled": YES,
        "oauth2permissionscopes/id": ID,
        "oauth2permissionscopes/isenabled": YES,
    },
    "appRoleAssignments": {"approleid": ID, "principalid": ID, "resourceid": ID, "createddatetime": MOMENT},
    "oauth2PermissionGrants": {},
}


def check_literals(node: Node, types: Types, *, code: str = "BadRequest") -> None:
    """400 with that code for a filter that compares a property with a literal of another type than its own."""
    for path, term in _terms(node, {}):
        wanted = NUMBER if path.endswith("/$count") else types.get(path, TEXT)
        match term:
            case Function(name=name) if wanted != TEXT:
                raise GraphRefusal(
                    400, code, f"Invalid filter clause: No function signature for the function with name '{name}'."
                )
            case Compare(op=op, value=value):
                _check(wanted, op, (value,), code)
            case OneOf(values=values):
                _check(wanted, "in", values, code)


def _check(wanted: str, op: str, values: tuple[Value, ...], code: str) -> None:
    for value in values:
        given = _type_of(value)
        if given not in (None, wanted):
            raise GraphRefusal(
                400,
                code,
                "Invalid filter clause: A binary operator with incompatible types was detected. Found operand types "
                f"'{wanted}' and '{given}' for operator kind '{OPERATORS[op]}'.",
            )


def _type_of(value: Value) -> str | None:
    """The type of a literal; null fits every type."""
    match value:
        case None:
            return None
        case bool():
            return YES
        case datetime():
            return MOMENT
        case UUID():
            return ID
        case float():
            return NUMBER if value.is_integer() else "Edm.Double"
    return TEXT


def _terms(node: Node, scope: Mapping[str, str]) -> Iterator[tuple[str, Compare | OneOf | Function]]:
    """Every comparison with its path in lower case; the variable of a lambda is written as its collection."""
    match node:
        case Both(left, right) | Either(left, right):
            yield from _terms(left, scope)
            yield from _terms(right, scope)
        case Not(part):
            yield from _terms(part, scope)
        case Lambda(path=path, variable=variable, body=body):
            if body is not None:
                yield from _terms(body, {**scope, variable: _spelled(path, scope)})
        case Compare(path=path) | OneOf(path=path) | Function(path=path):
            yield _spelled(path, scope), node


def _spelled(path: str, scope: Mapping[str, str]) -> str:
    head, slash, rest = path.partition("/")
    return scope.get(head, head.lower()) + slash + rest.lower()
