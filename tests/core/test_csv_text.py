"""No cell of a CSV file is a formula, whichever separator its reader takes."""

from __future__ import annotations

import csv
import io
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.kernel.csv_text import csv_text, guarded

SIGNS = tuple("=+-@\t\r＝＋－＠")
# Values made of what matters, so that the signs come to stand behind separators, quotes and blanks often.
VALUES = st.text(st.sampled_from([*SIGNS, *",;\n\"' \xa0\x00\u200b\u2028|a1"]), max_size=12) | st.text(max_size=12)


def is_formula(cell: str) -> bool:
    """As the most careless spreadsheet would see it: blanks, controls and quotes in front do not count.

    A reader that pairs quotes wrongly may find the file's own line ends in front of a cell.
    """
    while cell.startswith("\r\n"):
        cell = cell[2:]
    if cell.startswith(("\t", "\r")):
        return True
    bare = cell.lstrip("".join(filter(lambda char: char == '"' or unicodedata.category(char)[0] in "ZC", cell)))
    return bare.startswith(SIGNS)


def cells(text: str, separator: str, *, with_quotes: bool) -> list[str]:
    """As a reader splits them that takes ``separator``, and honors quotes or does not."""
    if with_quotes:
        return [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) for cell in row]
    return [cell for line in text.splitlines() for cell in line.split(separator)]


@given(rows=st.lists(st.lists(VALUES, min_size=1, max_size=3), max_size=3))
@example(rows=[["x;=cmd()"]])
@example(rows=[["x\n=1+1"]])
@example(rows=[["x\t \t-1"]])
@example(rows=[['x; "=1', "b"]])
@example(rows=[["a,b", 'c;"=1"']])
def test_no_cell_starts_with_a_formula_sign_under_any_separator(rows: list[list[str]]) -> None:
    text = csv_text(["at"], rows)
    for separator in ",;\t":
        for with_quotes in (True, False):
            assert not [cell for cell in cells(text, separator, with_quotes=with_quotes) if is_formula(cell)]


@given(text=VALUES)
def test_a_guard_only_adds_apostrophes(text: str) -> None:
    shown = iter(guarded(text))
    assert all(any(char == kept for kept in shown) for char in text)
    assert len(guarded(text)) - len(text) == guarded(text).count("'") - text.count("'")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("x;=cmd()", "x;'=cmd()"),
        ("x\n=1+1", "x\n'=1+1"),
        ("x\r\n=1", "x\r\n'=1"),
        ("\t=1", "'\t'=1"),
        (" ＝1", " '＝1"),
        ("1+1=2", "1+1=2"),
        ("startsWith(mail,'a') eq true", "startsWith(mail,'a') eq true"),
        ("Müller-Lüdenscheidt, Otto", "Müller-Lüdenscheidt, Otto"),
    ],
)
def test_values_stay_readable(value: str, shown: str) -> None:
    assert guarded(value) == shown
