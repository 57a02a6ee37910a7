"""The fields of the contact search: which directory has which, and what may be done with it.

The facts are in search_fields.json; this file only knows how to ask them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, get_args

from shared.kernel.wire import Wire

Source = Literal["addressBook", "o365", "exchange"]
SOURCES: Final[tuple[Source, ...]] = get_args(Source)


class Ability(Wire):
    """``contains``: the text may stand anywhere in the field, else it is its beginning. ``filter``: it narrows."""

    searchable: bool
    contains: bool
    filter: bool


class SearchField(Wire):
    """One row of the matrix."""

    field: str
    name: str
    address_book: Ability
    o365: Ability
    exchange: Ability
    note: str


@dataclass(frozen=True, slots=True)
class Place:
    """A field as one source has it. ``property`` is Graph's name, ``letter`` marks it in stored search text.
    ``whole`` says that the source can only compare the whole value."""

    name: str
    ability: Ability
    property: str
    letter: str
    whole: bool


def matrix() -> list[SearchField]:
    """Every row, in the order of the product's page."""
    return [
        SearchField(
            field=row["field"],
            name=row["name"],
            address_book=_ability(row, "addressBook"),
            o365=_ability(row, "o365"),
            exchange=_ability(row, "exchange"),
            note=row["note"],
        )
        for row in _rows()
    ]


@cache
def places(source: Source) -> dict[str, Place]:
    """By name, the fields the source can search."""
    found = {}
    for row in _rows():
        ability = _ability(row, source)
        if ability.searchable:
            name = row["name"]
            graph = row.get("property", {}).get(source, "")
            found[name] = Place(name, ability, graph, row.get("letter", ""), source in row.get("equality", ()))
    return found


@cache
def names() -> frozenset[str]:
    """Every name there is, searchable or not."""
    return frozenset(row["name"] for row in _rows())


@cache
def narrowing() -> frozenset[str]:
    """Names that narrow a search in at least one source."""
    return frozenset(place.name for source in SOURCES for place in places(source).values() if place.ability.filter)


def _ability(row: dict[str, Any], source: Source) -> Ability:
    words = row.get(source, "").split()
    return Ability(searchable="search" in words, contains="contains" in words, filter="filter" in words)


@cache
def _rows() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(Path(__file__).with_name("fields.json").read_text("utf-8"))["fields"]
    return rows
