"""JSON from outside that need not be refused: what can be read of it, and what can be written again."""

from __future__ import annotations

import pytest

from functions.http.answers import written
from shared.kernel.json_text import read_lenient

SHOWN = "Emoji \N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("half", [b"\\ud83d", b"\\uDE00", "\ud83d".encode("utf-8", "surrogatepass")])
def test_half_a_character_becomes_one_that_can_be_encoded_wherever_it_stands(half: bytes) -> None:
    read = read_lenient(b'{"Emoji %b": ["Emoji %b", {"a": "Emoji %b"}], "n": 1}' % (half, half, half))
    assert read == {SHOWN: [SHOWN, {"a": SHOWN}], "n": 1}


def test_whole_characters_stay_however_they_are_written() -> None:
    assert read_lenient('["😀", "\\ud83d\\ude00", "\\\\ud83d"]'.encode()) == ["😀", "😀", "\\ud83d"]


@pytest.mark.parametrize("nonsense", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_a_value_error(nonsense: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever json says
        read_lenient(nonsense)


def test_bytes_are_no_answer() -> None:
    with pytest.raises(TypeError):
        written(b"{}")


def test_an_answer_with_half_a_character_is_written() -> None:
    assert written({"a": ["Emoji \ud83d", "ü"]}) == f'{{"a":["{SHOWN}","ü"]}}'.encode()
