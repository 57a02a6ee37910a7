"""Graph's words and what they mean for a call, as tables."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

from shared.presence.states import State, deliverable, hides_calls, is_known, read_state, simplified
from shared.tenants.models import Distribution

# Every word either field can say in either generation, and the state it stands for.
WORDS: dict[str, State] = {
    "Available": "Available",
    "AvailableIdle": "Available",
    "Busy": "Busy",
    "BusyIdle": "Busy",
    "InAMeeting": "InAMeeting",
    "InACall": "InACall",
    "InAConferenceCall": "InAConferenceCall",
    "Presenting": "Presenting",
    "DoNotDisturb": "DoNotDisturb",
    "Focusing": "DoNotDisturb",
    "UrgentInterruptionsOnly": "DoNotDisturb",
    "Away": "Away",
    "Inactive": "Away",
    "BeRightBack": "BeRightBack",
    "Offline": "Offline",
    "OffWork": "Offline",
    "OutOfOffice": "OutOfOffice",
}
UNKNOWN = ("PresenceUnknown", "", "Levitating")
# The more occupied first.
ORDER: list[State] = [
    "InACall",
    "InAConferenceCall",
    "Presenting",
    "DoNotDisturb",
    "InAMeeting",
    "Busy",
    "Offline",
    "OutOfOffice",
    "BeRightBack",
    "Away",
    "Available",
]
SURE = {"InACall", "InAConferenceCall", "Presenting", "DoNotDisturb", "Offline"}


@pytest.mark.parametrize(("first", "second"), list(product(WORDS, WORDS)))
def test_of_two_words_the_more_occupied_one_wins_whichever_field_says_it(first: str, second: str) -> None:
    expected = ORDER[min(ORDER.index(WORDS[first]), ORDER.index(WORDS[second]))]
    assert read_state(first, second) == expected


@pytest.mark.parametrize(("word", "unknown"), list(product(WORDS, UNKNOWN)))
def test_an_unknown_word_leaves_only_the_states_that_cannot_get_freer(word: str, unknown: str) -> None:
    expected = WORDS[word] if WORDS[word] in SURE else "Unknown"
    assert read_state(word, unknown) == read_state(unknown, word) == expected


@pytest.mark.parametrize(("first", "second"), list(product(UNKNOWN, UNKNOWN)))
def test_two_unknown_words_are_unknown(first: str, second: str) -> None:
    assert read_state(first, second) == "Unknown"


@pytest.mark.parametrize("word", WORDS)
def test_words_are_read_in_any_case(word: str) -> None:
    for spelling in (word.lower(), word.upper(), word[0].lower() + word[1:], f" {word} "):
        assert read_state(spelling, spelling) == WORDS[word]
        assert is_known(spelling)


@pytest.mark.parametrize(
    ("availability", "activity", "state"),
    [
        ("Busy", "InACall", "InACall"),
        ("Busy", "InAConferenceCall", "InAConferenceCall"),
        ("Busy", "InAMeeting", "InAMeeting"),
        ("Busy", "Busy", "Busy"),
        ("DoNotDisturb", "Presenting", "Presenting"),
        ("DoNotDisturb", "UrgentInterruptionsOnly", "DoNotDisturb"),
        ("Offline", "OffWork", "Offline"),
        ("Away", "OutOfOffice", "OutOfOffice"),
        ("Away", "Away", "Away"),
        ("BeRightBack", "BeRightBack", "BeRightBack"),
        ("Available", "OutOfOffice", "OutOfOffice"),
        ("PresenceUnknown", "PresenceUnknown", "Unknown"),
        ("InAMeeting", "InAMeeting", "InAMeeting"),  # the newer generation says the same in both fields
        ("InACall", "InACall", "InACall"),
        ("Focusing", "Focusing", "DoNotDisturb"),
    ],
)
def test_what_graph_says_in_practice(availability: str, activity: str, state: State) -> None:
    assert read_state(availability, activity) == state


def test_a_word_is_strange_only_if_nobody_listed_it() -> None:
    assert is_known("PresenceUnknown")
    assert is_known("")
    assert not is_known("Levitating")


SIMPLE: dict[State, State] = {
    "InACall": "Busy",
    "InAConferenceCall": "Busy",
    "InAMeeting": "Busy",
    "Presenting": "DoNotDisturb",
    "BeRightBack": "Away",
    "OutOfOffice": "Away",
}


@pytest.mark.parametrize("state", [*ORDER, "Unknown"])
def test_without_the_guest_accounts_six_states_are_told(state: State) -> None:
    assert simplified(state) == SIMPLE.get(state, state)
    assert simplified(state) in {"Available", "Busy", "Away", "DoNotDisturb", "Offline", "Unknown"}


@pytest.mark.parametrize("state", [*ORDER, "Unknown"])
def test_only_away_and_be_right_back_hide_a_call(state: State) -> None:
    assert hides_calls(state) == (state in ("Away", "BeRightBack"))


SWITCH = {
    "Busy": "while_busy",
    "InAMeeting": "while_in_meeting",
    "Away": "while_away",
    "BeRightBack": "while_away",
    "OutOfOffice": "while_away",
}


@pytest.mark.parametrize(("state", "busy", "meeting", "away"), list(product([*ORDER, "Unknown"], *[[False, True]] * 3)))
def test_a_call_is_offered_exactly_where_the_service_says_so(
    state: State, busy: bool, meeting: bool, away: bool
) -> None:
    distribution = Distribution(while_busy=busy, while_in_meeting=meeting, while_away=away)
    expected = state == "Available" or (state in SWITCH and getattr(distribution, SWITCH[state]))
    assert deliverable(state, distribution) == expected


# The product page's matrix, and all pairs around it, by hand. A: delivered; B, M, W: delivered if the service
# distributes while busy, in a meeting, away; a dot: never.
ACTIVITIES = (
    *("Available", "Away", "BeRightBack", "Busy", "DoNotDisturb", "InACall", "InAConferenceCall", "Inactive"),
    *("InAMeeting", "Offline", "OffWork", "OutOfOffice", "PresenceUnknown", "Presenting"),
    *("UrgentInterruptionsOnly", "Focusing"),
)
MATRIX = """
Available        A W W B . . . W M . . W . . . .
AvailableIdle    A W W B . . . W M . . W . . . .
Away             W W W B . . . W M . . W . . . .
BeRightBack      W W W B . . . W M . . W . . . .
Busy             B B B B . . . B M B B B . . . .
BusyIdle         B B B B . . . B M B B B . . . .
DoNotDisturb     . . . . . . . . . . . . . . . .
Focusing         . . . . . . . . . . . . . . . .
InACall          . . . . . . . . . . . . . . . .
InAMeeting       M M M M . . . M M M M M . . . .
Offline          . . . B . . . . M . . . . . . .
OutOfOffice      W W W B . . . W M . . W . . . .
PresenceUnknown  . . . . . . . . . . . . . . . .
Presenting       . . . . . . . . . . . . . . . .
"""
PAIRS = {
    (row.split()[0], activity): letter
    for row in MATRIX.strip().splitlines()
    for activity, letter in zip(ACTIVITIES, row.split()[1:], strict=True)
}
SWITCHES = [
    Distribution(while_busy=b, while_in_meeting=m, while_away=w) for b, m, w in product((False, True), repeat=3)
]


@pytest.mark.parametrize("distribution", SWITCHES, ids=lambda d: f"{d.while_busy}-{d.while_in_meeting}-{d.while_away}")
def test_no_pair_of_words_is_delivered_by_accident(distribution: Distribution) -> None:
    opens = {"A": True, "B": distribution.while_busy, "M": distribution.while_in_meeting, "W": distribution.while_away}
    found = {pair: deliverable(read_state(*pair), distribution) for pair in PAIRS}
    assert found == {pair: opens.get(letter, False) for pair, letter in PAIRS.items()}


def test_the_matrix_holds_every_word_of_both_generations_and_of_the_demo() -> None:
    said = (Path(__file__).parents[2] / "devhost/demo.json").read_text()
    demo = re.findall(r'"(?:availability|activity)": "(\w+)"', said)
    named = {word for pair in PAIRS for word in pair}
    assert demo
    assert set(demo) | set(WORDS) <= named


def test_a_call_under_a_manual_away_follows_the_away_rule_and_says_so() -> None:
    """Microsoft tells guests Away while the user talks: nothing in the words gives the call away."""
    for word in ("Away", "BeRightBack"):
        state = read_state(word, word)
        assert hides_calls(state)
        assert [deliverable(state, one) for one in SWITCHES] == [one.while_away for one in SWITCHES]
