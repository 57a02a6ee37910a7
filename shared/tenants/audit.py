"""Who changed what: rows beside the settings, written in the transaction of the change, newest first.

The settings row counts the entries (``audit``), and an entry's key is that count from the top, so the order of keys is
the order of changes whatever the clocks of instances say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from shared.kernel.callers import Caller
from shared.kernel.csv_text import csv_text
from shared.kernel.errors import Invalid
from shared.kernel.wire import Wire
from shared.storage.entities import Insert, Row, with_doc
from shared.storage.keys import prefix_end
from shared.storage.tables import Table
from shared.tenants.models import Page
from shared.tenants.setting_catalogue import SECTIONS

_PREFIX: Final = "audit:"
_TOP: Final = 9_999_999_999
WIDGET_KEY: Final = "widgetKey"  # what an entry about a refreshed widget key names in place of a section
OPERATOR_SECTION: Final = "operator"  # what entries about calls of the platform's Operators name in place of a section
MOST_READ: Final = 1000  # entries looked at for one page; more than that a storage call does not give


class Author(Wire):
    """Whoever made a change; ``tid`` tells the platform's staff from the tenant's own."""

    oid: str
    name: str
    tid: str


class Change(Wire):
    """One field. Of a secret it is said that it changed and nothing else."""

    path: str
    old: Any = None
    new: Any = None


class AuditEntry(Wire):
    """One write. ``revision`` is the ETag it gave the settings; a widget key leaves it as it was."""

    at: str
    by: Author
    revision: int
    changes: list[Change]


def entry(tenant_id: str, count: int, at: str, by: Caller, revision: int, changes: Sequence[dict[str, Any]]) -> Insert:
    """The operation that adds entry number ``count``."""
    author = Author(oid=by.oid, name=by.name, tid=by.tid)
    audited = AuditEntry(at=at, by=author, revision=revision, changes=[Change(**change) for change in changes])
    return Insert(Row(tenant_id, f"{_PREFIX}{_TOP - count:010}", with_doc(audited.as_json())))


def page(
    table: Table, tenant_id: str, *, top: int, continuation: str | None, section: str | None, by: str | None
) -> Page[AuditEntry]:
    """Entries of a section (``widgetKey`` and ``operator`` too) or by an author (oid or name), newest first.

    A filter that few entries pass gives less than ``top`` with a continuation, once it has read MOST_READ of them.
    Raises Invalid for a section that does not exist.
    """
    if section is not None and section not in (*SECTIONS, WIDGET_KEY, OPERATOR_SECTION):
        raise Invalid.field("section", f"is none of {', '.join(SECTIONS)}, {WIDGET_KEY} and {OPERATOR_SECTION}")
    filtered = section is not None or by is not None
    rows, following = table.page(
        tenant_id, _PREFIX, prefix_end(_PREFIX), top=MOST_READ if filtered else top, continuation=continuation
    )
    found: list[AuditEntry] = []
    for row in rows:
        if len(found) == top:
            return Page(found, row.row)
        audited = AuditEntry.model_validate(row.doc, by_alias=True, by_name=False)
        if _fits(audited, section, by):
            found.append(audited)
    return Page(found, following)


def as_csv(entries: Sequence[AuditEntry]) -> str:
    """One line per changed field."""
    header = ["at", "oid", "name", "tid", "revision", "path", "old", "new"]
    return csv_text(
        header,
        (
            [one.at, one.by.oid, one.by.name, one.by.tid, one.revision, change.path, change.old, change.new]
            for one in entries
            for change in one.changes
        ),
    )


def _fits(audited: AuditEntry, section: str | None, by: str | None) -> bool:
    if by is not None and by.casefold() not in (audited.by.oid, audited.by.name.casefold()):
        return False
    return section is None or any(change.path.split(".")[0] == section for change in audited.changes)
