"""The contact search of the Attendant Console: three directories at once, one list.

Each source has its own time limit, and one that fails leaves the results of the others and a note. What the admin's
filter hides stays hidden whatever is typed: filter and text are read, not pasted together (filter_text.join).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlencode

from shared.attendant.address_books.text_index import SearchCopies
from shared.attendant.fields import Source
from shared.attendant.odata_filter.nodes import Condition
from shared.attendant.odata_filter.syntax import parse
from shared.attendant.odata_filter.text import canonical, join
from shared.attendant.odata_filter.tokens import FilterError
from shared.attendant.search.query import WINDOW, Query, condition, question
from shared.attendant.search.ranking import Candidate, Hit, in_address_book, in_graph, merged, shown
from shared.concurrency.fair_pool import Lanes
from shared.kernel import log
from shared.kernel.errors import AppError, Denied, NotAllowed, Throttled, Unreachable
from shared.kernel.wire import Wire
from shared.tenants.tenants import Head

# Seconds. A first look at 100,000 contacts takes about two; Graph is read with limits of its own below this.
LIMITS: Final[Mapping[Source, float]] = {"addressBook": 5.0, "o365": 6.0, "exchange": 6.0}
# Threads of each source, and how many of them one tenant may take: Graph hangs for one tenant at a time or for all, and
# neither may reach the address books or another tenant's directory. More searches wait, within their limits.
_THREADS: Final[Mapping[Source, tuple[int, int]]] = {"addressBook": (8, 4), "o365": (24, 8), "exchange": (24, 8)}


class Listed(Protocol):
    """What Graph lists. ``refused`` is what it says against the filter."""

    @property
    def rows(self) -> Sequence[Mapping[str, object]]: ...
    @property
    def refused(self) -> str | None: ...


class DirectoryUsers(Protocol):
    def users(self, tenant_id: str, filter_text: str, *, top: int) -> Listed: ...


class MailboxContacts(Protocol):
    def contacts(self, tenant_id: str, user_token: str, filter_text: str, *, top: int) -> Listed: ...


class Note(Wire):
    """Why a source has nothing to show, or not all. ``url`` mends it.

    ``claims`` is what Entra wants of a new sign-in of the attendant, to be sent with it.
    """

    source: Source
    code: str
    message: str
    url: str | None = None
    remedy: str | None = None
    claims: str | None = None


class FilterProblem(Wire):
    """Why the admin's filter cannot be used. ``position`` is an offset into it, where it cannot be read."""

    code: str
    message: str
    position: int | None = None


class Found(Wire):
    """A page of people, best matches first. ``filter_problem`` is for admins."""

    items: list[Hit]
    continuation: str | None
    notes: list[Note]
    filter_problem: FilterProblem | None = None


@dataclass(frozen=True, slots=True)
class MailboxConsentLink:
    """Where an admin gives the consent that a search in mailboxes needs."""

    login: str
    graph: str
    client_id: str
    redirect_uri: str

    def url(self, tenant_id: str) -> str:
        wanted = {
            "client_id": self.client_id,
            "scope": f"{self.graph}/Contacts.Read",
            "redirect_uri": self.redirect_uri,
        }
        return f"{self.login}/{tenant_id}/v2.0/adminconsent?{urlencode(wanted)}"


class _Unusable(Exception):
    """The admin's filter cannot be used."""

    def __init__(self, problem: FilterProblem) -> None:
        super().__init__(problem.message)
        self.problem = problem


_Outcome = tuple[list[Candidate], list[Note]]
_Search = Callable[[], _Outcome]


class ContactSearch:
    """One list of people from the sources that are asked for. ``limits`` are seconds by source."""

    def __init__(
        self,
        books: SearchCopies,
        directory: DirectoryUsers,
        mailbox: MailboxContacts,
        consent: MailboxConsentLink,
        limits: Mapping[Source, float] = LIMITS,
    ) -> None:
        self._books = books
        self._directory = directory
        self._mailbox = mailbox
        self._consent = consent
        self._limits = limits
        self._lanes: dict[Source, Lanes[_Outcome]] = {
            source: Lanes(f"search-{source}", threads=threads, share=share)
            for source, (threads, share) in _THREADS.items()
        }

    def find(self, head: Head, wanted: Callable[[], Query], *, user_token: str | None, is_admin: bool) -> Found:
        """What is wanted comes as a function and is judged after the licence. ``user_token`` is the caller's own;
        without one its mailbox is not searched.

        Raises NotAllowed (``AttendantConsoleDisabled``) for a tenant without the product.
        """
        require_product(head)
        query = wanted()
        try:
            hits, notes = self._gathered(head.tenant_id, self._searches(head, query, user_token))
        except _Unusable as unusable:
            return Found(items=[], continuation=None, notes=[], filter_problem=unusable.problem if is_admin else None)
        notes = [*[_unable(source) for source in query.sources if not query.is_for(source)], *notes]
        people = merged(hits)
        end = query.offset + query.top
        following = str(end) if len(people) > end and end < WINDOW else None
        return Found(
            items=[shown(person) for person in people[query.offset : end]], continuation=following, notes=notes
        )

    def _searches(self, head: Head, query: Query, user_token: str | None) -> dict[Source, _Search]:
        """What each source is to do. Raises _Unusable before anybody is asked, for a filter that cannot be read
        also where the directory is not meant."""
        tenant_id = head.tenant_id
        bounds = _bounds(head.settings.value.attendant_console.contact_search_filter)
        every: dict[Source, _Search] = {
            "addressBook": lambda: self._in_books(tenant_id, query),
            "o365": lambda: self._in_directory(tenant_id, query, bounds),
            "exchange": lambda: self._in_mailbox(tenant_id, query, user_token),
        }
        return {source: search for source, search in every.items() if query.is_for(source)}

    def _gathered(self, tenant_id: str, searches: Mapping[Source, _Search]) -> _Outcome:
        began = time.monotonic()
        running = {source: self._lanes[source].submit(tenant_id, search) for source, search in searches.items()}
        hits: list[Candidate] = []
        notes: list[Note] = []
        try:
            for source, future in running.items():
                found, told = _result(tenant_id, source, future, self._limits[source] - (time.monotonic() - began))
                hits += found
                notes += told
        finally:
            for future in running.values():
                future.cancel()
        return hits, notes

    def _in_books(self, tenant_id: str, query: Query) -> _Outcome:
        found, is_whole = self._books.search(tenant_id, question(query), most=WINDOW)
        message = "your address books hold more than can be searched; what lies behind the limit is not shown"
        notes = [] if is_whole else [Note(source="addressBook", code="TooLarge", message=message)]
        return [in_address_book(hit.book, hit.entry, hit.match, hit.key, hit.contact) for hit in found], notes

    def _in_directory(self, tenant_id: str, query: Query, bounds: Condition | None) -> _Outcome:
        listed = self._directory.users(tenant_id, join(bounds, condition(query, "o365")), top=WINDOW)
        if listed.refused is None:
            return [in_graph(row, "o365", query.text) for row in listed.rows], []
        # Of both together Graph does not say which one it means.
        alone = self._directory.users(tenant_id, canonical(bounds), top=1) if bounds is not None else None
        if alone is not None and alone.refused is not None:
            raise _Unusable(FilterProblem(code="RefusedByGraph", message=alone.refused))
        return [], [_refused_by_graph("o365", listed.refused)]

    def _in_mailbox(self, tenant_id: str, query: Query, user_token: str | None) -> _Outcome:
        if user_token is None:
            message = "your Exchange contacts are searched only with an access token, not with the portal's cookie"
            return [], [Note(source="exchange", code="SignInWithToken", message=message)]
        try:
            wanted = canonical(condition(query, "exchange"))
            listed = self._mailbox.contacts(tenant_id, user_token, wanted, top=WINDOW)
        except Denied as exc:
            return [], [self._refused(exc, tenant_id)]
        if listed.refused is not None:
            return [], [_refused_by_graph("exchange", listed.refused)]
        return [in_graph(row, "exchange", query.text) for row in listed.rows], []

    def _refused(self, exc: Denied, tenant_id: str) -> Note:
        if exc.reason in ("ConsentMissing", "ErrorAccessDenied"):
            message = "reading Exchange contacts needs the permission Contacts.Read; open the link to grant it"
            return Note(source="exchange", code="ConsentMissing", message=message, url=self._consent.url(tenant_id))
        remedy, claims = (exc.members.get(name) for name in ("remedy", "claims"))
        return Note(
            source="exchange",
            code=exc.reason or exc.code,
            message=exc.detail,
            remedy=remedy if isinstance(remedy, str) else None,
            claims=claims if isinstance(claims, str) else None,
        )


def require_product(head: Head) -> None:
    """Raises NotAllowed (``AttendantConsoleDisabled``)."""
    if "AttendantConsole" not in head.tenant.value.products:
        raise NotAllowed("your tenant has no licence for the Attendant Console", code="AttendantConsoleDisabled")


def _bounds(text: str) -> Condition | None:
    """The admin's filter, None where it lets everybody through."""
    if not text.strip():
        return None
    try:
        return parse(text)
    except FilterError as exc:
        problem = FilterProblem(code=exc.code, message=exc.message, position=exc.position)
        raise _Unusable(problem) from None


def _unable(source: Source) -> Note:
    message = "this source has none of the fields asked for, or cannot be narrowed by them"
    return Note(source=source, code="FieldNotSupported", message=message)


def _refused_by_graph(source: Source, reason: str) -> Note:
    return Note(source=source, code="RefusedByGraph", message=reason)


def _result(tenant_id: str, source: Source, future: Future[_Outcome], patience: float) -> _Outcome:
    try:
        return future.result(max(patience, 0))
    except TooLate:
        return [], [Note(source=source, code="TimedOut", message="this source did not answer in time; try again")]
    except Throttled as exc:
        return [], [Note(source=source, code="Throttled", message=exc.detail)]
    except Unreachable as exc:
        return [], [Note(source=source, code="Unreachable", message=exc.detail)]
    except AppError as exc:
        code = exc.reason if isinstance(exc, Denied) and exc.reason else exc.code
        return [], [Note(source=source, code=code, message=exc.detail)]
    except _Unusable:
        raise
    except Exception as exc:
        log.error("a source of the contact search failed", exc_info=exc, tenant=tenant_id, source=source)
        message = "something went wrong on our side with this source; the others are not concerned"
        return [], [Note(source=source, code=AppError.code, message=message)]
