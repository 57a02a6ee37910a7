"""Meetings on behalf of the tenant's Microsoft 365 user: what can go wrong, and the check an admin runs beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol

from shared.concurrency.deadlines import Latecomers
from shared.kernel import log
from shared.kernel.clock import Clock
from shared.kernel.errors import AppError, Denied, Upstream
from shared.kernel.wire import Wire
from shared.storage.tables import Table
from shared.tenants.rate_limit import Pace
from shared.tenants.tenants import Head

Outcome = Literal["MeetingCreated", "PolicyMissing", "UserUnknown", "PermissionMissing", "Failed"]

MOST_CHECKS: Final = 30  # a minute and tenant
PATIENCE: Final = 15.0  # seconds for the meeting of a check
LENGTH: Final = timedelta(minutes=5)  # of the meeting a check makes
SUBJECT: Final = "Check of Interact"

# What happened, and what to do about it. {app} is the client id of the Nimbus App, {user} the organizer.
_WORDS: Final[dict[Outcome, tuple[str, str]]] = {
    "MeetingCreated": ("A meeting was made and removed again.", ""),
    "PolicyMissing": (
        "No application access policy lets the app make meetings on behalf of the user.",
        "In Teams PowerShell run New-CsApplicationAccessPolicy -Identity Nimbus-Interact -AppIds {app} and "
        "Grant-CsApplicationAccessPolicy -PolicyName Nimbus-Interact -Identity {user}. It takes up to 30 minutes to "
        "work.",
    ),
    "UserUnknown": (
        "The Microsoft 365 user does not exist in the directory of the tenant, or none is set.",
        "Copy the user's object id from the Entra admin center into the setting O365 UserID. The user needs a Teams "
        "licence.",
    ),
    "PermissionMissing": (
        "The app may not make meetings in this tenant.",
        "Grant the application permission OnlineMeetings.ReadWrite.All with admin consent.",
    ),
    "Failed": (
        "Microsoft Graph did not make a meeting.",
        "Try again later; if it stays so, look at the Microsoft 365 service health.",
    ),
}
_REFUSALS: Final[tuple[Outcome, ...]] = ("PolicyMissing", "UserUnknown", "PermissionMissing")


class Meeting(Protocol):
    @property
    def meeting_id(self) -> str: ...
    @property
    def join_url(self) -> str: ...


class Meetings(Protocol):
    """Online meetings of a tenant. Raises Denied with the reason PolicyMissing, UserUnknown or PermissionMissing, or
    with the ``fault`` of a refused sign-in; Throttled, Unreachable or Broken.
    """

    @property
    def app_id(self) -> str:
        """Who asks: the client id a policy has to name."""

    def create(self, tenant_id: str, organizer: str, subject: str, starts: datetime, ends: datetime) -> Meeting:
        """A meeting that guests enter without waiting. ``organizer`` is an object id."""

    def delete(self, tenant_id: str, organizer: str, meeting_id: str) -> None:
        """Remove it; one that is gone is no error."""


class MeetingCheck(Wire):
    """What a check found: a sentence on it and, unless all is well, one on what to do."""

    ok: bool
    outcome: Outcome
    detail: str
    remedy: str


class MeetingChecks:
    """``limits`` counts how often each tenant asked."""

    def __init__(self, meetings: Meetings, limits: Table, clock: Clock, *, patience: float = PATIENCE) -> None:
        """``patience`` is how many seconds a check waits for its meeting."""
        self._meetings = meetings
        self._patience = patience
        self._latecomers = Latecomers()
        self._clock = clock
        self._pace = Pace(limits, clock, what="meeting-checks", most=MOST_CHECKS, per=timedelta(minutes=1))

    def check(self, head: Head) -> MeetingCheck:
        """Make a meeting as the tenant's user and remove it. Raises RateLimited from the eleventh in a minute on."""
        self._pace.take(head.tenant_id)
        organizer = head.settings.value.interact.o365_user_id
        found = self._find_out(head.tenant_id, organizer)
        log.info("meeting check", tenant=head.tenant_id, outcome=found.outcome)
        return found

    def _find_out(self, tenant_id: str, organizer: str | None) -> MeetingCheck:
        if organizer is None:
            return self._result("UserUnknown", organizer)
        now = self._clock()
        try:
            meeting = self._latecomers.in_time(
                tenant_id,
                self._patience,
                lambda: self._meetings.create(tenant_id, organizer, SUBJECT, now, now + LENGTH),
                undo=lambda late: self._is_removed(tenant_id, organizer, late),
            )
        except Denied as exc:
            if exc.fault is not None:  # Entra refused the app before Graph was asked
                return MeetingCheck(ok=False, outcome="Failed", detail=exc.detail, remedy=exc.fault.remedy)
            return self._result(_outcome_of(exc), organizer)
        except AppError:
            return self._result("Failed", organizer)
        result = self._result("MeetingCreated", organizer)
        if self._is_removed(tenant_id, organizer, meeting):
            return result
        return result.model_copy(
            update={"detail": "A meeting was made; it could not be removed and has no participants."}
        )

    def _result(self, outcome: Outcome, organizer: str | None) -> MeetingCheck:
        detail, remedy = _WORDS[outcome]
        return MeetingCheck(
            ok=outcome == "MeetingCreated",
            outcome=outcome,
            detail=detail,
            remedy=remedy.format(app=self._meetings.app_id, user=organizer or "USER-OBJECT-ID"),
        )

    def _is_removed(self, tenant_id: str, organizer: str, meeting: Meeting) -> bool:
        try:
            self._meetings.delete(tenant_id, organizer, meeting.meeting_id)
        except AppError as exc:
            log.warning("the meeting of a check cannot be removed", tenant=tenant_id, why=exc.code)
            return False
        return True


@contextmanager
def meeting_problems() -> Iterator[None]:
    """What Graph refuses, as one clear problem; throttling and silence pass as they are."""
    try:
        yield
    except Denied as exc:
        outcome = _outcome_of(exc)
        remedy = "A tenant admin can find out what to do with the meeting check."
        raise Upstream(_WORDS[outcome][0], code=f"Meeting{outcome}", remedy=remedy) from None


def _outcome_of(exc: Denied) -> Outcome:
    return next((outcome for outcome in _REFUSALS if outcome == exc.reason), "Failed")
