"""What a new session needs outside: a user at ACS with a token, and a meeting. All of it, or nothing is left behind."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol

from shared.concurrency.deadlines import LATE, Latecomers
from shared.interact.acs.connection_strings import Strings, accepted
from shared.interact.acs.problems import acs_problems
from shared.interact.acs.users import LIFETIME, SCOPES, Scope
from shared.interact.sessions.cleanup import SessionEnds
from shared.interact.sessions.meetings import Meeting, Meetings, meeting_problems
from shared.interact.sessions.rules import Session
from shared.interact.sessions.store import HeldSession, Ties, Unsure
from shared.kernel import log
from shared.kernel.acs_connection_string import ConnectionString, read_connection_string
from shared.kernel.clock import Clock
from shared.kernel.errors import AppError, Conflict
from shared.storage.entities import Row
from shared.tenants.settings.settings import TenantSettings
from shared.tenants.tenants import Head

PATIENCE: Final = 5.0  # seconds for each call to ACS; a new user is waited for longer, to be deleted
TOTAL: Final = 15.0  # seconds for user and meeting; with undoing and storage a page has its answer within 30
SUBJECT: Final = "Interact"  # of meetings; who the customer is stays out of the organizer's mailbox
MEETING: Final = timedelta(hours=4)  # planned length; Teams lets a meeting run on


class Identities(Protocol):
    """A resource of ACS. All raise Denied (reason Denied or Forbidden), Throttled, Unreachable or Broken."""

    def create_user_with_token(
        self, connection: ConnectionString, scopes: tuple[Scope, ...], lifetime: timedelta, timeout: float
    ) -> tuple[str, str, datetime]:
        """The id of a new user, its token, and when that expires."""

    def issue_token(
        self,
        connection: ConnectionString,
        user_id: str,
        scopes: tuple[Scope, ...],
        lifetime: timedelta,
        timeout: float,
    ) -> tuple[str, datetime]:
        """A token and when it expires."""

    def delete_user(self, connection: ConnectionString, user_id: str, timeout: float) -> None:
        """Remove the user; one that is gone is no error."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a session is to be. ``continues`` is the session it takes the place of."""

    conversation: Literal["direct", "service"]
    target: str
    customer: dict[str, object] | None
    recovery: timedelta
    secret_hash: str = field(repr=False)
    continues: str | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A new session and the token of its user, which is handed out and never kept."""

    held: HeldSession
    token: str = field(repr=False)


class SessionStart:
    """Makes what a session needs at ACS and Graph."""

    def __init__(
        self,
        settings: TenantSettings,
        acs_suffixes: tuple[str, ...],
        identities: Identities,
        meetings: Meetings,
        ends: SessionEnds,
        strings: Strings,
        clock: Clock,
        *,
        total: float = TOTAL,
    ) -> None:
        """``total`` is the time in seconds for a user and a meeting."""
        self._settings = settings
        self._suffixes = acs_suffixes
        self._identities = identities
        self._meetings = meetings
        self._ends = ends
        self._strings = strings
        self._clock = clock
        self._total = total
        self._latecomers = Latecomers()

    def make(self, head: Head, wanted: Wanted, save: Callable[[HeldSession], None]) -> Made:
        """A user with a token, a meeting, and ``save`` with the finished session; if a step fails, all is undone.

        A process that dies between the two leaves a user that a sweep deletes; one that dies later at worst a meeting
        that nobody has the link of. Of a process that dies before it has noted the user, that user stays.
        Raises Conflict (``InteractNotConfigured``), Unreachable after 15 s, Upstream with a ``remedy``, and what
        ``save`` raises.
        """
        connection, organizer = self._outside(head)
        session_id = str(uuid.uuid4())
        end = time.monotonic() + self._total
        with ExitStack() as undo:
            with acs_problems():
                user_id, token, expires_on = self._user(head.tenant_id, session_id, connection)
            undo.callback(self._delete_user, connection, user_id, head.tenant_id)
            entry = self._ends.begin(head.tenant_id, session_id, user_id, connection)
            undo.pop_all()
            undo.callback(self._abandon, connection, entry)
            with meeting_problems():
                meeting = self._meeting(head.tenant_id, organizer, end - time.monotonic())
            undo.callback(self._delete_meeting, head.tenant_id, organizer, meeting)
            session = Session(
                session_id=session_id,
                conversation=wanted.conversation,
                target=wanted.target,
                customer=wanted.customer,
                recovery=wanted.recovery,
                state="Open",
                until=expires_on,
                token_until=expires_on,
                restarted_from=wanted.continues,
            )
            ties = Ties(user_id, entry.text("sealed"), connection.endpoint, meeting.join_url, wanted.secret_hash)
            held = HeldSession(head.tenant_id, session, ties)
            try:
                save(held)
            except Unsure:
                undo.pop_all()  # if it was written it needs its user; a sweep deletes the user if it was not
                raise
            undo.pop_all()
        log.info("session started", tenant=head.tenant_id, session=session_id, continues=wanted.continues)
        return Made(held, token)

    def token(self, held: HeldSession) -> tuple[str, datetime, str | None]:
        """Another token for the session's user, when it expires, and the sealed string to keep with the session if the
        one it has is denied by now and the tenant's current one is not. Raises Upstream.
        """
        own, user_id = self._ends.open(held.tenant_id, held.ties.sealed), held.ties.user_id
        with acs_problems():
            (token, expires_on), used = accepted(
                self._strings,
                held.tenant_id,
                own,
                lambda one: self._identities.issue_token(one, user_id, SCOPES, LIFETIME, PATIENCE),
            )
        return token, expires_on, None if used == own else self._ends.sealed(held.tenant_id, used)

    def _outside(self, head: Head) -> tuple[ConnectionString, str]:
        text = self._settings.connection_string(head, "interact")
        organizer = head.settings.value.interact.o365_user_id
        missing = [name for name, value in (("acsConnectionString", text), ("o365UserId", organizer)) if not value]
        if text is None or organizer is None:
            raise Conflict(
                f"Interact is not set up completely: {' and '.join(missing)} of the settings",
                code="InteractNotConfigured",
                missing=[f"interact.{name}" for name in missing],
            )
        return read_connection_string(text, self._suffixes), organizer

    def _user(self, tenant_id: str, session_id: str, connection: ConnectionString) -> tuple[str, str, datetime]:
        return self._latecomers.in_time(
            connection.endpoint,
            min(PATIENCE, self._total),
            lambda: self._identities.create_user_with_token(connection, SCOPES, LIFETIME, LATE),
            undo=lambda made: self._undo_late(tenant_id, session_id, made[0], connection),
        )

    def _meeting(self, tenant_id: str, organizer: str, seconds: float) -> Meeting:
        now = self._clock()
        return self._latecomers.in_time(
            f"meetings of {tenant_id}",
            seconds,
            lambda: self._meetings.create(tenant_id, organizer, SUBJECT, now, now + MEETING),
            undo=lambda meeting: self._delete_meeting(tenant_id, organizer, meeting),
        )

    def _undo_late(self, tenant_id: str, session_id: str, user_id: str, connection: ConnectionString) -> None:
        """Noted first, so that a sweep deletes the user if we cannot."""
        try:
            entry = self._ends.begin(tenant_id, session_id, user_id, connection)
        except AppError:
            self._delete_user(connection, user_id, tenant_id)
        else:
            self._abandon(connection, entry)

    def _abandon(self, connection: ConnectionString, entry: Row) -> None:
        if self._delete_user(connection, entry.text("user"), entry.text("tenant")):
            self._ends.abandon(entry)

    def _delete_user(self, connection: ConnectionString, user_id: str, tenant_id: str) -> bool:
        try:
            self._identities.delete_user(connection, user_id, PATIENCE)
        except AppError as exc:
            log.warning("the user of a failed start cannot be deleted", tenant=tenant_id, user=user_id, why=exc.code)
            return False
        return True

    def _delete_meeting(self, tenant_id: str, organizer: str, meeting: Meeting) -> None:
        try:
            self._meetings.delete(tenant_id, organizer, meeting.meeting_id)
        except AppError as exc:
            log.warning("the meeting of a failed start cannot be removed", tenant=tenant_id, why=exc.code)
