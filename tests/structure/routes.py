"""When one route hides another: the host takes the first that matches in alphabetical order of function names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Route:
    """One HTTP function."""

    function: str
    method: str
    path: str

    @property
    def segments(self) -> list[str]:
        return self.path.strip("/").lower().split("/")


def hidden(routes: Sequence[Route]) -> list[tuple[str, str]]:
    """Pairs (first, second) that can match one path, of which the first is not the more special one.

    Constraints are not looked at: a route that relies on one counts as hidden, and has to say so in a test.
    """
    ordered = sorted(routes, key=lambda route: route.function.lower())
    found = []
    for number, first in enumerate(ordered):
        for second in ordered[number + 1 :]:
            if first.method == second.method and _overlap(first, second) and not _more_special(first, second):
                found.append((first.function, second.function))
    return found


def _overlap(first: Route, second: Route) -> bool:
    one, other = first.segments, second.segments
    if not (_is_open(one) or _is_open(other)) and len(one) != len(other):
        return False
    if (_is_open(one) and len(other) < len(one) - 1) or (_is_open(other) and len(one) < len(other) - 1):
        return False
    return all(a == b or "{" in a or "{" in b for a, b in zip(one, other, strict=False))


def _is_open(segments: list[str]) -> bool:
    return segments[-1].startswith("{*")


def _more_special(first: Route, second: Route) -> bool:
    """Whether the first says a word where the second takes anything, and nowhere the other way round."""
    one, other = first.segments, second.segments
    pairs = list(zip(one, other, strict=False))
    wins = [("{" not in a) and ("{" in b) for a, b in pairs]
    loses = [("{" in a) and ("{" not in b) for a, b in pairs]
    return not any(loses) and (any(wins) or (_is_open(other) and not _is_open(one)))
