"""Which $filter a property of a user allows, and which ask for advanced query parameters."""

from __future__ import annotations

from typing import Final

from simulator.graph_access import GraphRefusal, names
from simulator.graph_filter import Both, Compare, Either, Function, Lambda, Node, Not, OneOf

# Equality by default, with advanced parameters; startswith alike. Names in lower case.
EQ_DEFAULT: Final = frozenset(
    names("""id city country department displayname givenname jobtitle mail mailnickname surname usagelocation
    userprincipalname usertype employeeid state onpremisessecurityidentifier onpremisessyncenabled accountenabled
    agegroup consentprovidedforminor creationtype externaluserstate islicensereconciliationneeded isresourceaccount
    onpremisesimmutableid createddatetime onpremiseslastsyncdatetime""")
)
EQ_ADVANCED: Final = frozenset(
    names("""companyname faxnumber mobilephone officelocation postalcode preferredlanguage streetaddress
    employeehiredate
    employeeorgdata/costcenter employeeorgdata/division employeetype showinaddresslist onpremisessamaccountname
    """)
) | {f"onpremisesextensionattributes/extensionattribute{number}" for number in range(1, 16)}
STARTS_DEFAULT: Final = frozenset(
    names("""city country department displayname givenname jobtitle mail mailnickname surname usagelocation
    userprincipalname""")
)
STARTS_ADVANCED: Final = frozenset(
    names("""companyname faxnumber mobilephone officelocation postalcode preferredlanguage streetaddress
    onpremisessamaccountname""")
)
NULL_NEVER: Final = frozenset(
    names("""userprincipalname accountenabled agegroup consentprovidedforminor creationtype externaluserstate
    islicensereconciliationneeded isresourceaccount onpremisesimmutableid onpremiseslastsyncdatetime employeehiredate
    employeeorgdata/costcenter employeeorgdata/division employeetype showinaddresslist onpremisessamaccountname
    """)
)
ENDS: Final = frozenset({"mail", "othermails", "userprincipalname", "proxyaddresses"})
ORDERED: Final = frozenset({"createddatetime", "onpremiseslastsyncdatetime", "employeehiredate"})
#: Collections, with whether they ask for advanced parameters.
COLLECTIONS: Final = {
    "othermails": False,
    "proxyaddresses": False,
    "imaddresses": False,
    "identities": False,
    "assignedlicenses": False,
    "businessphones": True,
    "assignedplans": True,
}
COUNTED: Final = frozenset({"assignedlicenses", "othermails", "proxyaddresses", "ownedobjects"})


def check_user_filter(node: Node, *, advanced: bool) -> None:
    """Refuse what Graph refuses of a filter on users; `advanced` says whether the parameters are there."""
    _check(node, advanced, {})


def properties_in(node: Node) -> set[str]:
    """The top-level properties a filter looks at, in lower case."""
    match node:
        case Both(left, right) | Either(left, right):
            return properties_in(left) | properties_in(right)
        case Not(part):
            return properties_in(part)
        case Lambda(path=path) | Compare(path=path) | OneOf(path=path) | Function(path=path):
            return {path.split("/")[0].lower()}


def _check(node: Node, advanced: bool, scope: dict[str, str]) -> None:
    match node:
        case Both(left, right) | Either(left, right):
            _check(left, advanced, scope)
            _check(right, advanced, scope)
        case Not(part):
            _need_advanced("not", advanced)
            _check(part, advanced, scope)
        case Lambda(kind, path, variable, body):
            name = path.lower()
            if kind == "all" or name not in COLLECTIONS or body is None:
                raise _unsupported(path)
            if COLLECTIONS[name]:
                _need_advanced("any", advanced)
            _check(body, advanced, {**scope, variable: name})
        case Compare(path=path) | OneOf(path=path) | Function(path=path):
            if path.split("/")[0] in scope:
                _check_item(node, advanced, scope[path.split("/")[0]])
            else:
                _check_term(node, advanced)


def _check_term(node: Compare | OneOf | Function, advanced: bool) -> None:
    name = node.path.lower()
    match node:
        case Function(name="contains"):
            raise _unsupported(node.path)
        case Function(name="endswith"):
            if name not in ENDS:
                raise _unsupported(node.path)
            _need_advanced("endsWith", advanced)
        case Function():
            if name not in STARTS_DEFAULT | STARTS_ADVANCED:
                raise _unsupported(node.path)
            if name in STARTS_ADVANCED:
                _need_advanced("startsWith", advanced)
        case Compare(op="gt" | "ge" | "lt" | "le"):
            if name not in ORDERED:
                raise _unsupported(node.path)
        case Compare() if name.endswith("/$count"):
            if name.removesuffix("/$count") not in COUNTED or node.value not in (0, 1):
                raise _unsupported(node.path)
            _need_advanced(node.op, advanced)
        case Compare() | OneOf():
            _check_equality(node, name, advanced)


def _check_equality(node: Compare | OneOf, name: str, advanced: bool) -> None:
    if name not in EQ_DEFAULT | EQ_ADVANCED:
        raise _unsupported(node.path)
    null = isinstance(node, Compare) and node.value is None
    if null and name in NULL_NEVER:
        raise _unsupported(node.path)
    op = node.op if isinstance(node, Compare) else "in"
    if op == "ne" or null or name in EQ_ADVANCED:
        _need_advanced(op, advanced)


def _check_item(node: Compare | OneOf | Function, advanced: bool, collection: str) -> None:
    match node:
        case Function(name="endswith") if collection in ENDS:
            _need_advanced("endsWith", advanced)
        case Function(name="startswith") | OneOf():
            pass
        case Compare(op="eq" | "ne" as op):
            if op == "ne":
                _need_advanced(op, advanced)
        case _:
            raise _unsupported(collection)


def _need_advanced(operator: str, advanced: bool) -> None:
    if not advanced:
        raise GraphRefusal(
            400,
            "Request_UnsupportedQuery",
            f"Operator '{operator}' is not supported because the required parameters might be missing. Try adding "
            "$count=true query parameter and ConsistencyLevel:eventual header. Refer to "
            "https://aka.ms/graph-docs/advanced-queries for more information.",
        )


def _unsupported(path: str) -> GraphRefusal:
    text = f"Unsupported or invalid query filter clause specified for property '{path}' of resource 'User'."
    return GraphRefusal(400, "Request_UnsupportedQuery", text)
