"""Which function answers a request: the route templates of the host, as pure functions.

Sources: the host's WebScriptHostHttpRoutesManager and ASP.NET Core routing.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from devhost.errors import IndexingError

_GUID: Final = r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}"
# ASP.NET has more (range, length, regex...); an unknown one is refused rather than ignored.
CONSTRAINTS: Final[Mapping[str, str]] = {
    "int": r"[+-]?\d{1,10}",
    "long": r"[+-]?\d{1,19}",
    "guid": rf"(?:{_GUID}|\{{{_GUID}\}})",
    "bool": r"(?:true|false)",
    "alpha": r"[a-z]+",
}
_NUMBER_LIMIT: Final[Mapping[str, int]] = {"int": 2**31, "long": 2**63}
_PARAMETER: Final = re.compile(r"\{(\*{0,2})(\w+)((?::[^:{}?]+)*)(\??)\}", re.ASCII)
_ESCAPES: Final = re.compile(rb"(?:%[0-9a-fA-F]{2})+")


@dataclass(frozen=True)
class Template:
    """A parsed route template. `pattern` matches a decoded path without leading and trailing slash."""

    text: str
    pattern: re.Pattern[str]
    constraints: Mapping[str, Sequence[str]]

    def match(self, path: str) -> dict[str, str] | None:
        """Route parameters, or None. Optional ones that are missing are left out."""
        found = self.pattern.fullmatch(path)
        if found is None:
            return None
        values = {name: value for name, value in found.groupdict().items() if value}
        for name, value in values.items():
            for constraint in self.constraints.get(name, ()):
                limit = _NUMBER_LIMIT.get(constraint)
                if limit is not None and not -limit <= int(value) < limit:
                    return None
        return values


@dataclass(frozen=True)
class Route:
    """One HTTP function: its name, its template with the prefix, its methods (None: every method)."""

    function: str
    template: Template
    methods: frozenset[str] | None


def parse_template(text: str) -> Template:
    """Understand `a/{id:int}/{name?}/{*rest}`; raises IndexingError naming what is wrong."""
    pattern, constraints = "", dict[str, Sequence[str]]()
    segments = [segment for segment in text.strip("/").split("/") if segment]
    for number, segment in enumerate(segments):
        last = number == len(segments) - 1
        piece = _segment(segment, text, constraints, last=last)
        slash = "/" if number else ""
        # A missing optional or catch-all segment takes its slash with it.
        pattern += f"(?:{slash}{piece})?" if re.search(r"\{\*|\?\}", segment) else slash + piece
    return Template(text, re.compile(pattern, re.IGNORECASE | re.DOTALL), constraints)


def _segment(segment: str, text: str, constraints: dict[str, Sequence[str]], *, last: bool) -> str:
    """The expression for one segment, which may mix literals and parameters."""
    pattern, position = "", 0
    for found in _PARAMETER.finditer(segment):
        stars, name, limits, optional = found.groups()
        pattern += re.escape(_literal(segment[position : found.start()], text))
        position = found.end()
        if name in constraints:
            raise IndexingError(f"route {text!r} names the parameter {name!r} twice")
        if (stars or optional) and (not last or found.group() != segment):
            raise IndexingError(f"route {text!r}: {found.group()} must be the whole last segment")
        constraints[name] = tuple(limits.lower().split(":")[1:])
        pattern += f"(?P<{name}>{_value(constraints[name], text, catch_all=bool(stars))})"
    return pattern + re.escape(_literal(segment[position:], text))


def _literal(piece: str, text: str) -> str:
    if "{" in piece or "}" in piece:
        raise IndexingError(f"route {text!r} has a parameter that cannot be read near {piece!r}")
    return piece


def _value(constraints: Sequence[str], text: str, *, catch_all: bool) -> str:
    unknown = [name for name in constraints if name not in CONSTRAINTS]
    if unknown:
        raise IndexingError(f"route {text!r} uses the constraint {unknown[0]!r}, which the devhost does not know")
    if len(constraints) > 1:
        raise IndexingError(f"route {text!r} puts several constraints on one parameter, which the devhost does not do")
    if constraints:
        # `a`: to Python a digit is any of Unicode's, and a letter one that only its upper case makes one.
        return f"(?a:{CONSTRAINTS[constraints[0]]})"
    return ".+" if catch_all else "[^/]+"


def in_host_order(routes: Iterable[Route]) -> list[Route]:
    """The host tries functions in alphabetical order of their names, not the most specific first."""
    return sorted(routes, key=lambda route: route.function.lower())


def find(routes: Iterable[Route], method: str, raw_path: bytes) -> tuple[Route, dict[str, str]] | None:
    """The function that answers and its route parameters; None is a 404, for a wrong method as well."""
    path = decode_path(raw_path)
    if not path.startswith("/"):
        return None
    path = path[1:].removesuffix("/")
    for route in routes:
        if route.methods is not None and method.upper() not in route.methods:
            continue
        values = route.template.match(path)
        if values is not None:
            return route, values
    return None


def decode_path(raw: bytes) -> str:
    """Percent-decode as Kestrel does: `%2F` stays, escapes that are not UTF-8 stay, dot segments are resolved."""
    text = _ESCAPES.sub(_decoded, raw).decode("utf-8", "replace")
    if "/." not in text:
        return text
    kept: list[str] = []
    for segment in text.split("/")[1:]:
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
    return "/" + "/".join(kept)


def _decoded(found: re.Match[bytes]) -> bytes:
    """One run of escapes: decoded if the whole run is UTF-8, else left as it came."""
    escapes = found.group().split(b"%")[1:]
    if any(escape.upper() in (b"2F", b"00") for escape in escapes):
        parts = re.split(rb"((?:%2[fF]|%00)+)", found.group())
        return b"".join(part if number % 2 else _unescaped(part) for number, part in enumerate(parts))
    return _unescaped(found.group())


def _unescaped(run: bytes) -> bytes:
    data = bytes(int(escape, 16) for escape in run.split(b"%")[1:])
    try:
        data.decode()
    except UnicodeDecodeError:
        return run
    return data
