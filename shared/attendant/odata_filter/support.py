"""What Graph's documents say of filters on users: which property allows what, and at which price.

The facts are in filter_support.json, each part with its source; this file only knows how to ask them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

Level = Literal["default", "advanced", "not_supported"]
"""Advanced: works only with the header ``ConsistencyLevel: eventual`` and ``$count=true``."""

_LAMBDA: Final = re.compile(r"/any\(\w+:\w+|\)")
_DIRECTORY_EXTENSION: Final = re.compile(r"extension_[0-9a-f]{32}_\w+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Support:
    """What one property allows. ``name`` leaves a lambda's variable out: ``assignedLicenses/skuId``.
    ``many`` is None where it may be a list or not. ``permission`` is the least that shows the property."""

    name: str
    many: bool | None
    levels: Mapping[str, Level]
    permission: str

    def level(self, operator: str) -> Level:
        """Of eq, ne, in, ge, le, startswith, endswith, ``eq null``, ``ne null``; all others are not supported."""
        return self.levels.get(operator, "not_supported")


@dataclass(frozen=True, slots=True)
class ServiceAccounts:
    """What accounts made for services are like, by name of property in lower case."""

    empty: frozenset[str]
    usual: Mapping[str, str]
    own_kind: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Facts:
    properties: Mapping[str, Support]
    never_filtered: Mapping[str, str]
    special: Mapping[str, str]
    lists: frozenset[str]
    spelling: Mapping[str, str]
    extensions: Mapping[str, Support]
    countable: Mapping[str, frozenset[str]]
    service_accounts: ServiceAccounts


def find(name: str) -> Support | None:
    """The property of this name, in any case. Extensions are known by the form of their names."""
    facts = _facts()
    if known := facts.properties.get(name.lower()):
        return known
    first = name.partition("/")[0]
    if _DIRECTORY_EXTENSION.fullmatch(first):
        return facts.extensions["directory"]
    if first.lower() == "extensions" or ("." in first and not first.startswith("microsoft.graph.")):
        return facts.extensions["open"]
    # No property of a user has an underscore, and every schema extension has one; display_name is a slip.
    is_slip = first.replace("_", "").lower() in facts.spelling
    return facts.extensions["schema"] if "_" in first.strip("_") and not is_slip else None


def count_level(name: str, operator: str, number: str) -> Level:
    """Of comparing the length of a list with a number."""
    countable = _facts().countable.get(number, frozenset()) if operator in ("eq", "ne") else frozenset()
    return "advanced" if name.lower() in countable else "not_supported"


def is_list(name: str) -> bool:
    """True of the bare name of a list whose items or length the documents speak of."""
    return name.lower() in _facts().lists


def is_never_filtered(name: str) -> bool:
    """True of properties a user does have, but not for filters."""
    return name.lower().partition("/")[0] in _facts().never_filtered


def special_permission(name: str) -> str | None:
    """A permission beyond User.Read.All that showing this property takes."""
    return _facts().special.get(name.lower().partition("/")[0])


def names() -> list[str]:
    """Every name that can be meant."""
    return [support.name for support in _facts().properties.values()]


def service_accounts() -> ServiceAccounts:
    return _facts().service_accounts


def spelled(path: tuple[str, ...]) -> tuple[str, ...]:
    """The path as Graph spells it, as far as it is known."""
    spelling = _facts().spelling
    for end in range(min(len(path), 2), 0, -1):
        if known := spelling.get("/".join(path[:end]).lower()):
            path = (*known.split("/"), *path[end:])
            break
    return (*path[:-1], "$count") if path[-1].lower() == "$count" else path


@cache
def _facts() -> _Facts:
    raw: dict[str, Any] = json.loads(Path(__file__).with_name("support.json").read_text(encoding="utf-8"))
    basic, ends = set(raw["permissions"]["basic"]), set(raw["endswith"])
    properties = {}
    for form, cells in (raw["user_properties"] | raw["more_properties"]).items():
        name = _LAMBDA.sub("", form)
        permission = "User.ReadBasic.All" if name in basic else "User.Read.All"
        properties[name.lower()] = Support(name, name != form, _levels(cells, ends=name in ends), permission)
    special: dict[str, str] = raw["permissions"]["special"]
    counted: dict[str, list[str]] = raw["count"]
    lists = {support.name.partition("/")[0] for support in properties.values() if support.many} | {*counted["zero"]}
    spellings = {support.name for support in properties.values()} | {*raw["never_filtered"], *special, *lists}
    spellings |= {name.partition("/")[0] for name in spellings}
    accounts = raw["service_accounts"]
    return _Facts(
        properties=properties,
        never_filtered={name.lower(): name for name in raw["never_filtered"]},
        special={name.lower(): permission for name, permission in special.items()},
        lists=frozenset(name.lower() for name in lists),
        spelling={name.lower(): name for name in spellings},
        extensions={
            kind: Support(f"{kind} extension", None, _levels(cells, ends=False), "User.Read.All")
            for kind, cells in raw["extensions"].items()
        },
        countable={number: frozenset(map(str.lower, counted[word])) for number, word in (("0", "zero"), ("1", "one"))},
        service_accounts=ServiceAccounts(
            frozenset(map(str.lower, accounts["empty"])),
            {name.lower(): value for name, value in accounts["usual"].items()},
            frozenset(map(str.lower, accounts["own_kind"])),
        ),
    )


def _levels(cells: Mapping[str, Level | None], *, ends: bool) -> dict[str, Level]:
    """The table's four columns, and what the documents derive from them: ne is advanced wherever eq is supported,
    in is as eq, endswith is advanced where it exists at all. An empty cell means not supported."""
    equal, empty = cells["eq"] or "not_supported", cells["eq_null"] or "not_supported"
    ordered = cells["ge_le"] or "not_supported"
    return {
        "eq": equal,
        "in": equal,
        "ne": "not_supported" if equal == "not_supported" else "advanced",
        "startswith": cells["startswith"] or "not_supported",
        "endswith": "advanced" if ends else "not_supported",
        "ge": ordered,
        "le": ordered,
        "eq null": empty,
        "ne null": "not_supported" if empty == "not_supported" else "advanced",
    }
