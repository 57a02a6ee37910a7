"""Sessions of a tenant's customers: started, read, told what happened, given new tokens."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets as random
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from shared.interact.sessions import rules
from shared.interact.sessions.cleanup import SessionEnds
from shared.interact.sessions.rules import Conversation, EventType, Session, State
from shared.interact.sessions.start import Made, SessionStart, Wanted
from shared.interact.sessions.store import HeldSession, SessionStore
from shared.interact.sessions.targets import find_target
from shared.kernel import log
from shared.kernel.clock import Clock, from_wire, to_wire
from shared.kernel.errors import Conflict, Gone, NotFound, NotKnown, Stale
from shared.kernel.wire import Upn, Wire, is_guid
from shared.tenants.directory import Directory
from shared.tenants.tenants import Head

MOST_ABOUT_A_CUSTOMER: Final = 4096  # characters of JSON
AGENT_EVENTS: Final[frozenset[EventType]] = frozenset({"agentJoined", "agentLeft"})
CUSTOMER_EVENTS: Final[frozenset[EventType]] = frozenset({"customerLeft", "customerRejoined"})


def _short(customer: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(customer)) > MOST_ABOUT_A_CUSTOMER:
        raise ValueError(f"has more than {MOST_ABOUT_A_CUSTOMER} characters as JSON")
    return customer


def _moment(text: str) -> str:
    """As rows keep it: an event that comes again is to be known by its moment."""
    try:
        return to_wire(from_wire(text))
    except (ValueError, OverflowError):
        raise ValueError("is not a time with an offset, such as 2026-03-01T12:00:00Z") from None


class SessionWrite(Wire):
    """``target`` is the UPN of a service, or for a direct conversation of a user who has the Interact licence."""

    conversation: Conversation
    target: Upn
    customer: Annotated[
        dict[str, Any] | None,
        Field(description="What the agent may know about the customer, 4,096 characters of JSON at most."),
        AfterValidator(lambda customer: customer and _short(customer)),
    ] = None


class EventWrite(Wire):
    """``at`` is when it happened by the sender's clock, to the millisecond: it orders the events of one side and
    measures no time. An event that comes again is known by it.
    """

    type: EventType
    at: Annotated[str, AfterValidator(_moment)] | None = None


class AcsAccess(Wire):
    """What a calling SDK needs. ``expiresInSeconds`` is for pages whose clock is wrong."""

    user_id: str
    token: str = Field(repr=False)
    expires_on: str
    expires_in_seconds: int
    endpoint: str


class MeetingLink(Wire):
    join_web_url: str


class SessionState(Wire):
    """``recoverUntil`` is the last moment to rejoin while the session is Recovering, else null."""

    session_id: str
    state: State
    conversation: Conversation
    target: str
    reinvite_agent: bool
    recovery_timeout_seconds: int
    recover_until: str | None
    restarted_from: str | None


class SessionStarted(SessionState):
    """A session with what its page needs. ``sessionSecret`` goes with every later call, in X-Session-Secret."""

    session_secret: str = Field(repr=False)
    acs: AcsAccess
    meeting: MeetingLink


class Sessions:
    """What pages, the routing back end and the clock do to sessions, written so that of several at once one wins."""

    def __init__(
        self, store: SessionStore, start: SessionStart, ends: SessionEnds, directory: Directory, clock: Clock
    ) -> None:
        self._store = store
        self._start = start
        self._ends = ends
        self._directory = directory
        self._clock = clock

    def start(self, head: Head, wanted: SessionWrite) -> SessionStarted:
        """Raises NotFound (``TargetNotAvailable``) and what ``SessionStart.make`` raises."""
        target = find_target(self._directory, head.tenant_id, wanted.conversation, wanted.target)
        secret = random.token_urlsafe(32)
        recovery = timedelta(seconds=head.settings.value.interact.session_recovery_timeout_seconds)
        plan = Wanted(wanted.conversation, target, wanted.customer, recovery, _hash(secret))
        return self._started(self._start.make(head, plan, self._store.insert), secret)

    def of_tenant(self, tenant_id: str, session_id: str) -> HeldSession:
        """For the routing back end. Raises NotFound (``SessionNotFound``)."""
        held = self._store.get(tenant_id, session_id.lower()) if is_guid(session_id) else None
        if held is None:
            raise NotFound("there is no such session", code="SessionNotFound")
        return held

    def of_customer(self, tenant_id: str, session_id: str, secret: str) -> HeldSession:
        """For the page that started it. Raises NotFound and NotKnown (``SessionSecretInvalid``)."""
        held = self.of_tenant(tenant_id, session_id)
        if not hmac.compare_digest(_hash(secret), held.ties.secret_hash):
            raise NotKnown("the session secret is not the session's", code="SessionSecretInvalid")
        return held

    def state(self, held: HeldSession) -> SessionState:
        return SessionState(**_answer_fields(rules.as_of(held.session, self._now)))

    def customer_event(self, head: Head, held: HeldSession, secret: str, event: EventWrite) -> SessionState:
        """What the page says. Raises Gone (``SessionEnded``) for a rejoin that comes too late.

        Where a rejoin starts a new session the answer is a SessionStarted with the same secret; said again it is
        that session again, with another token.
        """
        held, outcome = self._applied(held, event)
        match outcome:
            case "Refused":
                raise _over()
            case "Restart":
                return self._restart(head, held, secret, event)
            case "Restarted":
                return self._continued(head, held, secret, event)
            case _:
                return SessionState(**_answer_fields(held.session))

    def agent_event(self, held: HeldSession, event: EventWrite) -> SessionState:
        """What the routing back end says."""
        held, _ = self._applied(held, event)
        return SessionState(**_answer_fields(held.session))

    def token(self, held: HeldSession) -> AcsAccess:
        """Another token, which keeps the session open as long. Raises Gone when it is over, and Conflict
        (``SessionRecovering``) while the customer is away: rejoin first.
        """
        made = self._renewed(held)
        return self._access(made)

    @property
    def _now(self) -> datetime:
        return self._clock()

    def _applied(self, held: HeldSession, event: EventWrite) -> tuple[HeldSession, rules.Outcome]:
        """The session after the event, written; a restart is left to the caller."""
        happened = rules.Event(event.type, from_wire(event.at) if event.at else None)
        before = held.session.state
        while True:
            now = self._now
            step = rules.after(held.session, happened, now)
            if step.outcome != "Done":
                return HeldSession(held.tenant_id, step.session, held.ties, held.etag), step.outcome
            if step.session != held.session:
                try:
                    held = self._store.replace(held, step.session)
                except (Stale, NotFound):
                    held = self._again(held)
                    continue
            if held.session.state != before:
                log.info("session changed", tenant=held.tenant_id, session=held.session.session_id, by=event.type)
                if held.session.state != "Open":
                    self._ends.remind(held, held.session.until)
            return held, "Done"

    def _restart(self, head: Head, old: HeldSession, secret: str, event: EventWrite) -> SessionState:
        """A new session in place of one whose agent has left. Of several callers at once one makes it.

        Raises NotFound (``TargetNotAvailable``) if the service has gone meanwhile.
        """
        session = old.session
        plan = Wanted(
            session.conversation,
            find_target(self._directory, old.tenant_id, session.conversation, session.target),
            session.customer,
            session.recovery,
            old.ties.secret_hash,
            continues=session.session_id,
        )
        try:
            made = self._start.make(head, plan, partial(self._replace_old, old))
        except (Stale, NotFound):
            return self.customer_event(head, self._again(old), secret, event)
        self._ends.remind(old, self._now)
        return self._started(made, secret)

    def _replace_old(self, old: HeldSession, new: HeldSession) -> None:
        now = self._now
        ended = rules.ended(old.session, now, restarted_as=new.session.session_id)
        self._store.restart(old, ended, new)

    def _continued(self, head: Head, old: HeldSession, secret: str, event: EventWrite) -> SessionState:
        """The session that took the place of this one, for a page that did not hear of it."""
        held = self.of_tenant(old.tenant_id, str(old.session.restarted_as))
        if rules.as_of(held.session, self._now).state != "Open":
            answer = self.customer_event(head, held, secret, event)
            if isinstance(answer, SessionStarted):
                return answer
            held = self._again(held)
        return self._started(self._renewed(held), secret)

    def _renewed(self, held: HeldSession) -> Made:
        """The session with another token, which keeps it open as long; raises like ``token``."""
        _check_open(rules.as_of(held.session, self._now))
        token, expires_on, sealed = self._start.token(held)
        ties = {"sealed": sealed} if sealed else {}
        while True:
            current = rules.as_of(held.session, self._now)
            _check_open(current)
            try:
                return Made(self._store.replace(held, rules.renewed(current, expires_on), **ties), token)
            except (Stale, NotFound):
                held = self._again(held)

    def _again(self, held: HeldSession) -> HeldSession:
        """Somebody changed it meanwhile: what is there now is to be judged."""
        return self.of_tenant(held.tenant_id, held.session.session_id)

    def _access(self, made: Made) -> AcsAccess:
        ties, until = made.held.ties, made.held.session.token_until
        ends: dict[str, Any] = {
            "expires_on": to_wire(until),
            "expires_in_seconds": max(0, int((until - self._now).total_seconds())),
        }
        return AcsAccess(user_id=ties.user_id, token=made.token, endpoint=ties.endpoint, **ends)

    def _started(self, made: Made, secret: str) -> SessionStarted:
        return SessionStarted(
            **_answer_fields(made.held.session),
            session_secret=secret,
            acs=self._access(made),
            meeting=MeetingLink(join_web_url=made.held.ties.join_url),
        )


def _check_open(session: Session) -> None:
    if session.state == "Ended":
        raise _over()
    if session.state == "Recovering":
        raise Conflict("the customer is away; rejoin first", code="SessionRecovering")


def _over() -> Gone:
    return Gone("the session has ended; start a new one", code="SessionEnded")


def _answer_fields(session: Session) -> dict[str, Any]:
    return {
        "session_id": session.session_id,
        "state": session.state,
        "conversation": session.conversation,
        "target": session.target,
        "reinvite_agent": session.reinvite_agent,
        "recovery_timeout_seconds": round(session.recovery.total_seconds()),
        "recover_until": to_wire(session.until) if session.state == "Recovering" else None,
        "restarted_from": session.restarted_from,
    }


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
