"""What becomes of a session: the product page's table row by row, and any run of events against a small model."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.interact.sessions import rules
from shared.interact.sessions.rules import Conversation, Event, EventType, Session
from tests.scale import scaled

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR = 3600


def moment(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def session(conversation: Conversation = "direct", recovery: int = 20) -> Session:
    """Started at noon, with a token of an hour."""
    return Session(
        session_id="s1",
        conversation=conversation,
        target="agent@contoso.example",
        customer=None,
        recovery=timedelta(seconds=recovery),
        state="Open",
        until=moment(HOUR),
        token_until=moment(HOUR),
    )


def play(start: Session, *events: tuple[float, EventType]) -> rules.Step:
    """Each event at its second after noon."""
    step = rules.Step(start)
    for second, event in events:
        step = rules.after(step.session, Event(event), moment(second))
    return step


# the table of the product page, row by row


def test_direct_the_time_starts_when_the_customer_leaves() -> None:
    left = play(session("direct"), (100, "customerLeft")).session
    assert (left.state, left.until) == ("Recovering", moment(120))
    assert rules.as_of(left, moment(119.999)).state == "Recovering"
    assert rules.as_of(left, moment(120)).state == "Ended"


@pytest.mark.parametrize("agent_leaves", [50, 105])
def test_direct_an_agent_who_left_is_invited_anew_if_the_customer_rejoins_in_time(agent_leaves: int) -> None:
    events = sorted([(10, "agentJoined"), (agent_leaves, "agentLeft"), (100, "customerLeft")])
    back = play(session("direct"), *events, (119, "customerRejoined"))  # type: ignore[arg-type]
    assert (back.outcome, back.session.state, back.session.reinvite_agent) == ("Done", "Open", True)
    joined = rules.after(back.session, Event("agentJoined"), moment(125)).session
    assert joined.reinvite_agent is False


def test_direct_an_agent_who_stayed_is_not_invited_anew() -> None:
    back = play(session("direct"), (10, "agentJoined"), (100, "customerLeft"), (110, "customerRejoined"))
    assert back.session.reinvite_agent is False


def test_direct_after_the_time_it_has_ended_for_good() -> None:
    late = play(session("direct"), (100, "customerLeft"), (120, "customerRejoined"))
    assert (late.outcome, late.session.state) == ("Refused", "Ended")
    assert play(late.session, (121, "customerRejoined")).outcome == "Refused"


def test_service_it_is_restored_while_the_agent_remains() -> None:
    back = play(session("service"), (10, "agentJoined"), (100, "customerLeft"), (110, "customerRejoined"))
    assert (back.outcome, back.session.state, back.session.session_id) == ("Done", "Open", "s1")


@pytest.mark.parametrize("agent_leaves", [50, 105])
def test_service_when_the_agent_leaves_a_rejoin_starts_a_new_session(agent_leaves: int) -> None:
    events = sorted([(10, "agentJoined"), (agent_leaves, "agentLeft"), (100, "customerLeft")])
    back = play(session("service"), *events, (110, "customerRejoined"))  # type: ignore[arg-type]
    assert back.outcome == "Restart"
    over = rules.ended(back.session, moment(110), restarted_as="s2")
    assert (over.state, over.restarted_as) == ("Ended", "s2")
    assert play(over, (111, "customerRejoined")).outcome == "Restarted"


def test_service_a_customer_still_waiting_for_an_agent_keeps_the_session() -> None:
    back = play(session("service"), (100, "customerLeft"), (110, "customerRejoined"))
    assert (back.outcome, back.session.state) == ("Done", "Open")


# the clock, and events that come late or twice


def test_an_open_session_nobody_renews_is_left_when_its_token_ends() -> None:
    assert rules.as_of(session(), moment(HOUR - 1)).state == "Open"
    assert rules.as_of(session(), moment(HOUR)).state == "Recovering"
    assert rules.as_of(session(), moment(HOUR + 20)).state == "Ended"
    renewed = rules.renewed(session(), moment(2 * HOUR))
    assert rules.as_of(renewed, moment(HOUR + 20)).state == "Open"


def test_who_comes_back_with_a_token_that_has_run_out_has_time_for_another() -> None:
    back = play(session(), (HOUR + 5, "customerRejoined")).session
    assert rules.as_of(back, moment(HOUR + 100)).state == "Open"
    assert rules.as_of(back, moment(HOUR + 5) + rules.LEAST_OPEN).state == "Recovering"


def test_leaving_twice_does_not_start_the_time_again() -> None:
    assert play(session(), (100, "customerLeft"), (115, "customerLeft")).session.until == moment(120)


def test_a_leave_that_arrives_after_the_rejoin_it_came_before_changes_nothing() -> None:
    step = rules.after(session(), Event("customerRejoined", moment(50)), moment(51))
    late = rules.after(step.session, Event("customerLeft", moment(49)), moment(52))
    assert late.session.state == "Open"


def test_a_page_cannot_turn_the_clock_back() -> None:
    left = play(session(), (100, "customerLeft")).session
    assert rules.after(left, Event("customerRejoined", moment(101)), moment(121)).outcome == "Refused"


def test_a_page_whose_clock_runs_ahead_is_still_heard() -> None:
    ahead = rules.after(session(), Event("customerLeft", moment(5000)), moment(100)).session
    assert ahead.until == moment(120)
    assert rules.after(ahead, Event("customerRejoined", moment(5010)), moment(110)).session.state == "Open"


def test_a_clock_that_ran_ahead_once_does_not_silence_the_page() -> None:
    ahead = rules.after(session(), Event("customerLeft", moment(5000)), moment(100)).session
    assert rules.after(ahead, Event("customerRejoined", moment(110)), moment(110)).session.state == "Open"


def test_a_page_whose_clock_was_set_back_comes_back_if_it_tells_no_time() -> None:
    left = rules.after(session(), Event("customerLeft", moment(100)), moment(100)).session
    assert rules.after(left, Event("customerRejoined"), moment(105)).session.state == "Open"


@pytest.mark.parametrize("wrong", [-7200, 0, 30, 7200])
def test_a_rejoin_that_comes_again_after_the_page_has_left_opens_nothing(wrong: int) -> None:
    """``wrong`` is by how much the page's clock is."""
    back = Event("customerRejoined", moment(wrong + 10))
    current = play(session(), (0, "customerLeft")).session
    for arrives, event in ((10, back), (20, Event("customerLeft", moment(wrong + 20))), (25, back)):
        current = rules.after(current, event, moment(arrives)).session
    assert (current.state, current.until) == ("Recovering", moment(40))


def test_a_rejoin_that_the_goodbye_after_it_overtook_opens_nothing() -> None:
    left = rules.after(session(), Event("customerLeft", moment(20)), moment(20)).session
    assert rules.after(left, Event("customerRejoined", moment(19)), moment(21)).session == left


def test_a_rejoin_that_comes_again_after_the_agent_has_left_starts_no_new_session() -> None:
    back = Event("customerRejoined", moment(10))
    current = play(session("service"), (0, "agentJoined"), (1, "customerLeft")).session
    for arrives, event in ((10, back), (20, Event("agentLeft")), (21, back)):
        step = rules.after(current, event, moment(arrives))
        current = step.session
    assert (step.outcome, current.state) == ("Done", "Open")
    assert rules.after(current, Event("customerRejoined", moment(22)), moment(22)).outcome == "Restart"


def test_the_two_sides_need_not_agree_what_time_it_is() -> None:
    step = rules.after(session(), Event("customerLeft", moment(100)), moment(100))
    step = rules.after(step.session, Event("agentLeft", moment(-500)), moment(101))
    assert step.session.agent == "left"


class Model:
    """The rules once more, told differently: who said what when, and the state worked out from that."""

    def __init__(self, conversation: str, recovery: float) -> None:
        self.conversation, self.recovery = conversation, recovery
        self.token_end: float = HOUR
        self.stays_until: float = HOUR
        self.away_since: float | None = None
        self.closed = False
        self.agent_gone = False
        self.newest = {"customer": float("-inf"), "agent": float("-inf")}

    def state(self, now: float) -> str:
        since = self.away_since if self.away_since is not None else self.stays_until
        if self.closed or now >= since + self.recovery:
            return "Ended"
        return "Open" if now < since and self.away_since is None else "Recovering"

    def hear(self, now: float, event: str, at: float | None) -> str:
        state = self.state(now)
        if state == "Ended":
            self.closed = True
            return "Refused" if event == "customerRejoined" else "Done"
        if event == "ended":
            self.closed = True
            return "Done"
        side = "agent" if event.startswith("agent") else "customer"
        if at is not None and not self.was_ahead(side, now, at):
            again = event == "customerRejoined" and state == "Open" and at == self.newest[side]
            if at < self.newest[side] or again:
                return "Done"
        restart = event == "customerRejoined" and self.conversation == "service" and self.agent_gone
        self.newest[side] = self.newest[side] if at is None else at
        if side == "agent":
            self.agent_gone = event == "agentLeft"
        elif restart:
            return "Restart"
        elif event == "customerLeft" and state == "Open":
            self.away_since = now
        elif event == "customerRejoined" and state == "Recovering":
            self.away_since, self.stays_until = None, max(self.token_end, now + 120)
        return "Done"

    def was_ahead(self, side: str, now: float, at: float) -> bool:
        """The side's clock was wrong when it last spoke, and is not any more."""
        return self.newest[side] >= now + 60 and at < now + 60

    def renew(self, now: float) -> None:
        if self.state(now) == "Open":
            self.token_end = self.stays_until = now + HOUR


KINDS = ("customerLeft", "customerRejoined", "agentJoined", "agentLeft", "ended", "renew")
# Ended ends a run, so it comes seldom; pauses lie around the recovery time, the grace and the life of a token.
STEPS = st.lists(
    st.tuples(
        st.sampled_from((0, 1, 2, 3, 4) * 4 + (5, 6, 19, 20, 21, 119, 120, HOUR - 1, HOUR, HOUR + 20)),
        st.sampled_from(KINDS[:4] * 4 + KINDS[4:]),
        st.sampled_from((None, None, 0, -1, -10, 30, 59, 60, 90)),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=scaled(150, 2_000))
@given(st.sampled_from(("direct", "service")), st.sampled_from((5, 20, 60)), STEPS)
def test_any_run_of_events_ends_as_the_model_says(
    conversation: Conversation, recovery: int, steps: list[tuple[int, str, int | None]]
) -> None:
    current, model, now = session(conversation, recovery), Model(conversation, recovery), 0.0
    for pause, kind, offset in steps:
        now += pause
        assert rules.as_of(current, moment(now)).state == model.state(now)
        if kind == "renew":
            model.renew(now)
            seen = rules.as_of(current, moment(now))
            current = rules.renewed(seen, moment(now + HOUR)) if seen.state == "Open" else seen
            continue
        at = None if offset is None else now + offset
        step = rules.after(current, Event(kind, None if at is None else moment(at)), moment(now))  # type: ignore[arg-type]
        assert step.outcome == model.hear(now, kind, at)
        current = step.session
        assert current.state == model.state(now)
        assert current.reinvite_agent == (
            current.state == "Open" and conversation == "direct" and model.agent_gone and not model.closed
        )


@given(st.sampled_from(("direct", "service")), STEPS, st.sampled_from(KINDS[:5]))
def test_an_event_said_twice_is_said_once(
    conversation: Conversation, steps: list[tuple[int, str, int | None]], kind: EventType
) -> None:
    current, now = session(conversation), 0.0
    for pause, one, _ in steps:
        now += pause
        if one != "renew":
            current = rules.after(current, Event(one), moment(now)).session  # type: ignore[arg-type]
    once = rules.after(current, Event(kind, moment(now)), moment(now))
    twice = rules.after(once.session, Event(kind, moment(now)), moment(now + 1))
    seen = rules.as_of(once.session, moment(now + 1))
    # Where the second between the two ends a token, the second rejoin is one indeed.
    if once.outcome == "Done" and kind != "ended" and seen.state == once.session.state:
        assert rules.as_of(twice.session, moment(now + 1)) == seen


@given(
    st.sampled_from(("direct", "service")),
    st.sampled_from((-7200, -10, 0, 30, 7200)),
    st.lists(st.tuples(st.integers(1, 25), st.sampled_from(KINDS[:4] * 4 + KINDS[4:5])), max_size=12),
)
def test_what_comes_again_or_late_changes_nothing(
    conversation: Conversation, wrong: int, steps: list[tuple[int, EventType]]
) -> None:
    """Each side tells the time by a clock that is ``wrong`` seconds ahead."""
    current, now, told = session(conversation), 0, list[Event]()
    for pause, kind in steps:
        now += pause
        told.append(Event(kind, moment(now + wrong)))
        step = rules.after(current, told[-1], moment(now))
        if step.outcome == "Restart":
            break
        current = rules.as_of(step.session, moment(now))
        for event in told:
            assert rules.after(current, event, moment(now)).session == current
            if event.type != "ended":
                overtaken = Event(event.type, moment((event.at - NOON).total_seconds() - 0.5))  # type: ignore[operator]
                assert rules.after(current, overtaken, moment(now)).session == current


@given(STEPS)
def test_ended_is_for_ever(steps: list[tuple[int, str, int | None]]) -> None:
    over = rules.ended(session(), moment(0))
    now = 0.0
    for pause, kind, _ in steps:
        now += pause
        if kind != "renew":
            assert rules.after(over, Event(kind), moment(now)).session == over  # type: ignore[arg-type]
