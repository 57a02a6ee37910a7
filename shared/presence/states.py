"""Graph's words, read into one state, and what the state means for a call. Pure."""

from __future__ import annotations

from typing import Final, Literal

from shared.tenants.models import Distribution

State = Literal[
    "Available",
    "Busy",
    "InAMeeting",
    "InACall",
    "InAConferenceCall",
    "Presenting",
    "DoNotDisturb",
    "Away",
    "BeRightBack",
    "Offline",
    "OutOfOffice",
    "Unknown",
]

# Where the two fields differ, the more occupied word wins.
MOST_OCCUPIED_FIRST: Final[tuple[State, ...]] = (
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
)
_SAME: Final[dict[str, State]] = {
    "availableidle": "Available",
    "busyidle": "Busy",
    "inactive": "Away",
    "offwork": "Offline",
    "focusing": "DoNotDisturb",
    "urgentinterruptionsonly": "DoNotDisturb",
    "presenceunknown": "Unknown",
    "": "Unknown",
}
_WORDS: Final[dict[str, State]] = {state.lower(): state for state in MOST_OCCUPIED_FIRST} | _SAME
# A word nobody knows beside one of these cannot make the user any freer.
_SURE: Final[frozenset[State]] = frozenset({"InACall", "InAConferenceCall", "Presenting", "DoNotDisturb", "Offline"})

_SIMPLE: Final[dict[State, State]] = {
    "InACall": "Busy",
    "InAConferenceCall": "Busy",
    "InAMeeting": "Busy",
    "Presenting": "DoNotDisturb",
    "BeRightBack": "Away",
    "OutOfOffice": "Away",
}


def read_state(availability: str, activity: str) -> State:
    """One state from Graph's two fields, in any case and either generation of words."""
    states = [_WORDS.get(word.strip().lower(), "Unknown") for word in (availability, activity)]
    known = [state for state in states if state != "Unknown"]
    if not known:
        return "Unknown"
    state = min(known, key=MOST_OCCUPIED_FIRST.index)
    return state if len(known) == len(states) or state in _SURE else "Unknown"


def is_known(word: str) -> bool:
    return word.strip().lower() in _WORDS


def simplified(state: State) -> State:
    """What can be told without the guest accounts."""
    return _SIMPLE.get(state, state)


def hides_calls(state: State) -> bool:
    """Microsoft returns no call under Away and Be right back when the user has set them by hand."""
    return state in ("Away", "BeRightBack")


def deliverable(state: State, distribution: Distribution) -> bool:
    """May a service with these settings offer a call to a user in this state?"""
    match state:
        case "Available":
            return True
        case "Busy":
            return distribution.while_busy
        case "InAMeeting":
            return distribution.while_in_meeting
        case "Away" | "BeRightBack" | "OutOfOffice":
            return distribution.while_away
        case "InACall" | "InAConferenceCall" | "Presenting" | "DoNotDisturb" | "Offline" | "Unknown":
            return False
