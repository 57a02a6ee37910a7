"""Draws who read presence when, as an SVG for the documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

LEFT, TOP, ROW, SCALE = 130, 56, 46, 1.1  # pixels; SCALE is pixels a second
ROWS = {"presence1": "account 1", "presence2": "account 2"}
GOOD, BAD, QUIET = "#2f7d4f", "#b3343c", "#51607a"


@dataclass(frozen=True)
class Attempt:
    """One call of Graph: ``at`` seconds from the start, by whom, and whether it was answered with presence."""

    at: int
    who: str
    good: bool


def drawn(attempts: Sequence[Attempt], *, broken: int, healed: int) -> str:
    """The picture; the same attempts give the same text."""
    end = max(one.at for one in attempts)
    width, height = round(_x(end)) + 40, TOP + ROW * len(ROWS) + 66
    title = "Account 2 stands in while account 1 does not work"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        'font-family="Segoe UI, Helvetica, Arial, sans-serif" font-size="13">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<rect x="{_x(broken):.0f}" y="{TOP - 22}" width="{_x(healed) - _x(broken):.0f}" '
        f'height="{ROW * len(ROWS) + 8}" fill="#f9e9ea"/>',
        _text(_x(broken) + 6, TOP - 28, "Graph refuses account 1", BAD),
    ]
    for number, (who, name) in enumerate(ROWS.items()):
        y = TOP + ROW * number
        parts.append(_text(20, y + 5, name, "#20304d"))
        parts.append(f'<line x1="{LEFT}" y1="{y}" x2="{_x(end):.0f}" y2="{y}" stroke="#d5deec"/>')
        parts += [_mark(one, y) for one in attempts if one.who == who]
    foot = TOP + ROW * len(ROWS)
    for minute in range(end // 60 + 1):
        parts.append(_text(_x(60 * minute), foot, f"{minute} min", QUIET, "middle"))
    parts.append(f'<circle cx="{LEFT}" cy="{foot + 30}" r="5" fill="{GOOD}"/>')
    parts.append(_text(LEFT + 14, foot + 35, "has read the tenant", QUIET))
    parts.append(_cross(LEFT + 170, foot + 30))
    parts.append(_text(LEFT + 184, foot + 35, "was refused; tried again after 30, 60, 120, 240 s", QUIET))
    return "\n".join([*parts, "</svg>", ""])


def _x(seconds: float) -> float:
    return LEFT + SCALE * seconds


def _mark(one: Attempt, y: int) -> str:
    if one.good:
        return f'<circle cx="{_x(one.at):.0f}" cy="{y}" r="5" fill="{GOOD}"/>'
    return _cross(round(_x(one.at)), y)


def _cross(x: int, y: int) -> str:
    return f'<path d="M{x - 5} {y - 5}l10 10m0 -10l-10 10" stroke="{BAD}" stroke-width="2.5"/>'


def _text(x: float, y: float, text: str, colour: str, anchor: str = "start") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" fill="{colour}" text-anchor="{anchor}">{escape(text)}</text>'
