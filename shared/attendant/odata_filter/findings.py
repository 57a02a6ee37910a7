"""What there is to say of a filter before it is used. Findings warn: a filter is saved with any of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal
from urllib.parse import unquote_plus

from shared.attendant.odata_filter import support as filter_support
from shared.attendant.odata_filter.nodes import Condition
from shared.attendant.odata_filter.reach import hurdles
from shared.attendant.odata_filter.support import Level
from shared.attendant.odata_filter.syntax import parse
from shared.attendant.odata_filter.text import canonical
from shared.attendant.odata_filter.tokens import LONGEST, FilterError
from shared.attendant.odata_filter.uses import Use, uses
from shared.kernel.near_names import MOST_SUGGESTIONS, nearest

Code = Literal[
    "SyntaxError",
    "LooksLikeUrl",
    "UnknownProperty",
    "OperatorNotSupported",
    "NeedsPermission",
    "HidesServiceAccounts",
]

_URL: Final = re.compile(r"^\s*(?:GET\s+)?(?:https?:)?/|(?:\$|%24|^\s*)filter\s*=|[?&]\$", re.IGNORECASE)
_FILTER_PART: Final = re.compile(r"(?:\$|%24|^\s*)filter\s*=\s*([^&]*)", re.IGNORECASE)
_INSTEAD: Final = {
    "contains": "; startswith is",
    "gt": "; ge is, where values have an order",
    "lt": "; le is, where values have an order",
}


_WORST_FIRST: Final[tuple[Level, ...]] = ("not_supported", "advanced", "default")


@dataclass(frozen=True, slots=True)
class FilterFinding:
    """``position`` is an offset into the text that was examined, ``property`` a name in Graph's spelling."""

    code: Code
    message: str
    position: int | None = None
    property: str | None = None


@dataclass(frozen=True, slots=True)
class FilterReport:
    """``canonical`` is None if the text cannot be read, and empty if it is blank; findings are in order of position."""

    canonical: str | None
    properties: tuple[str, ...] = ()
    needs_advanced_query: bool = False
    findings: tuple[FilterFinding, ...] = ()


def examine(text: str) -> FilterReport:
    """Everything known about a filter without asking Graph. Raises nothing, whatever the text."""
    if not text.strip():
        return FilterReport("")
    try:
        tree = parse(text)
    except FilterError as problem:
        return FilterReport(None, findings=(_unread(text, problem),))
    used = list(uses(tree))
    found = {(finding.code, finding.property, finding.message): finding for finding in _findings(tree, used)}
    return FilterReport(
        canonical(tree),
        tuple(dict.fromkeys(use.name for use in used if use.name)),
        any(use.negated or _level(use) == "advanced" for use in used),
        tuple(sorted(found.values(), key=lambda finding: finding.position or 0)),
    )


def _unread(text: str, problem: FilterError) -> FilterFinding:
    head = text[:LONGEST]
    sign = _URL.search(head)
    if sign is None and not head.startswith("%", problem.position):
        return FilterFinding("SyntaxError", problem.message, problem.position)
    part = _FILTER_PART.search(head)
    value = unquote_plus(part[1] if part else head).strip()
    try:
        only = f": {canonical(parse(value))}"
    except FilterError:
        only = ""
    message = f"this looks like a request's address; only the value of $filter belongs here, not encoded{only}"
    return FilterFinding("LooksLikeUrl", message, sign.start() if sign else problem.position)


def _findings(tree: Condition, used: list[Use]) -> Iterator[FilterFinding]:
    suggested = _suggested(used)
    # Reversed, so that of equal findings the first use of a property keeps its place in examine's dict.
    for use in reversed(used):
        yield from _about(use, suggested)
    for hurdle in reversed(hurdles(tree)):
        message = f"accounts of services seldom pass this test of {hurdle.name}, so attendants may not find them"
        yield FilterFinding("HidesServiceAccounts", message, hurdle.position, hurdle.name)


def _suggested(used: list[Use]) -> Mapping[str, str | None]:
    """The known names nearest to the first few that are unknown."""
    unknown = dict.fromkeys(use.name for use in used if _is_unknown(use))
    return {name: nearest(name, filter_support.names()) for name in islice(unknown, MOST_SUGGESTIONS)}


def _is_unknown(use: Use) -> bool:
    if filter_support.find(use.name) is not None or filter_support.special_permission(use.name) is not None:
        return False
    return not (filter_support.is_never_filtered(use.name) or (use.in_list and filter_support.is_list(use.name)))


def _about(use: Use, suggested: Mapping[str, str | None]) -> Iterator[FilterFinding]:
    if not use.name:
        yield FilterFinding("OperatorNotSupported", f"Graph does not support {use.operator}", use.position)
        return
    support, special = filter_support.find(use.name), filter_support.special_permission(use.name)
    if special is not None:
        yield _needs(use, f"{special} and User.Read.All")
    elif filter_support.is_never_filtered(use.name):
        yield _refused(use, f"Graph does not filter by {use.name}")
    elif _is_unknown(use):
        hint = suggested.get(use.name)
        message = f"users have no property {use.name[:80]} to filter by" + (f"; did you mean {hint}?" if hint else "")
        yield FilterFinding("UnknownProperty", message, use.position, use.name)
    else:
        if _level(use) == "not_supported":
            yield _refused(use, _reason(use, support))
        if support is None or support.permission != "User.ReadBasic.All":
            yield _needs(use, support.permission if support else "User.Read.All")


def _reason(use: Use, support: filter_support.Support | None) -> str:
    if support and support.many is True and not use.in_list:
        collection, _, member = use.name.partition("/")
        item = f"x/{member}" if member else "x"
        return f"{collection} is a list: test its items, as in {collection}/any(x:{item} eq ...)"
    if support and support.many is False and use.in_list:
        return f"{use.name} is not a list"
    number = f" {use.values[0].text}" if use.operator.startswith("$count") else ""
    return f"Graph does not support {use.operator}{number} on {use.name}{_INSTEAD.get(use.operator, '')}"


def _level(use: Use) -> Level | None:
    """Of this use, a not around it left aside; None if nothing is documented."""
    if use.operator.startswith("$count "):
        return filter_support.count_level(use.name, use.operator.removeprefix("$count "), use.values[0].text)
    support = filter_support.find(use.name)
    if support is None:
        return "not_supported" if use.in_list and filter_support.is_list(use.name) else None
    if support.many is not None and support.many is not use.in_list:
        return "not_supported"
    levels = {support.level(use.operator)}
    if use.operator == "in" and any(value.kind == "null" for value in use.values):
        levels.add(support.level("eq null"))
    return next((level for level in _WORST_FIRST if level in levels), None)


def _refused(use: Use, message: str) -> FilterFinding:
    return FilterFinding("OperatorNotSupported", message, use.position, use.name)


def _needs(use: Use, permission: str) -> FilterFinding:
    message = f"{use.name} takes the permission {permission}; without it Graph leaves out everyone"
    return FilterFinding("NeedsPermission", message, use.position, use.name)
