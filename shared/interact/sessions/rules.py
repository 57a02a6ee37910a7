"""What becomes of a session: its states, and what each event does to it. Pure; the moment is passed in.

              customerLeft, or its ACS token runs out              time over
        Open ------------------------------------------> Recovering --------> Ended
          ^                customerRejoined                  |                  ^
          '--------------------------------------------------'       ended ----'

A direct conversation that the customer rejoins in time is open again, and an agent who has left is invited anew. Of a
service conversation the agent is the memory: if the agent has left, a rejoin starts a new session instead.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

State = Literal["Open", "Recovering", "Ended"]
Conversation = Literal["direct", "service"]
Agent = Literal["awaited", "present", "left"]
EventType = Literal["customerLeft", "customerRejoined", "agentJoined", "agentLeft", "ended"]
Outcome = Literal["Done", "Restart", "Restarted", "Refused"]

# A customer who comes back may hold a token that has run out; this long to fetch another one.
LEAST_OPEN: Final = timedelta(minutes=2)
# A clock this far ahead is wrong; clocks that are right differ by less.
FAR_AHEAD: Final = timedelta(minutes=1)
# A late widget still learns that its session is over; then what the customer typed is removed.
KEPT: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Session:
    """``until`` is when the state ends by itself: of Open the end of the ACS token, or a little later; of Recovering
    the last moment to rejoin; of Ended it is when it ended. ``token_until`` is the end of the last ACS token given.

    ``customer_at`` and ``agent_at`` are the moments of the last event of each side that told one, by its own clock.
    """

    session_id: str
    conversation: Conversation
    target: str
    customer: dict[str, Any] | None
    recovery: timedelta
    state: State
    until: datetime
    token_until: datetime
    agent: Agent = "awaited"
    customer_at: datetime | None = None
    agent_at: datetime | None = None
    restarted_from: str | None = None
    restarted_as: str | None = None

    @property
    def reinvite_agent(self) -> bool:
        """Whether the customer is there and the agent of a direct conversation is not any more."""
        return self.state == "Open" and self.conversation == "direct" and self.agent == "left"

    @property
    def look_again(self) -> datetime:
        """When nothing but the clock will have changed what is to be done about it."""
        match self.state:
            case "Open":
                return self.until + self.recovery
            case "Recovering":
                return self.until
            case "Ended":
                return self.until + KEPT


@dataclass(frozen=True, slots=True)
class Event:
    """``at`` is when it happened by the sender's clock. It orders the events of one side, and measures no time.

    Without it the event is taken as it arrives, so one that comes late or twice is taken for a new one.
    """

    type: EventType
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """The session after an event, and what to answer.

    Restart: the caller is to start a new session in its place. Restarted: there is one already. Refused: it is over.
    """

    session: Session
    outcome: Outcome = "Done"


def as_of(session: Session, now: datetime) -> Session:
    """The session as the clock has left it."""
    if session.state == "Open" and now >= session.until:
        session = replace(session, state="Recovering", until=session.until + session.recovery)
    if session.state == "Recovering" and now >= session.until:
        session = replace(session, state="Ended")
    return session


def after(session: Session, event: Event, now: datetime) -> Step:
    """What the event does at ``now``. One that comes late, twice or when all is over changes nothing."""
    session = as_of(session, now)
    if event.type == "customerRejoined" and session.restarted_as:
        return Step(session, "Restarted")
    if session.state == "Ended":
        return Step(session, "Refused" if event.type == "customerRejoined" else "Done")
    if _is_late(session, event, now):
        return Step(session)
    at = event.at or _last(session, event)
    match event.type:
        case "customerLeft":
            return Step(_left(replace(session, customer_at=at), now))
        case "customerRejoined":
            return _rejoined(replace(session, customer_at=at), now)
        case "agentJoined":
            return Step(replace(session, agent="present", agent_at=at))
        case "agentLeft":
            return Step(replace(session, agent="left", agent_at=at))
        case "ended":
            return Step(ended(session, now))


def renewed(session: Session, expires_on: datetime) -> Session:
    """An open session with a new ACS token."""
    return replace(session, until=expires_on, token_until=expires_on)


def ended(session: Session, now: datetime, *, restarted_as: str | None = None) -> Session:
    return replace(session, state="Ended", until=now, restarted_as=restarted_as)


def _left(session: Session, now: datetime) -> Session:
    if session.state == "Recovering":
        return session  # said twice: the time to come back runs since the first
    return replace(session, state="Recovering", until=now + session.recovery)


def _rejoined(session: Session, now: datetime) -> Step:
    if session.conversation == "service" and session.agent == "left":
        return Step(session, "Restart")
    if session.state == "Open":
        return Step(session)
    return Step(replace(session, state="Open", until=max(session.token_until, now + LEAST_OPEN)))


def _last(session: Session, event: Event) -> datetime | None:
    """When the side that sends the event last told something, by its own clock."""
    return session.agent_at if event.type in ("agentJoined", "agentLeft") else session.customer_at


def _is_late(session: Session, event: Event, now: datetime) -> bool:
    """Whether the same side has told something newer already, or this rejoin.

    What it told by a clock far ahead is not newer than what it tells once that clock is right again.
    """
    last = _last(session, event)
    if event.type == "ended" or event.at is None or last is None:
        return False
    if event.at - now < FAR_AHEAD <= last - now:
        return False
    # Said again after the agent of a service has left, a rejoin that was heard would start a new session.
    heard = event.type == "customerRejoined" and session.state == "Open" and event.at == last
    return event.at < last or heard
