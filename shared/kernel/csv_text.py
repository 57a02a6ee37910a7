"""CSV (RFC 4180) that a spreadsheet shows as text and never runs.

A reader splits at a comma, a semicolon or a tab, depending on its locale, and at line breaks where it does not honor
quotes; it trims blanks and quotes before it looks at a cell. So a formula may start in the middle of a value. Each
character that starts one gets an apostrophe in front, wherever it can come to stand at the start of a cell; nothing
else in the value changes.
"""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

# What starts a formula, by OWASP's page on CSV injection, with the full-width forms that Excel reads the same way.
_SIGNS: Final = frozenset("=+-@\t\r\n＝＋－＠")
# Where a reader may start a new cell; line breaks are those of str.splitlines.
_SEPARATORS: Final = frozenset(",;\t\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029")


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The header and one line per row. None is an empty cell; what is neither None nor a text is written as JSON."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(header)
    for row in rows:
        writer.writerow([guarded(_plain(value)) for value in row])
    return out.getvalue()


def guarded(text: str) -> str:
    """Returns the text with an apostrophe in front of each formula sign that may come to start a cell."""
    shown: list[str] = []
    at_start, before = True, ""
    for char in text:
        if at_start and char in _SIGNS and before + char != "\r\n":
            shown.append("'")
        shown.append(char)
        at_start = char in _SEPARATORS or (at_start and _is_skipped(char))
        before = char
    return "".join(shown)


def _is_skipped(char: str) -> bool:
    """Whether a reader may drop it at the start of a cell: a quote, a blank, a control or format character."""
    return char == '"' or unicodedata.category(char)[0] in "ZC"


def _plain(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
