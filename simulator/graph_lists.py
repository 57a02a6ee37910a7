"""What all lists of Graph share: $top, $select, paging by @odata.nextLink, $orderby."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote

from simulator.graph_access import GraphRefusal, names
from simulator.graph_filter import Node
from simulator.graph_filter_parser import FilterSyntaxError, parse
from simulator.wire import Call, Reply, json_reply, read_json, whole_number

OPTIONS: Final = frozenset(
    names("$count $deltatoken $expand $filter $format $orderby $search $select $skip $skiptoken $top")
)
PAGE: Final = 100
PAGE_AT_MOST: Final = 999

Item = dict[str, Any]


def check_options(call: Call) -> None:
    """400 for an OData option that is sent twice, or that Graph does not know; other parameters pass."""
    sent = [name for name, _ in call.query_pairs if name.startswith("$")]
    for name in sent:
        if name not in OPTIONS:
            raise GraphRefusal(400, "Request_BadRequest", f"Unrecognized query argument specified: '{name}'.")
        if sent.count(name) > 1:
            both = f"{name}/{name.removeprefix('$')}"
            message = f"Query option '{both}' was specified more than once, but it must be specified at most once."
            raise GraphRefusal(400, "BadRequest", message)


def refuse_skip(call: Call) -> None:
    """400 for a $skip; lists of the directory are only read on by their links."""
    if "$skip" in call.query:
        raise GraphRefusal(400, "Request_BadRequest", "'$skip' is not supported by the service.")


def is_advanced(call: Call) -> bool:
    """Whether the call carries both advanced query parameters."""
    return is_eventual(call) and call.query.get("$count", "").lower() == "true"


def is_eventual(call: Call) -> bool:
    """Whether the call carries the ConsistencyLevel header."""
    return call.headers.get("consistencylevel", "").lower() == "eventual"


def filter_of(call: Call) -> Node | None:
    """The parsed $filter, if there is one; 400 if it is not a filter."""
    text = call.query.get("$filter")
    if text is None:
        return None
    try:
        return parse(text)
    except FilterSyntaxError as exc:
        raise GraphRefusal(400, "Request_BadRequest", f"Invalid filter clause: {exc}") from exc


def page_reply(call: Call, context: str, items: list[Item], *, selected: list[str] | None, page: int = PAGE) -> Reply:
    """One page of the items, with a link to the next one if there is more."""
    start = _start(call)
    top = _top(call, page)
    body: Item = {"@odata.context": f"https://graph.microsoft.com/v1.0/$metadata#{context}"}
    if is_advanced(call) and start == 0:
        body["@odata.count"] = len(items)
    if start + top < len(items):
        body["@odata.nextLink"] = _next_link(call, start + top)
    body["value"] = [item if selected is None else pick(item, selected) for item in items[start : start + top]]
    return json_reply(body)


def pick(item: Item, selected: Iterable[str]) -> Item:
    """The selected properties of an item, null where it has none; annotations stay."""
    return {name: item.get(name) for name in selected} | {n: v for n, v in item.items() if n.startswith("@")}


def selection(call: Call, known: Iterable[str], default: list[str], type_name: str) -> list[str]:
    """The properties of $select in their own spelling; 400 for one the type does not have."""
    text = call.query.get("$select")
    if not text or text == "*":
        return default
    spelling = {name.lower(): name for name in known}
    chosen = []
    for name in text.split(","):
        if name.strip().lower() not in spelling:
            message = (
                f"Parsing OData Select and Expand failed: Could not find a property named '{name.strip()}' on type"
            )
            raise GraphRefusal(400, "BadRequest", f"{message} 'microsoft.graph.{type_name}'.")
        chosen.append(spelling[name.strip().lower()])
    return chosen


def ordered(call: Call, items: list[Item], allowed: dict[str, str]) -> list[Item]:
    """The items in the order of $orderby; `allowed` maps lower case names to properties."""
    for part in reversed((call.query.get("$orderby") or "").split(",")):
        words = part.split()
        if not words:
            continue
        name = allowed.get(words[0].lower())
        if name is None or len(words) > 2 or words[1:] not in ([], ["asc"], ["desc"]):
            raise GraphRefusal(400, "Request_UnsupportedQuery", f"Unsupported sort property '{words[0]}'.")
        items = sorted(items, key=lambda item: str(item.get(name) or "").casefold(), reverse=words[1:] == ["desc"])
    return items


def _top(call: Call, page: int) -> int:
    text = call.query.get("$top")
    if text is None:
        return page
    top = whole_number(text)
    if top is None or not 1 <= top <= PAGE_AT_MOST:
        raise GraphRefusal(
            400, "Request_BadRequest", f"Invalid page size specified: '{text}'. Must be between 1 and 999."
        )
    return top


def _start(call: Call) -> int:
    token = call.query.get("$skiptoken")
    if token is None:
        return 0
    try:
        match read_json(base64.urlsafe_b64decode(token)):
            case {"at": int(at)}:
                return max(0, at)
    except ValueError:
        pass  # not base64 or not JSON: no link of ours either
    raise GraphRefusal(400, "Directory_ExpiredPageToken", "The specified page token value has expired.")


def _next_link(call: Call, start: int) -> str:
    token = base64.urlsafe_b64encode(json.dumps({"at": start}).encode()).decode()
    query = {**call.query, "$skiptoken": token}
    text = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    return f"https://graph.microsoft.com{call.raw_path}?{text}"
