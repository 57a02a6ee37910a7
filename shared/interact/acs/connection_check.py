"""Does a connection string work? Tried out as a session would use it, and cleaned up again."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol

from shared.concurrency.deadlines import LATE, Latecomers
from shared.interact.acs.connection_strings import Strings
from shared.interact.acs.leftover_users import Leftovers
from shared.interact.acs.users import LIFETIME, SCOPES, Scope
from shared.kernel import log
from shared.kernel.acs_connection_string import ConnectionString, Refused, read_connection_string
from shared.kernel.clock import Clock, to_wire
from shared.kernel.errors import AppError, Denied, Throttled, Unreachable
from shared.kernel.wire import Wire
from shared.storage.secrets import SecretBox
from shared.storage.tables import Table
from shared.tenants.rate_limit import Pace

Section = Literal["interact", "assistant"]
Outcome = Literal[
    "TokenIssued",
    "InvalidConnectionString",
    "HostNotAllowed",
    "Unreachable",
    "Denied",
    "InsufficientPermissions",
    "Throttled",
    "Failed",
]

TOTAL: Final = 10.0  # seconds for a check, deletion included
FOR_DELETION: Final = 0.2  # of them are kept back for it
MOST_CHECKS: Final = 30  # a minute and tenant

_COPY: Final = (
    "Copy the connection string again from the Azure portal: the Communication Services resource, Settings, Keys."
)
# What happened, and what to do about it. A Refused brings its own first sentence.
_WORDS: Final[dict[Outcome, tuple[str, str]]] = {
    "TokenIssued": ("A user was made and got a token.", ""),
    "InvalidConnectionString": ("", _COPY),
    "HostNotAllowed": ("", _COPY),
    "Unreachable": (
        "The resource did not answer in time, or no connection was possible.",
        "See in the Azure portal that the resource still exists and has the name in the endpoint; then try again.",
    ),
    "Denied": (
        "The resource does not accept the access key.",
        "The string itself is well-formed, so most likely the permissions are insufficient or the key was "
        "regenerated. " + _COPY,
    ),
    "InsufficientPermissions": (
        "The resource does not allow this key to make users and tokens.",
        "See in the Azure portal that the resource is enabled and that its access keys and network rules allow "
        "identities to be made.",
    ),
    "Throttled": ("The resource gets too many requests at the moment.", "Wait a minute and try again."),
    "Failed": (
        "The resource answered with something unexpected.",
        "Try again later; if it stays so, look at the resource's health in the Azure portal.",
    ),
}
_STAYS: Final = " The user could not be deleted yet; that is tried again later."


class CheckResult(Wire):
    """What a check found: a sentence on it and, unless all is well, one on what to do."""

    ok: bool
    outcome: Outcome
    detail: str
    remedy: str
    checked_at: str
    duration_ms: int


class Identities(Protocol):
    """A resource of ACS. All raise Denied (reason Denied or Forbidden), Throttled, Unreachable or Broken.

    ``timeout``, in seconds, may be exceeded by a far side that drips: up to twice.
    """

    def create_user(self, connection: ConnectionString, timeout: float) -> str:
        """The id of a new user."""

    def issue_token(
        self,
        connection: ConnectionString,
        user_id: str,
        scopes: Sequence[Scope],
        lifetime: timedelta,
        timeout: float,
    ) -> tuple[str, datetime]:
        """A token and when it expires."""

    def delete_user(self, connection: ConnectionString, user_id: str, timeout: float) -> None:
        """Remove the user; one that is gone is no error."""


class AcsChecks:
    """``leftovers`` keeps users that are still to delete, ``limits`` how often each tenant asked. ``strings`` are tried
    on a user whose own string is denied by now.
    """

    def __init__(
        self,
        identities: Identities,
        leftovers: Table,
        secrets: SecretBox,
        strings: Strings,
        clock: Clock,
        limits: Table,
        *,
        total: float = TOTAL,
    ) -> None:
        """``total`` is the time of one check in seconds; half of it is the patience of a sweep with one user."""
        self._identities = identities
        self._leftovers = Leftovers(leftovers, secrets, identities, strings, clock, patience=total / 2)
        self._clock = clock
        self._pace = Pace(limits, clock, what="acs-checks", most=MOST_CHECKS, per=timedelta(minutes=1))
        self._total = total
        self._latecomers = Latecomers()

    def check(self, tenant_id: str, section: Section, text: str, suffixes: Collection[str]) -> CheckResult:
        """Make a user and a token of one hour with what ``text`` says, and delete the user again.

        One attempt, in 10 s whatever the far side does. Nothing leaves for a host that is not under one of
        ``suffixes``. Raises RateLimited before anything is sent, from the eleventh check within a minute on,
        malformed strings included; StorageDown.
        """
        self._pace.take(tenant_id)
        began = time.monotonic()
        outcome, detail = self._find_out(tenant_id, text, suffixes)
        result = CheckResult(
            ok=outcome == "TokenIssued",
            outcome=outcome,
            detail=detail,
            remedy=_WORDS[outcome][1],
            checked_at=to_wire(self._clock()),
            duration_ms=round((time.monotonic() - began) * 1000),
        )
        log.info("acs check", tenant=tenant_id, section=section, outcome=outcome, ms=result.duration_ms)
        return result

    def sweep(self) -> int:
        """Delete what checks had to leave behind, as ``Leftovers.sweep`` says; for a timer."""
        return self._leftovers.sweep()

    def _find_out(self, tenant_id: str, text: str, suffixes: Collection[str]) -> tuple[Outcome, str]:
        try:
            connection = read_connection_string(text, suffixes)
        except Refused as exc:
            detail = f"{exc.detail[:1].upper()}{exc.detail[1:]}."
            return ("HostNotAllowed" if exc.code == "HostNotAllowed" else "InvalidConnectionString"), detail
        attempt = _Attempt(self._identities, self._leftovers, tenant_id, connection, self._total)
        try:
            self._latecomers.in_time(connection.endpoint, self._total, attempt.run, undo=lambda _: None)
            outcome = attempt.outcome or "Failed"
        except Unreachable:
            # A thread that still waits for its first answers has found out nothing; that is an answer, too.
            outcome = attempt.outcome or "Unreachable"
        except Exception as exc:  # its text may quote the connection string
            log.error("a connection check failed", tenant=tenant_id, why=type(exc).__name__)
            outcome = attempt.outcome or "Failed"
        return outcome, _WORDS[outcome][0] + (_STAYS if attempt.user_stays else "")


class _Attempt:
    """One check at work, in a thread that its starter may leave alone. It cleans up in any case."""

    def __init__(
        self, identities: Identities, leftovers: Leftovers, tenant_id: str, connection: ConnectionString, total: float
    ) -> None:
        self.outcome: Outcome | None = None  # set once, when it is certain, before the deletion
        self.user_stays = False
        self._identities = identities
        self._leftovers = leftovers
        self._tenant_id = tenant_id
        self._connection = connection
        self._end = time.monotonic() + total
        self._for_deletion = total * FOR_DELETION

    def run(self) -> None:
        try:
            # Longer than anybody waits for the check: a user that comes late is deleted, too. At most 10 checks a
            # minute and tenant are begun, so this many threads may wait.
            user_id = self._identities.create_user(self._connection, LATE)
        except AppError as exc:
            # No answer may still mean a user. Nobody knows its id, so nobody can delete it.
            self.outcome = _outcome_of(exc)
            return
        self.user_stays = True
        note = self._leftovers.keep(self._tenant_id, self._connection, user_id)
        try:
            self._issue(user_id)
            self.outcome = "TokenIssued"
        except AppError as exc:
            self.outcome = _outcome_of(exc)
        finally:
            if self._delete(user_id):
                self.user_stays = False
                if note:
                    self._leftovers.forget(note)

    def _issue(self, user_id: str) -> None:
        left = self._left() - self._for_deletion
        if left <= 0:
            raise Unreachable("no time is left for a token")
        self._identities.issue_token(self._connection, user_id, SCOPES, LIFETIME, left)

    def _delete(self, user_id: str) -> bool:
        try:
            self._identities.delete_user(self._connection, user_id, max(self._left(), self._for_deletion))
        except AppError as exc:
            log.warning("a user of a connection check cannot be deleted yet", tenant=self._tenant_id, why=exc.code)
            return False
        return True

    def _left(self) -> float:
        return self._end - time.monotonic()


def _outcome_of(exc: AppError) -> Outcome:
    match exc:
        case Denied(reason="Forbidden"):
            return "InsufficientPermissions"
        case Denied():
            return "Denied"
        case Throttled():
            return "Throttled"
        case Unreachable():
            return "Unreachable"
        case _:
            return "Failed"
