"""Queue messages that could not be worked on, kept where the tenant they name and the operator find them.

Both lists have a row each under the same id. The tenant's holds the message; the operator's only points to it, since
the content is the tenant's own. A message that names no tenant is in the operator's list alone, with its content.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from shared.kernel import log
from shared.kernel.clock import Clock, from_wire, to_wire
from shared.kernel.errors import Conflict, Invalid, Malformed, NotFound, Stale
from shared.kernel.json_text import read_json, read_text
from shared.kernel.wire import Guid, Wire, parse
from shared.storage.entities import Row, Value, with_doc
from shared.storage.journal import Journal
from shared.storage.queues import MessageTooBig, Queue
from shared.storage.tables import Table
from shared.tenants.models import Page
from shared.tenants.tenants import Tenants

EVERYBODY: Final = "everybody"
"""Names the operator's list."""
KEPT: Final = timedelta(days=30)
# Longer than a send takes with all its tries; who asks again earlier is told to wait.
_CLAIM: Final = timedelta(minutes=2)


class _Addressed(Wire, extra="ignore"):
    tenant_id: Guid


class SetAside(Wire):
    """A message that could not be worked on."""

    id: str
    queue: str
    reason: str
    at: str
    attempts: int


class Poison:
    """``queues`` are those a message may go back to, by name."""

    def __init__(self, table: Table, tenants: Tenants, queues: Mapping[str, Queue], clock: Clock) -> None:
        self._journal = Journal(table, clock)
        self._tenants = tenants
        self._queues = queues
        self._clock = clock

    def keep(self, raw: bytes, *, queue: str, reason: str, attempts: int, message_id: str) -> None:
        """Keep a message as it came, with the reason; a second delivery changes nothing.

        If the process dies between the two rows, the message comes again and the second row follows.
        """
        text, unreadable = _readable(raw)
        tenant_id = None if unreadable else self._known(text)
        why = unreadable or reason
        facts: dict[str, Value] = {"queue": queue, "reason": why[:2000], "attempts": attempts}
        if tenant_id is not None:
            note_id = self._journal.note(_list(tenant_id), with_doc(text, **facts), message_id=message_id)
            facts |= {"tenant": tenant_id}
            self._journal.note(_list(EVERYBODY), facts, message_id=message_id, note_id=note_id)
        else:
            self._journal.note(_list(EVERYBODY), with_doc(text, **facts), message_id=message_id)
        log.warning("a queue message was set aside", queue=queue, tenant=tenant_id, attempts=attempts, reason=why[:200])

    def page(self, whose: str, *, top: int, continuation: str | None) -> Page[SetAside]:
        """What was set aside for a tenant or EVERYBODY, newest first."""
        rows, following = self._journal.page(_list(whose), top=top, continuation=continuation)
        return Page([_shown(row) for row in rows], following)

    def tenant_of(self, note_id: str) -> str | None:
        """Returns the tenant that a message of the operator's list names, or None.

        Raises NotFound (``PoisonNotFound``).
        """
        return self._find(EVERYBODY, note_id).text("tenant") or None

    def requeue(self, whose: str, note_id: str) -> SetAside:
        """Send a message again and strike it off the lists. Raises NotFound (``PoisonNotFound``), Conflict.

        ``whose`` is the tenant whose message it is, EVERYBODY for one that names no tenant.

        Of two who ask, one sends. If the process dies after sending, the message stays listed, and whoever asks for
        it again after two minutes sends it twice: rather that than losing it.
        """
        note = self._find(whose, note_id)
        if note.text("tenant"):  # a pointer, which has no content to send
            raise _not_found()
        queue = self._queues[note.text("queue")]
        self._claim(note)
        try:
            queue.send_text(str(note.doc))
        except MessageTooBig as exc:
            raise Conflict(exc.detail, code=exc.code) from None
        self._journal.remove(_list(EVERYBODY), note_id)
        if whose != EVERYBODY:
            self._journal.remove(_list(whose), note_id)
        log.info("a queue message was sent again", queue=note.text("queue"), tenant=whose, id=note_id)
        return _shown(note)

    def _find(self, whose: str, note_id: str) -> Row:
        note = self._journal.find(_list(whose), note_id)
        if note is None:
            raise _not_found()
        return note

    def _claim(self, note: Row) -> None:
        claimed = note.text("claimed")
        now = self._clock()
        try:
            if claimed and now - from_wire(claimed) < _CLAIM:
                raise Stale("somebody claimed it just now")
            self._journal.change(note, claimed=to_wire(now))
        except (Stale, NotFound):
            raise Conflict("somebody sends this message again just now", code="RequeueUnderWay") from None

    def _known(self, text: str) -> str | None:
        """The tenant a message names, if it is there."""
        try:
            return self._tenants.head(parse(_Addressed, read_json(text.encode())).tenant_id).tenant_id
        except (Malformed, Invalid, NotFound):
            return None


def _not_found() -> NotFound:
    return NotFound("there is no such message", code="PoisonNotFound")


def _list(whose: str) -> str:
    return f"{whose}|poison"


def _readable(raw: bytes) -> tuple[str, str]:
    """The message, and why it cannot be read; then it is the text that lay on the queue."""
    try:
        return read_text(raw), ""
    except Malformed as exc:
        return raw.decode("utf-8", "replace"), exc.detail


def _shown(row: Row) -> SetAside:
    return SetAside(
        id=row.row,
        queue=row.text("queue"),
        reason=row.text("reason"),
        at=row.text("at"),
        attempts=row.number("attempts"),
    )
